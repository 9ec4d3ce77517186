//! Batch work without a stream: what an access log says about a site.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin rdd-log-analysis -- --out analysis
//! ```
//!
//! It counts clicks and clients, pages and status codes; what a code means it looks up in a table that all tasks share.
//! With `--out` the complete tables are saved as text files.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use clap::Parser;
use firesteel::Error;
use firesteel::connect::Class;
use firesteel::file::TextFiles;
use firesteel::prelude::*;
use firesteel_examples::{ACCESS_LOG, Click};
use serde::{Deserialize, Serialize};

/// Pages, clients and status codes of a web site, from its access logs.
#[derive(Parser)]
#[command(name = "rdd-log-analysis", version)]
struct Options {
    /// Access logs: files, folders or patterns; plain, gzip or zstd
    #[arg(default_value = ACCESS_LOG)]
    paths: Vec<PathBuf>,
    /// Save the complete tables as text files in a new folder
    #[arg(long, value_name = "FOLDER", value_parser = new_folder)]
    out: Option<PathBuf>,
    /// How many pages to print
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
}

fn main() -> firesteel::Result<()> {
    match analyze(Options::parse()) {
        // Whoever reads standard output has seen enough, as in `… | head`.
        Err(Error::Connector(error)) if error.class() == Class::Closed => Ok(()),
        done => done,
    }
}

fn analyze(options: Options) -> firesteel::Result<()> {
    let context = firesteel::scheduler::local(0)?;

    let malformed = Accumulator::new(Count);
    let refused = malformed.clone();
    let clicks = context
        .read(TextFiles::all(options.paths))?
        .flat_map(move |line| line.parse::<Click>().inspect_err(|_| refused.add(())).ok())
        .cache();
    let totals = Totals {
        clicks: clicks.count()?,
        clients: clicks.clone().map(|click| click.client).distinct().count()?,
        malformed: malformed.value(),
    };

    let pages = clicks
        .clone()
        .map(|click| (click.page().to_owned(), 1))
        .reduce_by_key(|a, b| a + b)
        .map(|(page, hits)| Page { hits, page })
        .sort_by(|row| (Reverse(row.hits), row.page.clone()))?;

    let meanings = context.broadcast(HashMap::from(MEANINGS));
    let statuses = clicks
        .map(|click| (click.status, 1))
        .reduce_by_key(|a, b| a + b)
        .map(move |(status, hits)| {
            let meaning = meanings.get(&status).copied().unwrap_or("unknown").to_owned();
            Status { hits, status, meaning }
        })
        .sort_by(|row| (Reverse(row.hits), row.status))?;

    if let Some(folder) = options.out {
        pages.save_as_text_files(folder.join("pages"))?;
        statuses.save_as_text_files(folder.join("statuses"))?;
    }
    Console::table().title("totals").print([totals])?;
    Console::table().title("top pages").rows(options.top).print(pages.take(options.top)?)?;
    Console::table().title("status codes").print(statuses.collect()?)?;
    Ok(())
}

/// How much there was.
#[derive(Debug, Serialize)]
struct Totals {
    clicks: u64,
    clients: u64,
    malformed: u64,
}

/// How often a page was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Page {
    hits: u64,
    page: String,
}

/// How often a status code was the answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Status {
    hits: u64,
    status: u16,
    meaning: String,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}", self.hits, self.page)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.hits, self.status, self.meaning)
    }
}

/// The status codes of HTTP that a static site sends (RFC 9110).
const MEANINGS: [(u16, &str); 10] = [
    (200, "OK"),
    (206, "Partial Content"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (304, "Not Modified"),
    (400, "Bad Request"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (416, "Range Not Satisfiable"),
    (500, "Internal Server Error"),
];

/// The path of a folder that does not exist yet, so that nothing is overwritten after all the work.
fn new_folder(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    if path.exists() { Err("it exists already: remove it, or name another".to_owned()) } else { Ok(path) }
}
