//! Clicks of `user,time,url` lines, counted per user, URL and hour: the complete table, as the clicks come.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin clicks-complete -- --file examples/data/user-clicks.csv
//! cargo run --release -p firesteel-examples --bin clicks-complete -- --file /var/log/clicks --follow
//! nc -lk 9999 &
//! cargo run --release -p firesteel-examples --bin clicks-complete -- --socket localhost:9999
//! ```
//!
//! On a terminal the table stays where it is, and changes. A line such as `ann,2026-11-30T10:05:00Z,/home` that is typed into `nc`
//! is in it at once.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Parser};
use firesteel::file::TextFiles;
use firesteel::prelude::*;
use firesteel::socket::SocketText;
use firesteel::{Exit, LaunchOptions};

/// Counts clicks per user, URL and hour, and shows all counts whenever one has changed.
///
/// A click is a line `user,time,url`, such as `ann,2026-11-30T10:05:00Z,/home`.
#[derive(Parser)]
#[command(name = "clicks-complete", version)]
#[command(group(ArgGroup::new("input").required(true).args(["socket", "file"])))]
struct Options {
    /// Read the lines that this server sends
    #[arg(long, value_name = "HOST:PORT")]
    socket: Option<String>,
    /// Read the lines of a file, of all files in a folder, or of those that a pattern fits; plain, gzip or zstd
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Follow new files and new lines until Ctrl-C
    #[arg(long, requires = "file")]
    follow: bool,
    /// Show N rows of the table
    #[arg(long, value_name = "N", default_value_t = 20)]
    rows: usize,
    #[command(flatten)]
    launch: LaunchOptions,
}

fn main() -> Exit {
    let options = Options::parse();
    let limits = BatchLimits::default().records(1_000);
    options.launch.with(|job| job.limits(limits)).run("clicks-complete", |job| {
        let lines = match (&options.file, &options.socket) {
            (Some(path), _) if options.follow => job.read(TextFiles::new(path).follow()),
            (Some(path), _) => job.read(TextFiles::new(path)),
            (None, server) => job.receive(SocketText::connect(server.clone().unwrap_or_default())),
        };
        let busiest_first = |_: &(String, String), clicks: &u64| Reverse(*clicks);
        let console = Console::table().columns(["from", "to", "user", "url", "clicks"]).rows(options.rows);
        lines
            .named("clicks")
            .try_map(|line: String| line.parse::<Click>()) // what is no click is left out, counted and told
            .event_time(|click| click.at, Watermark::bounded(minutes(1)))
            .key_by(|click| (click.user.clone(), click.url.clone()))
            .window(Tumbling::of(hours(1)))
            .trigger(Early::every_records(1)) // each click changes the table at once,
            .allow_late(days(7)) // also one that comes a week late
            .count()
            .write(console.latest().order_by(busiest_first));
        Ok(())
    })
}

struct Click {
    user: String,
    at: Timestamp,
    url: String,
}

impl FromStr for Click {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        // A URL may have commas.
        let mut parts = line.splitn(3, ',');
        let (Some(user), Some(at), Some(url)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!("`{line}`: a click is user,time,url"));
        };
        let at = at.parse().map_err(|_| format!("`{line}`: a time is one such as 2026-11-30T10:05:00Z"))?;
        Ok(Self { user: user.to_owned(), at, url: url.to_owned() })
    }
}
