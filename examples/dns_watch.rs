//! Who asks for names that do not exist: the queries of each host in ten seconds, and the share that was answered NXDOMAIN.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin dns-watch
//! cat out/dns-late/*.ndjson
//! ```
//!
//! The log is read in the order in which it was written, which is not the order in which things happened: a query that waits for its
//! answer is written when that has come, or when nobody waits for it any more. The watermark waits ten seconds. What comes
//! later still is not counted in a window that has been told already; it goes to a file, which says how late it was.

use std::path::PathBuf;

use clap::Parser;
use firesteel::file::{FileSink, Files};
use firesteel::prelude::*;
use firesteel::window::WindowAssigner;
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::DNS;
use serde::{Deserialize, Serialize};

/// Queries of each host and the share of NXDOMAIN, in ten seconds each.
#[derive(Parser)]
#[command(name = "dns-watch", version)]
struct Options {
    /// Zeek's DNS log as JSON: a file, a folder or a pattern; plain, gzip or zstd
    #[arg(default_value = DNS)]
    log: PathBuf,
    /// The folder for what is late
    #[arg(long, value_name = "FOLDER", default_value = "out/dns-late")]
    late: PathBuf,
    /// Print one JSON object per row and line, instead of tables
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    launch: LaunchOptions,
}

/// A line of the log; it has more fields.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Query {
    #[serde(rename = "ts")]
    asked: Timestamp,
    #[serde(rename = "_write_ts")]
    written: Timestamp,
    #[serde(rename = "id.orig_h")]
    host: String,
    query: String,
    /// How it was answered, if it was.
    rcode_name: Option<String>,
}

/// A row of the result.
#[derive(Debug, Clone, Serialize)]
struct Asked {
    from: Timestamp,
    host: String,
    queries: u64,
    nxdomain: f64,
}

/// What came too late to be counted.
#[derive(Debug, Clone, Serialize)]
struct Late {
    host: String,
    query: String,
    asked: Timestamp,
    written: Timestamp,
    why: String,
}

const WINDOWS: Tumbling = Tumbling::of(seconds(10));
const DELAY: Duration = seconds(10);

fn main() -> Exit {
    let options = Options::parse();
    let limits = BatchLimits::default().records(500);
    options.launch.with(|job| job.limits(limits)).run("dns-watch", |job| {
        let late = job.side_output("late");
        let nxdomain = Mean.of(|query: Query| u64::from(query.rcode_name.as_deref() == Some("NXDOMAIN")));
        job.read(Files::json::<Query>(&options.log))
            .named("log")
            .event_time(|query| query.asked, Watermark::bounded(DELAY))
            .key_by(|query| query.host.clone())
            .window(WINDOWS)
            .late_to(&late)
            .aggregate((Count, nxdomain))
            .map(|row| {
                let (queries, share) = row.value;
                Asked { from: row.window.start(), host: row.key, queries, nxdomain: share.unwrap_or(0.0) }
            })
            .write(if options.json { Console::json() } else { Console::table() });
        late.stream().map(|late| explained(late.record.1)).write(FileSink::json::<Late>(&options.late));
        Ok(())
    })
}

fn explained(Query { asked, written, host, query, .. }: Query) -> Late {
    let window = WINDOWS.window_of(asked);
    let why = format!(
        "written {} after it was asked; the window to {} had been told by then, {DELAY} after its end",
        written - asked,
        window.end()
    );
    Late { host, query, asked, written, why }
}
