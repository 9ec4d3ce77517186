//! The visits of each client of a web site, from its access log.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin user-sessions-state
//! cargo run --release -p firesteel-examples --bin user-sessions-state -- --idle 2h --open
//! cargo run --release -p firesteel-examples --bin user-sessions-state -- --follow --checkpoint /tmp/visits /var/log/apache2
//! ```
//!
//! A visit is a key's state: it begins with a click, and ends when the client has been idle for some time. That time is
//! processing time. With `--follow` the machine's clock tells it; otherwise the log is replayed, and the clock that the
//! job goes by shows the time of the last click that was read.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use firesteel::file::TextFiles;
use firesteel::prelude::*;
use firesteel::rdd::{Clock, SystemClock};
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::{ACCESS_LOG, Click};
use serde::{Deserialize, Serialize};

/// The visits of each client of a web site, from its access logs.
#[derive(Parser)]
#[command(name = "user-sessions-state", version)]
struct Options {
    /// Access logs: files, folders or patterns; plain, gzip or zstd
    #[arg(default_value = ACCESS_LOG)]
    paths: Vec<PathBuf>,
    /// Follow new files and new lines until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// A visit ends when the client has been idle for so long
    #[arg(long, value_name = "TIME", default_value = "90m")]
    idle: Duration,
    /// Also print the number of visits that are open after each batch
    #[arg(long)]
    open: bool,
    /// Print one JSON object per visit and line, instead of tables
    #[arg(long)]
    json: bool,
    /// Take N lines into one micro-batch
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch: u64,
    #[command(flatten)]
    launch: LaunchOptions,
}

fn main() -> Exit {
    let options = Options::parse();
    if options.launch.checkpoint.is_some() && !options.follow {
        // The time of a log that is replayed starts over.
        Options::command().error(ErrorKind::MissingRequiredArgument, "--checkpoint needs --follow").exit();
    }
    let (clock, limits) = (LogClock::default(), BatchLimits::default().records(options.batch));
    let launch = options.launch.with(|job| {
        let job = job.limits(limits);
        if options.follow { job } else { job.clock(Arc::new(clock.clone())) }
    });
    launch.run("user-sessions-state", |job| {
        if !options.follow {
            // The first batch begins with the first click.
            let first = job.rdds().read(TextFiles::all(&options.paths))?.take(1)?;
            first.iter().filter_map(|line| line.parse::<Click>().ok()).for_each(|click| clock.show(click.at));
        }
        let files = TextFiles::all(&options.paths);
        let files = if options.follow { files.follow() } else { files };
        let (open, watched) = (job.side_output("open"), clock.clone());
        let mut spec = MapSpec::new().timeout(options.idle);
        if options.open {
            spec = spec.snapshots_to(&open);
            open.stream().count().map(|open| OpenVisits { open }).write(Console::json().title("open visits"));
        }
        let visits = job
            .read(files)
            .named("log")
            .try_map(|line| line.parse::<Click>())
            .map(move |click| {
                watched.show(click.at);
                (click.client, click)
            })
            .map_with_state_with(spec, visit)
            .named("visits");
        visits.write(if options.json { Console::json() } else { Console::table() });
        Ok(())
    })
}

/// Continues a client's visit, or ends it.
fn visit(client: &IpAddr, click: Option<Click>, state: &mut KeyState<Visit>) -> Option<Visit> {
    match (click, state.get()) {
        // The visit is over: it comes out, and its state goes.
        (None, visit) => visit.cloned(),
        (Some(click), None) => {
            state.update(Visit { client: *client, start: click.at, end: click.at, clicks: 1, bytes: click.bytes });
            None
        }
        (Some(click), Some(visit)) => {
            let mut visit = visit.clone();
            visit.start = visit.start.min(click.at);
            visit.end = visit.end.max(click.at);
            visit.clicks += 1;
            visit.bytes += click.bytes;
            state.update(visit);
            None
        }
    }
}

/// A client's visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Visit {
    client: IpAddr,
    start: Timestamp,
    end: Timestamp,
    clicks: u64,
    bytes: u64,
}

/// How many visits are open.
#[derive(Debug, Clone, Serialize)]
struct OpenVisits {
    open: u64,
}

/// A clock that shows the time of the last click that was read: the log is replayed in its own time.
#[derive(Debug, Clone, Default)]
struct LogClock {
    latest: Arc<AtomicI64>,
    /// Durations are still those of the machine.
    machine: SystemClock,
}

impl LogClock {
    fn show(&self, at: Timestamp) {
        self.latest.fetch_max(at.as_micros(), Ordering::Relaxed);
    }
}

impl Clock for LogClock {
    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_micros(self.latest.load(Ordering::Relaxed))
    }
}
