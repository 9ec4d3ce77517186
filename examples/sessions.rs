//! The visits of each client of a web site, from its access log: stretches without a pause of more than half an hour.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin sessions
//! cargo run --release -p firesteel-examples --bin sessions -- --gap 2h
//! ```
//!
//! A visit is a window of event time, which closes when the log is past it: so the same log gives the same visits, however fast it is
//! read. `user-sessions-state` has visits that end by a clock instead, as state of its own, for what a window cannot do: to look
//! at the open ones, or to decide by more than a pause.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Parser;
use firesteel::file::TextFiles;
use firesteel::prelude::*;
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::{ACCESS_LOG, Click};
use serde::Serialize;

/// The visits of each client of a web site, from its access logs.
#[derive(Parser)]
#[command(name = "sessions", version)]
struct Options {
    /// Access logs: files, folders or patterns; plain, gzip or zstd
    #[arg(default_value = ACCESS_LOG)]
    paths: Vec<PathBuf>,
    /// Follow new files and new lines until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// A visit ends with a pause of more than this
    #[arg(long, value_name = "TIME", default_value = "30m")]
    gap: Duration,
    /// Print one JSON object per visit and line, instead of tables
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    launch: LaunchOptions,
}

/// A client's visit.
#[derive(Debug, Clone, Serialize)]
struct Visit {
    client: IpAddr,
    start: Timestamp,
    end: Timestamp,
    clicks: u64,
    bytes: u64,
}

fn main() -> Exit {
    let options = Options::parse();
    let (gap, limits) = (options.gap, BatchLimits::default().records(1_000));
    options.launch.with(|job| job.limits(limits)).run("sessions", |job| {
        let files = TextFiles::all(&options.paths);
        let files = if options.follow { files.follow() } else { files };
        job.read(files)
            .named("log")
            .try_map(|line: String| line.parse::<Click>()) // what does not parse is counted and left out
            .event_time(|click| click.at, Watermark::bounded(minutes(1)))
            .map(|click| (click.client, click.bytes))
            .window(Session::gap(gap))
            .aggregate((Count, Sum))
            .map(move |visit| {
                let (clicks, bytes) = visit.value;
                // A session reaches to a gap after its last click.
                let (start, end) = (visit.window.start(), visit.window.end() - gap);
                Visit { client: visit.key, start, end, clicks, bytes }
            })
            .write(if options.json { Console::json() } else { Console::table() });
        Ok(())
    })
}
