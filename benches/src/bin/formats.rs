//! Decoding files: a job that reads one value of JSON a line, beside a loop written by hand over the same library.
//!
//! Both read the same file, which is made of a sample repeated, into the same type, keep a part of the records and count. What
//! they count is compared.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use firesteel_benches::stopwatch::Stopwatch;
use firesteel_connect_file::Files;
use firesteel_connect_memory::Collector;
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// Counts answers to queries of names in a log of Zeek's (NDJSON, as `dns.json.gz` of `brimdata/zed-sample-data`).
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// A log, plain or as gzip.
    log: PathBuf,
    /// How large the file is to be that is read, in megabytes.
    #[arg(long, default_value_t = 300)]
    megabytes: u64,
    /// How many times each side runs; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many threads the job has. The loop has one.
    #[arg(long, default_value_t = 1)]
    threads: usize,
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
}

/// What a side has found: records, those that were kept, and letters in them.
type Found = (u64, u64, u64);

/// A read buffer of the size that the source has, from which lines are decoded in place.
fn hand_written(path: &Path) -> Result<Found, Error> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    let (mut held, mut found) = (0, (0, 0, 0));
    loop {
        let count = file.read(&mut buffer[held..])?;
        if count == 0 {
            return Ok(found);
        }
        held += count;
        let mut begin = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[begin..held]) {
            let line = std::str::from_utf8(&buffer[begin..begin + length])?;
            let query: Query = serde_json::from_str(line)?;
            found.0 += 1;
            if query.is_answered() {
                found.1 += 1;
                found.2 += query.letters();
            }
            begin += length + 1;
        }
        buffer.copy_within(begin..held, 0);
        held -= begin;
    }
}

/// The same as a job.
fn job(path: &Path, threads: usize) -> Result<Found, Error> {
    let limits = BatchLimits::default().bytes(64 << 20);
    let job = StreamingContext::builder("formats").threads(threads).limits(limits).build()?;
    let results = Collector::new();
    let answered = job.read(Files::json::<Query>(path)).filter(Query::is_answered);
    let counts = answered.map(|query| ((), (1, query.letters())));
    counts.reduce_by_key(|a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1)).write(results.clone());
    let rows = job.run_to_summary(Trigger::AvailableNow)?.rows_in;
    let found = results.records().into_iter().fold((0, 0), |sum, (_, (kept, letters))| (sum.0 + kept, sum.1 + letters));
    Ok((rows, found.0, found.1))
}

/// Repeats the log until the file is as large as it is to be.
fn prepared(options: &Options, folder: &Path) -> Result<PathBuf, Error> {
    let mut log = Vec::new();
    let file = File::open(&options.log)?;
    if options.log.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(file).read_to_end(&mut log)?;
    } else {
        { file }.read_to_end(&mut log)?;
    }
    let path = folder.join("log.ndjson");
    let mut out = File::create(&path)?;
    for _ in 0..(options.megabytes << 20).div_ceil(log.len().max(1) as u64) {
        out.write_all(&log)?;
    }
    Ok(path)
}

fn run(options: &Options) -> Result<bool, Error> {
    let folder = tempfile::tempdir()?;
    let path = prepared(options, folder.path())?;
    let megabytes = std::fs::metadata(&path)?.len() as f64 / f64::from(1 << 20);
    let mut times = [vec![], vec![]];
    let mut equal = true;
    for _ in 0..options.rounds {
        let watch = Stopwatch::start();
        let by_hand = hand_written(&path)?;
        times[0].push(watch.seconds());
        let watch = Stopwatch::start();
        let by_job = job(&path, options.threads)?;
        times[1].push(watch.seconds());
        equal &= by_hand == by_job;
    }
    let [hand, job] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let threads = options.threads;
    println!("hand-written      {hand:7.3} s  {:7.0} MB/s", megabytes / hand);
    println!("firesteel, {threads} thread(s) {job:5.3} s  {:7.0} MB/s", megabytes / job);
    println!("ratio per thread  {:7.2}", hand / job / threads as f64);
    println!("results           {}", if equal { "equal" } else { "DIFFER" });
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
