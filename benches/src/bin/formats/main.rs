//! Decoding files: a job that reads JSON, CSV or Parquet, beside a loop written by hand over the same library, and beside DuckDB,
//! Polars, DataFusion and Spark where they are there.
//!
//! All read the same file, with four of its columns, keep a part of the records and count. What they count is compared.

mod json;
mod made;
mod peers;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use firesteel_benches::stopwatch::Stopwatch;
use firesteel_connect::Source;
use firesteel_connect_file::Files;
use firesteel_connect_memory::Collector;
use firesteel_formats::Format;
use firesteel_streaming::{StreamingContext, Trigger};
use serde::Deserialize;

/// Counts answers to queries of names in a log, which is made up unless one of Zeek's is given (NDJSON, as `dns.json.gz` of
/// `brimdata/zed-sample-data`).
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// A log of JSON, plain or as gzip.
    log: Option<PathBuf>,
    /// What the file is made of: all of them, one after the other, unless one is given.
    #[arg(long, value_delimiter = ',')]
    format: Vec<Kind>,
    /// How large the file of JSON is to be, in megabytes; those of the other formats have as many rows.
    #[arg(long, default_value_t = 300)]
    megabytes: u64,
    /// How many times each side runs; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many threads the job and the other engines have. The loop has one.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// A Python that has the packages `duckdb`, `polars`, `datafusion` and `pyspark`; the last needs Java.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Json,
    Csv,
    Parquet,
}

type Error = Box<dyn std::error::Error>;

/// The fields of a line that are looked at.
#[derive(Debug, Deserialize)]
struct Query {
    ts: String,
    #[serde(rename = "id.orig_h")]
    client: String,
    query: Option<String>,
    rcode_name: Option<String>,
}

impl Query {
    fn is_answered(&self) -> bool {
        self.rcode_name.as_deref() == Some("NOERROR")
    }

    fn letters(&self) -> u64 {
        (self.ts.len() + self.client.len() + self.query.as_ref().map_or(0, String::len)) as u64
    }

    /// Counts it.
    fn count(&self, found: &mut Found) {
        found.0 += 1;
        if self.is_answered() {
            found.1 += 1;
            found.2 += self.letters();
        }
    }
}

/// What a side has found: records, those that were kept, and letters in them.
type Found = (u64, u64, u64);

/// The same as a job.
fn job<F>(files: Files<F>, threads: usize) -> Result<Found, Error>
where
    F: Format<Item = Query>,
    Files<F>: Source<Item = Query>,
{
    let job = StreamingContext::builder("formats").threads(threads).build()?;
    let results = Collector::new();
    let counts = job.read(files).filter(Query::is_answered).map(|query| ((), (1, query.letters())));
    counts.reduce_by_key(|a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1)).write(results.clone());
    let rows = job.run_to_summary(Trigger::AvailableNow)?.rows_in;
    let found = results.records().into_iter().fold((0, 0), |sum, (_, (kept, letters))| (sum.0 + kept, sum.1 + letters));
    Ok((rows, found.0, found.1))
}

/// Runs the sides in turn, so that whatever else happens on the machine happens to all of them, and prints what they took.
fn contest(kind: Kind, path: &Path, options: &Options) -> Result<bool, Error> {
    let megabytes = std::fs::metadata(path)?.len() as f64 / f64::from(1 << 20);
    let threads = options.threads;
    println!("{kind:?}, {megabytes:.0} MB");
    let by_hand: fn(&Path) -> Result<Found, Error> = match kind {
        Kind::Json => json::by_hand,
        Kind::Csv => tables::csv_by_hand,
        Kind::Parquet => tables::parquet_by_hand,
    };
    let by_job = || match kind {
        Kind::Json => job(Files::json::<Query>(path), threads),
        Kind::Csv => job(Files::csv::<Query>(path), threads),
        Kind::Parquet => job(Files::parquet::<Query>(path), threads),
    };
    let peers = peers::there(&options.python);
    let (mut times, mut equal) = (vec![vec![]; 2 + peers.len()], true);
    let expected = by_hand(path)?;
    for _ in 0..options.rounds {
        let watch = Stopwatch::start();
        equal &= by_hand(path)? == expected;
        times[0].push(watch.seconds());
        let watch = Stopwatch::start();
        equal &= by_job()? == expected;
        times[1].push(watch.seconds());
        for (at, peer) in peers.iter().enumerate() {
            let (seconds, found) = peers::run(&options.python, peer, kind, path, threads)?;
            if found != expected {
                println!("{peer} finds {found:?} instead of {expected:?}");
                equal = false;
            }
            times[2 + at].push(seconds);
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let names = ["hand-written, 1 thread".to_owned(), format!("firesteel, {threads} thread(s)")];
    let names = names.into_iter().chain(peers.iter().map(|peer| format!("{peer}, {threads} thread(s)")));
    for (name, seconds) in names.zip(&medians) {
        println!(
            "  {name:24} {seconds:7.3} s  {:6.0} MB/s  {:5.2} of the loop",
            megabytes / seconds,
            medians[0] / seconds
        );
    }
    println!("  results are {}", if equal { "equal" } else { "NOT EQUAL" });
    Ok(equal)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn run(options: &Options) -> Result<bool, Error> {
    let folder = tempfile::tempdir()?;
    let all = [Kind::Json, Kind::Csv, Kind::Parquet];
    let kinds = if options.format.is_empty() { &all[..] } else { &options.format[..] };
    for name in peers::NAMES {
        if !peers::there(&options.python).contains(&name) {
            println!("{name} is not there: {} has no such package", options.python.display());
        }
    }
    let mut equal = true;
    for kind in kinds {
        let path = match (kind, &options.log) {
            (Kind::Json, Some(log)) => json::repeated(log, options.megabytes, folder.path())?,
            (_, Some(_)) if options.format.is_empty() => continue,
            (kind, _) => made::file(*kind, options.megabytes, folder.path())?,
        };
        equal &= contest(*kind, &path, options)?;
        std::fs::remove_file(path)?;
    }
    Ok(equal)
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
