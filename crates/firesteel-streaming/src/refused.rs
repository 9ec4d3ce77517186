//! Records that do not get through: why, what becomes of them, and some of them for people who have set up nothing to hear of
//! all.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_connect::Payload;
use firesteel_core::{Accumulator, TaskContext};
use firesteel_window::List;
use serde::{Deserialize, Serialize};

/// A record that did not get through: who refused it and why, where it came from, and what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rejected {
    /// Who refused it.
    pub by: RejectedBy,
    /// The operator, or the name of the input.
    pub operator: String,
    /// The split of the source it came from.
    pub split: Option<Arc<str>>,
    /// Its position in that split.
    pub position: Option<u64>,
    /// What was wrong: what the source says, what the function returned, or the text of the panic.
    pub error: String,
    /// The record as it stood in the source, if that could not decode it. What a function took, only the function knows:
    /// [`divert`](crate::Stream::divert) has it put its records where they are wanted.
    pub payload: Option<Payload>,
}

/// Who refused a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RejectedBy {
    /// The source could not decode it.
    Source,
    /// A function returned an error, in [`try_map`](crate::Stream::try_map).
    Function,
    /// A function panicked on it, under [`OnPanic::DeadLetter`](firesteel_core::OnPanic::DeadLetter).
    Panic,
}

/// What a job does with a record that its source cannot decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Undecodable {
    /// The job stops, with the record's place and what is wrong with it: nothing is left out unless it is said that it may
    /// be.
    #[default]
    Fail,
    /// The record is left out, counted as malformed, and told like one that [`try_map`](crate::Stream::try_map) refuses;
    /// [`StreamingContext::rejected`](crate::StreamingContext::rejected) has all of them.
    SetAside,
}

/// How many records a job may refuse before it stops.
///
/// All count that do not get through: what sources cannot decode, what [`try_map`](crate::Stream::try_map) refuses, and what
/// functions panic on where that sets a record aside. What failed attempts and repetitions refuse counts once. A job with a
/// checkpoint counts from where that begins, over restarts; one without, from its start. What is in the epoch that
/// went too far is not counted, and will be read again: start the job with another limit, or mend the data.
///
/// ```
/// use firesteel_streaming::{RejectedLimit, StreamingContext};
///
/// // Of the first 10,000 records all may be refused, of more no more than one in a hundred.
/// let limit = RejectedLimit::share(0.01).from(10_000);
/// let job = StreamingContext::builder("clicks").rejected_limit(limit).build()?;
/// # let _ = job;
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RejectedLimit {
    count: u64,
    share: f64,
    from: u64,
}

impl RejectedLimit {
    /// This many, whatever was read.
    #[must_use]
    pub fn count(records: u64) -> Self {
        Self { count: records, share: 0.0, from: 0 }
    }

    /// This share of the records that were read, between 0 and 1, once a thousand were read.
    #[must_use]
    pub fn share(share: f64) -> Self {
        Self { count: 0, share, from: 1_000 }
    }

    /// Looks at the share only once this many records were read.
    #[must_use]
    pub fn from(self, records: u64) -> Self {
        Self { from: records, ..self }
    }

    /// Whether more were refused than may be, of those that were read.
    pub(crate) fn is_exceeded(self, rejected: u64, read: u64) -> bool {
        let by_share = if self.share > 0.0 && read >= self.from { (self.share * read as f64) as u64 } else { 0 };
        let may = if self.share > 0.0 && read < self.from { u64::MAX } else { self.count.max(by_share) };
        rejected > may
    }
}

impl fmt::Display for RejectedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.share > 0.0 {
            return write!(f, "{} % of what is read, from {} records on", self.share * 100.0, self.from);
        }
        write!(f, "{} records", self.count)
    }
}

/// All records of a job that do not get through, where somebody reads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejects {
    records: Accumulator<Rejected, List>,
    is_read: Arc<AtomicBool>,
}

impl Rejects {
    /// Says that somebody reads them.
    pub(crate) fn read(&self) {
        self.is_read.store(true, Ordering::Relaxed);
    }

    /// Where they are put.
    pub(crate) fn records(&self) -> Accumulator<Rejected, List> {
        self.records.clone()
    }

    fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
    }

    /// Whether somebody hears of each: in the stream of them, or in the log.
    pub(crate) fn are_told(&self) -> bool {
        self.is_read() || tracing::enabled!(target: "firesteel::records", tracing::Level::DEBUG)
    }

    /// Puts one more there, if somebody reads them.
    pub(crate) fn put(&self, rejected: &Rejected) {
        if self.is_read() {
            self.records.add(rejected.clone());
        }
    }

    /// Tells of a record that was refused: in the log, and to whoever reads them.
    pub(crate) fn tell(&self, refused: &Rejected) {
        tracing::debug!(target: "firesteel::records", %refused, "a record was refused");
        self.put(refused);
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(split) = &self.split {
            write!(f, "{split}, ")?;
        }
        if let Some(position) = self.position {
            write!(f, "position {position}, ")?;
        }
        write!(f, "{}: {}", self.operator, self.error)
    }
}

/// The text of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it left no text")
}

/// This many are kept of a partition and of a batch.
pub(crate) const KEPT: usize = 3;

/// The first records of each batch that one operator refuses.
///
/// Following positions makes reading slower. So they are asked for in one batch only: that after the first refusal.
#[derive(Default)]
pub(crate) struct Samples {
    kept: Accumulator<Rejected, List>,
    wanted: AtomicBool,
    has_places: AtomicBool,
}

impl Samples {
    /// Whether the next batch is to follow positions.
    pub(crate) fn want_positions(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Keeps a record that the running task refuses.
    pub(crate) fn keep(&self, refused: Rejected, task: &TaskContext) {
        if task.is_stepwise() {
            self.has_places.store(true, Ordering::Relaxed);
        }
        self.wanted.store(!self.has_places.load(Ordering::Relaxed), Ordering::Relaxed);
        self.kept.add(refused);
    }

    /// Keeps a record that a source could not decode: its position is known in any case.
    pub(crate) fn keep_undecodable(&self, refused: Rejected) {
        self.kept.add(refused);
    }

    /// Those of the batch, in the order of its partitions.
    pub(crate) fn take(&self) -> impl Iterator<Item = Rejected> {
        self.kept.take().into_iter()
    }
}
