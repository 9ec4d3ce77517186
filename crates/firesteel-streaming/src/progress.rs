//! What a job reports: a record per micro-batch, and a summary at the end.

mod watermark;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use firesteel_connect::{Epoch, Guarantee};
use firesteel_window::{Duration, Timestamp};
use serde::Serialize;

use crate::refused::{Rejected, message};

pub use watermark::{HeldBy, HoldReason, WaitingSplit, WatermarkProgress};

/// One micro-batch in numbers. Serializes to JSON.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct BatchProgress {
    /// The job's name.
    pub job: Arc<str>,
    /// The batch's number, counting from 1.
    pub batch: u64,
    /// The epoch that commits it.
    pub epoch: Epoch,
    /// Whether the epoch ended with it: what it wrote is visible.
    pub ends_epoch: bool,
    /// The processing time at which it was admitted.
    pub time: Timestamp,
    /// What was read.
    pub inputs: Vec<InputProgress>,
    /// Records read from all inputs.
    pub rows_in: u64,
    /// What was written.
    pub outputs: Vec<OutputProgress>,
    /// Records written to all outputs.
    pub rows_out: u64,
    /// Records read per second of the batch's duration.
    pub input_rows_per_second: f64,
    /// Where the time went.
    pub durations: Durations,
    /// The smallest watermark of the job after the batch, if event time is used and known.
    pub watermark: Option<Timestamp>,
    /// How far event time has come at each operator that follows it or brings several together, and who holds it back.
    pub watermarks: Vec<WatermarkProgress>,
    /// What went through each operator, in the order of the program.
    pub operators: Vec<OperatorProgress>,
    /// How the operators with state changed theirs.
    pub states: Vec<StateProgress>,
    /// The tables that are loaded, as they are after the batch.
    pub tables: Vec<TableProgress>,
    /// Whether timers that were due have not fired, since there are more than fire in
    /// [one batch](crate::Builder::timers_per_batch): the next batch follows at once, reads nothing and fires them.
    pub timers_left: bool,
    /// Windows of event time that fired on time, each counted once per operator, whatever the number of its keys.
    pub windows: u64,
    /// Rows of windows that a trigger made fire early.
    pub fired_early: u64,
    /// Rows of windows that fired again for what came late.
    pub fired_late: u64,
    /// Records that came too late for their window, or for an operator with state that refuses late ones.
    pub late: u64,
    /// Records that are in no window, since there are gaps between windows.
    pub outside: u64,
    /// Records that inner joins with tables left out, since their keys had no row there.
    pub unmatched: u64,
    /// Records that `try_map` refused.
    pub malformed: u64,
    /// The first of those, three at most. Their positions are known where somebody follows them: an error output, or
    /// the batch after the first refusal.
    pub malformed_sample: Vec<Rejected>,
    /// Records set aside because user code panicked on them, as text.
    pub dead_letters: Vec<String>,
}

/// What one input read in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InputProgress {
    /// The input's name.
    pub name: Arc<str>,
    /// Records read.
    pub rows: u64,
    /// The ranges that were read.
    pub splits: Vec<SplitProgress>,
    /// What was known to be there and is left for later batches, in the units of the splits' positions; nothing where a
    /// split does not tell where it ends.
    pub left: Option<u64>,
    /// Whether the run ends when that has been read: the source ends there, or the trigger asks for no more.
    pub ends: bool,
    /// How often, since the batch before, what is pushed into the input has had to wait: its buffer was full, or the
    /// [memory for buffers](firesteel_budget::Part::Buffers).
    pub waits: u64,
    /// What else the source has counted since then, such as reconnects, by the name that it gives to it.
    pub counts: BTreeMap<&'static str, u64>,
}

/// How far a batch went in one split: `[from, to)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SplitProgress {
    /// The split's name.
    pub split: Arc<str>,
    /// The position before the batch.
    pub from: u64,
    /// The position after it.
    pub to: u64,
}

/// What one output wrote in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OutputProgress {
    /// The output's name.
    pub name: Arc<str>,
    /// Records written.
    pub rows: u64,
}

/// How it stands with a table that is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableProgress {
    /// The table's name.
    pub name: Arc<str>,
    /// How many rows it has.
    pub rows: u64,
    /// How often it has been loaded since the job was started.
    pub loads: u64,
    /// When it was loaded last, in processing time.
    pub loaded: Timestamp,
    /// Why it could not be loaded again since then, if that was tried.
    pub failed: Option<String>,
}

/// What went through one operator in a batch. Attempts that failed do not count.
///
/// An operator hands on what those after it take: where an output takes only some records, the others count nowhere. What
/// was kept for several consumers counts once; where it did not fit into memory and was computed again, once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OperatorProgress {
    /// Its number in the program, as in [`Explain`](crate::Explain).
    pub id: usize,
    /// Its name, or else its kind.
    pub operator: Arc<str>,
    /// Records that came from the operators before it; of an input, that were read.
    pub rows_in: u64,
    /// Records that it handed on; of an output, that were written.
    pub rows_out: u64,
    /// Records that came too late for it, or for one of the windows that it would have put them in.
    pub late: u64,
    /// Records that are in no window of it.
    pub outside: u64,
    /// Records that it left out, as an inner join with a table whose rows their keys are not among.
    pub unmatched: u64,
    /// Rows of its windows that a trigger made fire early.
    pub fired_early: u64,
    /// Rows of its windows that fired again for what came late.
    pub fired_late: u64,
    /// Records that it refused, as `try_map` does.
    pub malformed: u64,
    /// Records set aside because its function panicked on them. Of operators that have one name, or none, and were made by
    /// one line of the program, they count at the first.
    pub dead_letters: u64,
}

/// How one operator with state changed it in a batch.
///
/// An entry is a key's state. Where a program declares several states, each value and each entry of a list or map
/// counts; of windows, each key in each open one. Timers count apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StateProgress {
    /// The operator's name.
    pub operator: Arc<str>,
    /// Entries after the batch.
    pub keys: u64,
    /// Entries that the batch wrote, new ones included; each counts once.
    pub updated: u64,
    /// Entries that the batch removed.
    pub removed: u64,
    /// Timers that are set after the batch.
    pub timers: u64,
    /// Bytes of memory that the operator's state takes, partly estimated.
    pub memory_bytes: u64,
}

/// Where a batch's time went, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Durations {
    /// Finding out what there is to read.
    pub admit_us: u64,
    /// Computing and writing the outputs.
    pub process_us: u64,
    /// Committing the epoch, where it ended with the batch.
    pub commit_us: u64,
    /// All of it.
    pub total_us: u64,
}

/// Where the time went until a job could begin with its first batch, in microseconds; nothing where it has no
/// checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StartDurations {
    /// Opening the checkpoint: the changelog is read to its end, and the backend is opened.
    pub open_us: u64,
    /// Bringing back the state: from snapshots and the changelog, or what the backend lacks of them.
    pub restore_us: u64,
}

/// What a job is, told once when it starts.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct JobInfo {
    /// The job's name.
    pub job: Arc<str>,
    /// Each input's name and description.
    pub inputs: Vec<(Arc<str>, String)>,
    /// Each output's name and description.
    pub outputs: Vec<(Arc<str>, String)>,
    /// What holds for the job as a whole when it fails and is started again: the weakest of its links.
    pub guarantee: Guarantee,
    /// Why it is no stronger.
    pub guarantee_reason: String,
    /// The folder of the job's checkpoint, if it has one.
    pub checkpoint: Option<String>,
    /// The epoch that the job resumes from, if it found a checkpoint.
    pub resumed: Option<Epoch>,
    /// What getting there took.
    pub durations: StartDurations,
}

/// A whole run in numbers.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Micro-batches that were processed.
    pub batches: u64,
    /// Records read.
    pub rows_in: u64,
    /// Records written.
    pub rows_out: u64,
    /// Records written in an epoch whose commit was not completed, since the job failed or was stopped at once. They are
    /// not among [`rows_out`](Self::rows_out): no sink has to have them, and a job with a checkpoint writes them when it is
    /// started again.
    pub uncommitted: u64,
    /// Records that `try_map` refused.
    pub malformed: u64,
    /// Windows of event time that fired on time, each counted once per operator, whatever the number of its keys.
    pub windows: u64,
    /// Rows of windows that a trigger made fire early.
    pub fired_early: u64,
    /// Rows of windows that fired again for what came late.
    pub fired_late: u64,
    /// Records that came too late for their window.
    pub late: u64,
    /// Records that are in no window, since there are gaps between windows.
    pub outside: u64,
    /// Records that inner joins with tables left out, since their keys had no row there.
    pub unmatched: u64,
    /// Records set aside because user code panicked on them.
    pub dead_letters: u64,
    /// What else the sources have counted, by the names that they give to it: files that were passed over, reconnects.
    pub counts: BTreeMap<&'static str, u64>,
    /// How long the job ran, in microseconds.
    pub elapsed_us: u64,
}

impl Summary {
    /// Records read per second of running time.
    #[must_use]
    pub fn rows_per_second(&self) -> f64 {
        per_second(self.rows_in, self.elapsed_us)
    }
}

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or_default()
}

/// A rate per second out of a count and microseconds; 0 where no time has passed.
pub(crate) fn per_second(count: u64, micros: u64) -> f64 {
    if micros == 0 { 0.0 } else { count as f64 * 1e6 / micros as f64 }
}

/// Receives the events of a job. Calls come on the job's thread, in order; a slow listener slows the job. One that panics does
/// not end it.
pub trait StreamingListener: Send + Sync + 'static {
    /// The job starts.
    fn on_start(&self, info: &JobInfo) {
        let _ = info;
    }
    /// A micro-batch is done, and committed if it [ends its epoch](BatchProgress::ends_epoch).
    fn on_batch(&self, progress: &BatchProgress) {
        let _ = progress;
    }
    /// The job has ended; `error` says why, if it was not meant to.
    fn on_end(&self, summary: &Summary, error: Option<&crate::Error>) {
        let _ = (summary, error);
    }
}

/// Tells all listeners. What goes wrong in one of them is no concern of the job, nor of the others.
pub(crate) fn tell(listeners: &[Arc<dyn StreamingListener>], call: impl Fn(&dyn StreamingListener)) {
    for listener in listeners {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| call(&**listener))) {
            tracing::error!(panic = message(&*panic), "a listener panicked");
        }
    }
}
