//! The program that is ended and started again: a job with state of five kinds, five sinks and a checkpoint.
//!
//! It reads the lines of a folder and writes each of them to two sinks; and by key, totals, counts in windows and what
//! timers tell to three others, among the counts what a limiter lets pass that somebody else has written. It runs in a process of its own, told by a variable of the environment what to do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use firesteel_connect_file::{AfterReading, TextFileSink, TextFiles};
use firesteel_core::ManualClock;
use firesteel_state::{Declaration, Fired, List, Timers};
use firesteel_streaming::{
    BatchLimits, BatchProgress, Checkpoint, KeyedProcess, ProcessContext, StreamingContext, StreamingListener, Trigger,
    WindowResult,
};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
use parking_lot::Mutex;
use rate_limiter::RateLimiter;
use serde::{Deserialize, Serialize};

use crate::carried::{self, Carrier};
use crate::input::{self, FILES};
use crate::ledger::Ledger;
use crate::{backends, owners, points};

/// The variable that holds the settings of a run.
pub(crate) const SETTINGS: &str = "FIRESTEEL_CRASH_RUN";

/// The exit code of a job that has stopped with an error.
pub(crate) const STOPPED: i32 = 3;

/// What the program is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Where everything is: `in`, `checkpoint`, and the sinks, each by its name.
    pub(crate) folder: PathBuf,
    /// What it reads, if that is not `in` in the folder.
    pub(crate) input: Option<PathBuf>,
    /// What becomes of the files when they were read.
    pub(crate) archive: Archive,
    /// In which format the records are read and written once more, if they are.
    pub(crate) carrier: Option<Carrier>,
    /// Micro-batches in an epoch.
    pub(crate) batches: i64,
    /// Whether sinks commit an epoch beside the batches of the next, which then has as many as come meanwhile.
    pub(crate) beside: bool,
    pub(crate) backend: Backend,
    pub(crate) threads: usize,
    /// Bytes of changelog between snapshots.
    pub(crate) snapshot_after: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) keep_snapshots: usize,
    /// Whether there is an output besides the sinks that cannot tell which epochs it has.
    pub(crate) mute_output: bool,
    /// The point at which it ends, and the how manieth time it gets there.
    pub(crate) crash: Option<(String, u64)>,
    /// Whether to write down how often each point was passed.
    pub(crate) count: bool,
    /// Whether two jobs share the key groups, and ranges move between them: another program.
    pub(crate) owners: bool,
    /// Takes a savepoint after this many batches, and ends.
    pub(crate) savepoint: Option<usize>,
    /// Begins with this savepoint, where there is no checkpoint.
    pub(crate) start_from: Option<PathBuf>,
}

/// Where state is kept besides the changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Backend {
    /// In memory.
    None,
    /// In a backend that survives with every change, sooner than it has to.
    Eager,
    /// In a backend that survives as of its last flush.
    Lazy,
    /// In a database, where the test program has one.
    Database,
}

/// Where files go when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Archive {
    /// They stay.
    None,
    /// To a folder beside them.
    Beside,
    /// To a folder for temporary files: on another file system, where the machine has the others in memory.
    Elsewhere,
}

impl Run {
    /// Epochs of one batch, and snapshots, rotation and truncation every few of them.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            input: None,
            archive: Archive::None,
            carrier: None,
            batches: 1,
            beside: false,
            backend: Backend::None,
            threads: 1,
            snapshot_after: 1_500,
            segment_bytes: 700,
            keep_snapshots: 2,
            mute_output: false,
            crash: None,
            count: false,
            owners: false,
            savepoint: None,
            start_from: None,
        }
    }

    /// The archive, if there is one.
    pub(crate) fn archive(&self) -> Option<PathBuf> {
        match self.archive {
            Archive::None => None,
            Archive::Beside => Some(self.folder.join("done")),
            Archive::Elsewhere => Some(input::elsewhere(&self.folder)),
        }
    }

    /// The checkpoint's folder.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    /// Where the backend keeps what it holds.
    pub(crate) fn backend_folder(&self) -> PathBuf {
        self.checkpoint().join("state")
    }
}

/// The sinks that are folders of text files.
pub(crate) const TEXT_SINKS: [&str; 4] = ["totals", "windows", "timers", "records"];

/// A record: where it stands, its key, a number, and its time in seconds.
pub(crate) type Record = (String, String, u64, i64);
/// What is known of a key: how many records, and their sum.
pub(crate) type Total = (u64, u64);

/// Takes a line of the input apart.
pub(crate) fn parse(line: &str) -> Record {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a line has three words");
    let (place, key) = (word().to_owned(), word().to_owned());
    (place, key, word().parse().expect("the third word is a number"), word().parse().expect("so is the fourth"))
}

/// Tells at certain times how many records each key has had until then.
pub(crate) struct Reminder;

/// The state of [`Reminder`].
pub(crate) struct Reminders {
    times: List<Timestamp>,
    next: Timers,
}

impl KeyedProcess for Reminder {
    type Key = String;
    type In = Record;
    type Out = String;
    type State = Reminders;

    fn declare(&self, states: &mut Declaration<String>) -> Reminders {
        Reminders { times: states.list("times"), next: states.event_timers("next") }
    }

    fn on_record(
        &self,
        state: &Reminders,
        record: Record,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> firesteel_state::Result<()> {
        state.times.push(ctx, Timestamp::from_secs(record.3))?;
        state.next.register(ctx, Timestamp::from_secs(reminder(record.3)))?;
        Ok(())
    }

    fn on_timer(
        &self,
        state: &Reminders,
        timer: &Fired<String>,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> firesteel_state::Result<()> {
        let mut count = 0;
        state.times.retain(ctx, |time| {
            count += u64::from(*time <= timer.time);
            true
        })?;
        ctx.emit(format!("{} {} {count}", timer.key, timer.time.as_secs()));
        Ok(())
    }
}

/// The time of the reminder that a record of a time asks for.
pub(crate) fn reminder(time: i64) -> i64 {
    time / 16 * 16 + 32
}

/// The length of a window, in seconds.
pub(crate) const WINDOW: i64 = 20;

/// Records of a key that the limiter lets pass at once, and in how many seconds as many again.
pub(crate) const LIMIT: (u32, i64) = (2, 24);

/// What begins the line of a record that the limiter has let pass.
pub(crate) const PASSED: &str = "passed";

/// A second passes with every batch.
struct Ticks(ManualClock);

impl StreamingListener for Ticks {
    fn on_batch(&self, _: &BatchProgress) {
        self.0.advance(seconds(1));
    }
}

/// Builds the job.
pub(crate) fn build(run: &Run) -> firesteel_streaming::Result<StreamingContext> {
    let clock = ManualClock::starting_at(Timestamp::from_secs(1_000_000));
    clock.advance(seconds(1));
    let mut checkpoint = Checkpoint::in_folder(run.checkpoint())
        .interval(seconds(if run.batches == 1 { 0 } else { run.batches }))
        // One test has results of another job there.
        .after_results()
        .snapshot_after(run.snapshot_after)
        .segment_bytes(run.segment_bytes)
        .keep_snapshots(run.keep_snapshots);
    checkpoint = backends::choose(checkpoint, run.backend);
    if let Some(from) = &run.start_from {
        checkpoint = checkpoint.start_from(from);
    }
    let job = StreamingContext::builder("crash")
        .threads(run.threads)
        .partitions(run.threads)
        .limits(BatchLimits::default().records(9))
        // So few that what is due fires in several batches.
        .timers_per_batch(2)
        .clock(Arc::new(clock.clone()))
        .listener(Ticks(clock))
        .checkpoint(checkpoint)
        .build()?;
    let input = run.input.clone().unwrap_or_else(|| run.folder.join("in"));
    let after = run.archive().map_or_else(AfterReading::keep, AfterReading::archive);
    let records = job.read(TextFiles::new(input).after_reading(after)).named("lines").map(|line| parse(&line));
    records
        .clone()
        .map(|(_, key, number, _)| (key, number))
        .update_state_by_key(|new: Vec<u64>, old: Option<Total>| {
            let (count, sum) = old.unwrap_or_default();
            Some((count + new.len() as u64, sum + new.iter().sum::<u64>()))
        })
        .named("totals")
        .map(|(key, (count, sum))| format!("{key} {count} {sum}"))
        .write(TextFileSink::new(run.folder.join("totals")));
    let keyed = records
        .clone()
        .event_time(|record| Timestamp::from_secs(record.3), Watermark::bounded(seconds(17)))
        .key_by(|record| record.1.clone());
    let window = |row: WindowResult<String, u64>| format!("{} {} {}", row.key, row.window.start().as_secs(), row.value);
    let windows = keyed.clone().window(Tumbling::of(seconds(WINDOW))).count().named("windows");
    let limited = keyed.clone().apply(RateLimiter::new(LIMIT.0, seconds(LIMIT.1))).named("limited");
    let passed = limited.map(|(key, (place, ..))| format!("{PASSED} {key} {place}"));
    windows.map(window).union(passed).write(TextFileSink::new(run.folder.join("windows")));
    keyed.process(Reminder).named("timers").write(TextFileSink::new(run.folder.join("timers")));
    let line = |(place, key, number, time): Record| format!("{place} {key} {number} {time}");
    let ledger = Ledger::new(run.folder.join("ledger")).beside(if run.beside { 2 * FILES as usize } else { 0 });
    records.clone().map(line).write(ledger);
    if run.mute_output {
        records.clone().for_each_rdd(|_, _| Ok::<(), std::convert::Infallible>(()));
    }
    records.map(line).write(TextFileSink::new(run.folder.join("records")));
    carried::add(run, &job);
    Ok(job)
}

/// Runs as it is told, and ends the process.
pub(crate) fn main(run: &Run) -> ! {
    let counts = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    points::watch(run, &counts);
    let done = (|| {
        if run.owners {
            return owners::run(run);
        }
        let job = build(run)?;
        match run.savepoint {
            None => job.run(Trigger::AvailableNow),
            Some(batches) => {
                let mut job = job.begin()?;
                for _ in 0..batches {
                    job.next_batch()?;
                }
                job.savepoint(run.folder.join("savepoint")).map(drop)
            }
        }
    })();
    if let Err(error) = done {
        eprintln!("{error:?}");
        std::process::exit(STOPPED);
    }
    if run.count {
        let counts = serde_json::to_vec(&*counts.lock()).expect("numbers can be written");
        std::fs::write(run.folder.join("counts"), counts).expect("the folder can be written to");
    }
    std::process::exit(0);
}
