//! What the plan and the batch loop know of an input, whatever its source.

use std::sync::Arc;

use firesteel_connect::{Place, Pool, Replay, SourceContext};
use firesteel_state::changelog::InputRange;
use firesteel_state::cursor::InputCursor;
use firesteel_window::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calls::Calls;
use crate::error::Result;
use crate::plan::Batch;
use crate::progress::InputProgress;
use crate::time::Ahead;

/// A source as the batch loop sees it.
pub(crate) trait Input: Send {
    /// The name under which its positions are stored, once the program is complete.
    fn name(&self) -> Arc<str>;
    /// Says under which name its positions are stored.
    fn call(&mut self, name: &Arc<str>);
    /// Says who takes note of the calls that tasks make.
    fn watched_by(&self, calls: &Arc<Calls>);
    fn describe(&self) -> String;
    fn replay(&self) -> Replay;
    /// Whether it would read what an output writes there.
    fn would_read(&self, place: &Place) -> bool;
    /// Says of which memory the source takes what it holds unasked.
    fn buffer_within(&self, pool: &Pool);
    fn start(&mut self, context: &SourceContext) -> Result<()>;
    /// Decides what the next batch reads: nothing of splits that are `ahead` of others.
    fn admit(&mut self, admission: &Admission, ahead: &Ahead) -> Result<Admitted>;
    /// Tells a batch which ranges it reads.
    fn begin(&self, batch: &Batch);
    /// Finds the end of ranges that are known only by reading, where no output has read so far.
    fn read_rest(&self, batch: &Batch) -> Result<()>;
    /// Makes certain that what could not be read for now can be left for later, once all has been read that will be.
    fn check_read(&self) -> Result<()>;
    /// Passes on what could not be decoded of the batch's ranges, once all have been read that will be.
    fn put_undecodable(&self);
    /// Lets the source find what there is, without a batch.
    fn look(&mut self, now: Timestamp) -> Result<()>;
    /// Plans to read exactly what a batch before a restart has read.
    fn plan(&mut self, ranges: &[InputRange]) -> Result<Admitted>;
    /// Takes note that the batch is done, which took so long to compute: positions move on. `each` is told every range as it
    /// was read.
    fn settle(&mut self, took: Duration, each: &mut dyn FnMut(&str, u64, u64)) -> InputProgress;
    /// What the source has counted in this run, but for how often pushes have waited.
    fn counted(&self) -> Vec<(&'static str, u64)>;
    /// What has changed since the last call. Splits that are gone lose their numbers.
    fn changes(&mut self) -> InputCursor;
    /// The same where nobody wants to know.
    fn drop_changes(&mut self);
    /// Resumes from where a job stood before a restart.
    fn resume(&mut self, cursor: &InputCursor);
    /// Whether the source will not have again what it is told of as committed, and has it until then.
    fn forgets(&self) -> bool;
    /// Takes note that an epoch ends where the input stands. What the source wants to know again is asked only where somebody
    /// `keeps` it.
    fn end_epoch(&mut self, keeps: bool) -> Result<()>;
    /// Tells the source that it may forget what is before the end of the last epoch.
    fn committed(&mut self);
    /// Stops what runs inside of the source.
    fn stop(&mut self);
}

/// What a batch will read of one source.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// Ranges to read.
    pub(crate) ranges: usize,
    /// Records to read, where that is known.
    pub(crate) records: Option<u64>,
    /// Whether nothing is left to read and nothing will ever come.
    pub(crate) complete: bool,
    /// Whether everything the trigger asks for has been read.
    pub(crate) drained: bool,
    /// Numbers of the splits with something left to read: the watermark waits for them.
    pub(crate) waiting: Vec<u32>,
    /// Numbers of those of which the batch reads something.
    pub(crate) read: Vec<u32>,
    /// Numbers of the splits that have ended since the last batch: the watermark does not wait for them.
    pub(crate) finished: Vec<u32>,
    /// Whether any of those has been found only now.
    pub(crate) newly_finished: bool,
}

/// How large a micro-batch may become. Under overload batches stay within the limits and the source waits.
///
/// ```
/// use firesteel_streaming::BatchLimits;
/// let limits = BatchLimits::default().records(10_000).bytes(8 << 20);
/// # let _ = limits;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchLimits {
    /// Records at most, over all splits of a source; without it, a million where records can be counted beforehand.
    pub records: Option<u64>,
    /// Bytes at most, over all splits of a source; without it, 64 MiB where positions are bytes.
    pub bytes: Option<u64>,
}

impl BatchLimits {
    /// Limits the records.
    #[must_use]
    pub fn records(self, records: u64) -> Self {
        Self { records: Some(records.max(1)), ..self }
    }

    /// Limits the bytes.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes.max(1)), ..self }
    }
}

/// How far the trigger lets a run go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// As long as something comes.
    Open,
    /// What was there when the run began.
    AvailableNow,
    /// One batch of all there is.
    Once,
}

/// What a batch is admitted under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admission {
    pub(crate) now: Timestamp,
    pub(crate) limits: BatchLimits,
    pub(crate) bound: Bound,
    pub(crate) executors: usize,
}
