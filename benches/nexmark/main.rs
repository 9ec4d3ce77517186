//! Nexmark: questions to the events of an auction house (Tucker, Tufte, Papadimos and Maier, "NEXMark: a benchmark for queries
//! over data streams", 2002; with those that Apache Beam has added), as Firesteel programs, beside Flink SQL and DuckDB.
//!
//! DuckDB is there for the answers: it has all events before it begins, as a table, and waits for no watermark.

mod auctions;
mod bids;
mod events;
mod programs;

use std::process::ExitCode;

use clap::Parser;
use firesteel_benches::queries::{self, Contest};
use firesteel_streaming::StreamingContext;

/// Puts the questions of Nexmark to Firesteel, and to DuckDB and Flink where a Python that has them is named.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    contest: Contest,
}

fn main() -> ExitCode {
    let Options { contest } = Options::parse();
    queries::main(programs::QUERIES, &contest, || StreamingContext::builder("nexmark"))
}
