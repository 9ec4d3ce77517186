//! Windows that overlap, sessions, joins and deduplication beside Flink SQL, DuckDB and what is written by hand.
//!
//! As in `firesteel-nexmark`, events are made from their number, and DuckDB is there for the answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use firesteel_benches::hasher::Counts;
use firesteel_benches::measured::Outcome;
use firesteel_benches::numbers::Numbers;
use firesteel_benches::options::positive;
use firesteel_benches::queries::{self, Answer, Contest, Query, START, condensed, random};
use firesteel_budget::Memory;
use firesteel_streaming::{Checkpoint, Stream, StreamingContext, Timed};
use firesteel_window::{Duration, Session, Sliding, Timestamp, Watermark, hours, minutes, seconds};

/// Puts questions about time to Firesteel, and to DuckDB and Flink where a Python that has them is named.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    contest: Contest,
    /// A folder for the job's checkpoint; without one, state is in memory and ends with the job. It is emptied for each run.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Megabytes that state may take in memory.
    #[arg(long, value_parser = positive)]
    memory: Option<usize>,
}

const BOTH: &[&str] = &["duckdb", "flink"];

const QUERIES: &[Query] = &[
    Query { name: "sliding", program: sliding, by_hand: Some(sliding_by_hand), peers: BOTH },
    Query { name: "sessions", program: sessions, by_hand: None, peers: BOTH },
    Query { name: "join", program: join, by_hand: None, peers: BOTH },
    Query { name: "dedup", program: dedup, by_hand: None, peers: BOTH },
];

/// Events over this many milliseconds: those whose number is `number` of `count`.
fn at(number: u64, count: u64, span: u64) -> u64 {
    START + number * span / count
}

fn timestamp(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis.cast_signed())
}

fn millis(at: Timestamp) -> u64 {
    at.as_millis().cast_unsigned()
}

/// Events of some users over this many milliseconds.
fn users(job: &StreamingContext, count: u64, users: u64, span: u64) -> Stream<(u64, u64), Timed> {
    job.read(Numbers(count))
        .map(move |number| (random(number) % users, at(number, count, span)))
        .event_time(|event| timestamp(event.1), Watermark::bounded(Duration::ZERO))
}

const SLIDING_USERS: u64 = 100_000;
const TWO_HOURS: u64 = 7_200_000;

/// How many events each of 100,000 users had in the last hour, every second, over two hours.
fn sliding(job: &StreamingContext, count: u64, answer: &Answer) {
    users(job, count, SLIDING_USERS, TWO_HOURS)
        .window(Sliding::of(hours(1)).every(seconds(1)))
        .count()
        .map(|row| [row.key, millis(row.window.start()), row.value])
        .write(answer.clone());
}

/// The same with a table for each open window, into all of which a record goes.
fn sliding_by_hand(count: u64) -> Outcome {
    let (size, slide) = (3_600_000, 1_000);
    let mut open: BTreeMap<u64, Counts<u64>> = BTreeMap::new();
    let mut outcome = Outcome::default();
    let mut close = |start: u64, counts: Counts<u64>| {
        counts.into_iter().for_each(|(user, count)| outcome.add_value(condensed(&[user, start, count])));
    };
    for number in 0..count {
        let (user, at) = (random(number) % SLIDING_USERS, at(number, count, TWO_HOURS));
        while let Some(first) = open.first_entry().filter(|first| first.key() + size <= at) {
            let (start, counts) = first.remove_entry();
            close(start, counts);
        }
        let last = at / slide * slide;
        for start in (last + slide - size..=last).step_by(slide as usize) {
            *open.entry(start).or_default().entry(user).or_insert(0) += 1;
        }
    }
    open.into_iter().for_each(|(start, counts)| close(start, counts));
    outcome
}

/// The sessions of a million users over a day, with a pause of half an hour between them.
fn sessions(job: &StreamingContext, count: u64, answer: &Answer) {
    users(job, count, 1_000_000, 86_400_000)
        .window(Session::gap(minutes(30)))
        .count()
        .map(|row| [row.key, millis(row.window.start()), millis(row.window.end()), row.value])
        .write(answer.clone());
}

/// Which events of one side had events of the other with the same key at most five seconds before or fifteen after; each side has
/// every second event, and ten thousand happen in a second.
fn join(job: &StreamingContext, count: u64, answer: &Answer) {
    let side = |odd: u64| {
        job.read(Numbers(count / 2))
            .named(if odd == 0 { "left" } else { "right" })
            .map(move |number| 2 * number + odd)
            .event_time(|number| timestamp(START + number / 10), Watermark::bounded(Duration::ZERO))
            .key_by(|number| random(*number) % 100_000)
    };
    side(0)
        .interval_join(side(1), -seconds(5)..=seconds(15))
        .inner(|left, right| (*left, *right))
        .map(|(key, (left, right))| [key, left, right])
        .write(answer.clone());
}

/// The events whose id, one of ten million, has not come before.
fn dedup(job: &StreamingContext, count: u64, answer: &Answer) {
    job.read(Numbers(count))
        .map(|number| random(number) % 10_000_000)
        .dedup_by(|id| *id)
        .forever()
        .named("ids")
        .map(|id| [id])
        .write(answer.clone());
}

fn main() -> ExitCode {
    let Options { contest, checkpoint, memory } = Options::parse();
    queries::main(QUERIES, &contest, || {
        let mut builder = StreamingContext::builder("over time");
        if let Some(megabytes) = memory {
            builder = builder.memory(Memory::default().state((megabytes as u64) << 20));
        }
        if let Some(folder) = &checkpoint {
            // A folder that is not there is as good as an empty one.
            let _ = std::fs::remove_dir_all(folder);
            builder = builder.checkpoint(durable(Checkpoint::in_folder(folder)));
        }
        builder
    })
}

#[cfg(feature = "rocksdb")]
fn durable(checkpoint: Checkpoint) -> Checkpoint {
    checkpoint.backend(firesteel_state_rocksdb::RocksDbOptions::default())
}

#[cfg(not(feature = "rocksdb"))]
fn durable(checkpoint: Checkpoint) -> Checkpoint {
    checkpoint
}

#[cfg(test)]
mod tests {
    use firesteel_benches::queries::answered;

    use super::*;

    #[test]
    fn answers_do_not_depend_on_batches_and_threads() {
        for query in QUERIES {
            let expected = answered(query, 2_000, 1, 1_000_000);
            assert!(expected.rows > 4, "{}: {expected:?}", query.name);
            for (threads, batch) in [(2, 700), (3, 77)] {
                assert_eq!(answered(query, 2_000, threads, batch), expected, "{} {threads} {batch}", query.name);
            }
            if let Some(by_hand) = query.by_hand {
                assert_eq!(by_hand(2_000), expected, "{}", query.name);
            }
        }
    }
}
