//! Questions to a stream of events that are made from their number, answered by a job and by other systems: what the programs
//! `firesteel-nexmark` and `firesteel-over-time` have in common.
//!
//! DuckDB and Flink make the same events by SQL (`benches/peers/queries.py`), and condense their answers in the same way, so that
//! two answers are equal if two numbers are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Args;
use firesteel_connect::{Epoch, Guarantee, Result, Sink, WriteTask};
use firesteel_streaming::{BatchLimits, Builder, StreamingContext, Trigger};

use crate::measured::Outcome;
use crate::options::positive;
use crate::stopwatch::Stopwatch;

/// The modulus of everything that is random: a prime.
pub const PRIME: u64 = 2_147_483_647;
/// The time of the first event: milliseconds since 1970.
pub const START: u64 = 1_767_225_600_000;

/// A number below [`PRIME`] that looks random, and follows from the number of an event, which is below three thousand million.
#[must_use]
#[inline]
pub fn random(number: u64) -> u64 {
    ((number * number % PRIME) * 1_103_515_245 + number * 12_345_678) % PRIME
}

/// The next one after a random number.
#[must_use]
#[inline]
pub fn next_random(random: u64) -> u64 {
    random * 48_271 % PRIME
}

/// A row as one number.
#[must_use]
#[inline]
pub fn condensed(columns: &[u64]) -> u64 {
    columns.iter().fold(7, |number, column| (number * 48_271 + column % PRIME) % PRIME)
}

/// The sink of all questions: counts rows and adds up what they are as numbers.
#[derive(Clone, Default)]
pub struct Answer(Arc<Mutex<Rows>>);

#[derive(Default)]
struct Rows {
    all: Outcome,
    /// The newest row of each key.
    newest: HashMap<u64, u64>,
}

impl Answer {
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for rows that take the place of an earlier one of their key.
    #[must_use]
    pub fn newest(&self) -> Newest {
        Newest(self.clone())
    }

    fn outcome(&self) -> Outcome {
        let rows = self.lock();
        let mut outcome = rows.all;
        rows.newest.values().for_each(|number| outcome.add_value(*number));
        outcome
    }
}

impl<const N: usize> Sink<[u64; N]> for Answer {
    type Pending = Outcome;

    fn describe(&self) -> String {
        "an answer".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = [u64; N]>) -> Result<Outcome> {
        Ok(records.fold(Outcome::default(), |mut outcome, row| {
            outcome.add_value(condensed(&row));
            outcome
        }))
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<Outcome>) -> Result<()> {
        pending.drain(..).for_each(|outcome| self.lock().all += outcome);
        Ok(())
    }
}

/// Keeps the newest row of each key.
#[derive(Clone)]
pub struct Newest(Answer);

impl<const N: usize> Sink<(u64, [u64; N])> for Newest {
    type Pending = Vec<(u64, u64)>;

    fn describe(&self) -> String {
        "an answer by key".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = (u64, [u64; N])>) -> Result<Self::Pending> {
        Ok(records.map(|(key, row)| (key, condensed(&row))).collect())
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<Self::Pending>) -> Result<()> {
        self.0.lock().newest.extend(pending.drain(..).flatten());
        Ok(())
    }
}

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// What it is called on the command line and in `benches/peers/queries.py`.
    pub name: &'static str,
    /// The program, over this many events.
    pub program: fn(&StreamingContext, u64, &Answer),
    /// Another way to the answer, written by hand.
    pub by_hand: Option<fn(u64) -> Outcome>,
    /// Who else can answer it.
    pub peers: &'static [&'static str],
}

/// How questions are put.
#[derive(Debug, Clone, Args)]
pub struct Contest {
    /// Which questions [default: all].
    #[arg(long, value_delimiter = ',')]
    pub query: Vec<String>,
    /// Events.
    #[arg(long, default_value_t = 1_000_000, value_parser = positive)]
    pub events: usize,
    /// Worker threads of all sides but those written by hand, which have one.
    #[arg(long, default_value_t = 2, value_parser = positive)]
    pub threads: usize,
    /// Events of a micro-batch.
    #[arg(long, default_value_t = 100_000, value_parser = positive)]
    pub batch: usize,
    /// Runs of the job; the median counts.
    #[arg(long, default_value_t = 3, value_parser = positive)]
    pub rounds: usize,
    /// A Python that has the package `duckdb`.
    #[arg(long)]
    pub duckdb: Option<PathBuf>,
    /// A Python that has the package `apache-flink`; it needs Java.
    #[arg(long)]
    pub flink: Option<PathBuf>,
    /// Events for Flink, if others; the job answers for as many, too.
    #[arg(long, value_parser = positive)]
    pub flink_events: Option<usize>,
    /// Events for what is written by hand, if others.
    #[arg(long, value_parser = positive)]
    pub by_hand_events: Option<usize>,
}

type Failed = Box<dyn std::error::Error>;

/// The program that asks a peer.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/queries.py");

/// Puts the questions to the job and to all who were named, prints how long they took and whether their answers are equal.
pub fn main(queries: &[Query], contest: &Contest, builder: impl Fn() -> Builder) -> ExitCode {
    match run(queries, contest, builder) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("some answers are not equal");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(queries: &[Query], contest: &Contest, builder: impl Fn() -> Builder) -> std::result::Result<bool, Failed> {
    if let Some(unknown) = contest.query.iter().find(|name| queries.iter().all(|query| query.name != name.as_str())) {
        let names: Vec<&str> = queries.iter().map(|query| query.name).collect();
        return Err(format!("there is no query {unknown:?}, but {}", names.join(", ")).into());
    }
    let asked = |query: &&Query| contest.query.is_empty() || contest.query.iter().any(|name| name == query.name);
    let mut all_equal = true;
    println!("{:10} {:12} {:>12} {:>9} {:>12} {:>12}", "query", "side", "events", "seconds", "M events/s", "rows");
    for query in queries.iter().filter(asked) {
        let job = |events: usize| answer(query, events, contest, builder());
        let mut rounds =
            (0..contest.rounds).map(|_| job(contest.events)).collect::<std::result::Result<Vec<_>, _>>()?;
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, expected) = rounds[rounds.len() / 2];
        let same = rounds.iter().all(|(_, outcome)| *outcome == expected);
        all_equal &= show(query, "firesteel", contest.events, seconds, expected, same);
        let expected_of = |events: usize| -> std::result::Result<Outcome, Failed> {
            Ok(if events == contest.events { expected } else { job(events)?.1 })
        };
        if let Some(by_hand) = query.by_hand {
            let events = contest.by_hand_events.unwrap_or(contest.events);
            let watch = Stopwatch::start();
            let found = by_hand(events as u64);
            let seconds = watch.seconds();
            all_equal &= show(query, "by hand", events, seconds, found, found == expected_of(events)?);
        }
        let flink_events = contest.flink_events.unwrap_or(contest.events);
        for (peer, python, events) in
            [("duckdb", &contest.duckdb, contest.events), ("flink", &contest.flink, flink_events)]
        {
            let (Some(python), true) = (python, query.peers.contains(&peer)) else { continue };
            let (seconds, found) = ask(python, peer, query, events, contest.threads)?;
            all_equal &= show(query, peer, events, seconds, found, found == expected_of(events)?);
        }
    }
    Ok(all_equal)
}

fn show(query: &Query, side: &str, events: usize, seconds: f64, found: Outcome, equal: bool) -> bool {
    let rate = events as f64 / seconds / 1e6;
    let verdict = if equal { "" } else { "  NOT EQUAL" };
    println!("{:10} {side:12} {events:12} {seconds:9.3} {rate:12.3} {:12}{verdict}", query.name, found.rows);
    equal
}

/// The seconds and the answer of a job.
fn answer(
    query: &Query,
    events: usize,
    contest: &Contest,
    builder: Builder,
) -> std::result::Result<(f64, Outcome), Failed> {
    let watch = Stopwatch::start();
    let limits = BatchLimits::default().records(contest.batch as u64);
    let job = builder.threads(contest.threads).limits(limits).build()?;
    let answer = Answer::default();
    (query.program)(&job, events as u64, &answer);
    let summary = job.run_to_summary(Trigger::AvailableNow)?;
    if summary.late > 0 {
        return Err(format!("{}: {} records were late", query.name, summary.late).into());
    }
    Ok((watch.seconds(), answer.outcome()))
}

/// The seconds that a peer takes, without its start, and what it finds.
fn ask(
    python: &Path,
    peer: &str,
    query: &Query,
    events: usize,
    threads: usize,
) -> std::result::Result<(f64, Outcome), Failed> {
    let folder = tempfile::tempdir()?;
    let mut program = Command::new(python);
    program.env("PYTHONDONTWRITEBYTECODE", "1").arg(PEERS).args([peer, query.name, &events.to_string()]);
    program.arg(threads.to_string()).arg(folder.path()).stderr(Stdio::inherit());
    let output = program.output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<&str> = text.lines().last().unwrap_or_default().split_whitespace().collect();
    let [seconds, rows, checksum] = numbers[..] else { return Err(format!("{peer} says {text:?}").into()) };
    Ok((seconds.parse()?, Outcome { rows: rows.parse()?, checksum: checksum.parse()? }))
}

/// What a query answers over this many events, with this many threads and events in a batch: for tests.
///
/// # Panics
/// If the job fails.
#[must_use]
pub fn answered(query: &Query, events: u64, threads: usize, batch: u64) -> Outcome {
    let limits = BatchLimits::default().records(batch);
    let job =
        StreamingContext::builder("queries").threads(threads).limits(limits).build().expect("the executors start");
    let answer = Answer::default();
    (query.program)(&job, events, &answer);
    job.run(Trigger::AvailableNow).expect("the job runs");
    answer.outcome()
}
