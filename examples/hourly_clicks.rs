//! Clicks per client and hour of a web site, from its access log.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin hourly-clicks
//! cargo run --release -p firesteel-examples --bin hourly-clicks -- --top 3 --window 1d
//! cargo run --release -p firesteel-examples --bin hourly-clicks -- --json --follow /var/log/apache2
//! ```
//!
//! A window is printed once no click can come for it any more, as far as anybody can know: when a click has been seen
//! that is a minute younger than the window's end.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Parser;
use firesteel::file::TextFiles;
use firesteel::prelude::*;
use firesteel::rdd::Records;
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::{ACCESS_LOG, Click};
use serde::Serialize;

/// Clicks per client and hour of a web site, from its access logs.
#[derive(Parser)]
#[command(name = "hourly-clicks", version)]
struct Options {
    /// Access logs: files, folders or patterns; plain, gzip or zstd
    #[arg(default_value = ACCESS_LOG)]
    paths: Vec<PathBuf>,
    /// Print one JSON object per result and line, instead of tables
    #[arg(long)]
    json: bool,
    /// Follow new files and new lines until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Count in windows of this size, such as 30m or 1d
    #[arg(long, value_name = "SIZE", default_value = "1h")]
    window: Duration,
    /// Print the N busiest clients of each window only
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Show N rows of each table
    #[arg(long, value_name = "N", default_value_t = 20)]
    rows: usize,
    /// Take N lines into one micro-batch
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    batch: u64,
    #[command(flatten)]
    launch: LaunchOptions,
}

fn main() -> Exit {
    let options = Options::parse();
    let limits = BatchLimits::default().records(options.batch);
    options.launch.with(|job| job.limits(limits)).run("hourly-clicks", |job| {
        let files = TextFiles::all(&options.paths);
        let files = if options.follow { files.follow() } else { files };
        let console = if options.json { Console::json() } else { Console::table().rows(options.rows) };
        let top = options.top.unwrap_or(usize::MAX);

        job.read(files)
            .try_map(|line| line.parse::<Click>()) // what does not parse is counted and left out
            .event_time(|click| click.at, Watermark::bounded(minutes(1)))
            .key_by(|click| click.client)
            .window(Tumbling::of(options.window))
            .count()
            .repartition(1)
            .map_partitions(move |counts| busiest(counts, top))
            .write(console);
        Ok(())
    })
}

/// A row of the result.
#[derive(Debug, Clone, Serialize)]
struct HourlyClicks {
    start: Timestamp,
    end: Timestamp,
    client: IpAddr,
    clicks: u64,
}

/// The windows in their order, in each the `top` busiest clients before the others.
fn busiest<'r>(counts: Records<'r, WindowResult<IpAddr, u64>>, top: usize) -> Records<'r, HourlyClicks> {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by_key(|count| (count.window, Reverse(count.value), count.key));
    let windows = counts.chunk_by(|a, b| a.window == b.window);
    let rows: Vec<_> = windows.flat_map(|window| window.iter().take(top)).map(HourlyClicks::from).collect();
    Box::new(rows.into_iter())
}

impl From<&WindowResult<IpAddr, u64>> for HourlyClicks {
    fn from(count: &WindowResult<IpAddr, u64>) -> Self {
        let WindowResult { window, key, value } = *count;
        Self { start: window.start(), end: window.end(), client: key, clicks: value }
    }
}
