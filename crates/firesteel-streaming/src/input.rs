//! Inputs: which ranges of a source each micro-batch reads, and how far the job has come.

mod bounded;
mod plan;
mod read;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use firesteel_connect::{ConnectError, ReadRange, Replay, Source, Split, SplitId, Wake};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::progress::{InputProgress, SplitProgress};

pub use bounded::ReadRdd;
pub use plan::BatchLimits;
pub(crate) use plan::{Admission, Bound};
pub use read::SourceRdd;
use read::{Planned, Ranges};

/// A source as the batch loop sees it.
pub(crate) trait Input: Send {
    fn name(&self) -> &Arc<str>;
    fn describe(&self) -> String;
    fn replay(&self) -> Replay;
    fn start(&mut self, wake: Wake) -> Result<()>;
    /// Decides what the next batch reads.
    fn admit(&mut self, admission: &Admission) -> Result<Admitted>;
    /// Takes note that the batch is done: positions move on.
    fn settle(&mut self) -> InputProgress;
    /// Tells the source that it may forget what is behind the positions.
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
    /// Splits with something left to read: the watermark waits for them.
    pub(crate) waiting: Vec<Arc<str>>,
    /// Splits that have ended: the watermark does not wait for them.
    pub(crate) finished: Vec<Arc<str>>,
}

/// How far the job has come in one split.
struct SplitState {
    name: Arc<str>,
    number: u32,
    next: u64,
    /// The source has said that nothing more is there.
    at_end: bool,
    /// Where the source said the data ends when the last read got nothing: asking again is of no use before it moves.
    barren: Option<u64>,
    told_finished: bool,
}

/// What the stream's node and the batch loop share: the source, and the ranges of the current batch.
pub(crate) struct Reading<S> {
    pub(crate) source: S,
    pub(crate) ranges: Mutex<Ranges>,
}

/// One source with the job's positions in it.
pub(crate) struct SourceInput<S: Source> {
    name: Arc<str>,
    reading: Arc<Reading<S>>,
    splits: HashMap<SplitId, SplitState>,
    /// Where an available-now run stops, fixed when it begins; splits that are not in it are left for the next run.
    horizon: Option<HashMap<SplitId, Option<u64>>>,
}

impl<S: Source> SourceInput<S> {
    pub(crate) fn new(name: String, source: S) -> (Self, Arc<Reading<S>>) {
        let reading = Arc::new(Reading { source, ranges: Mutex::default() });
        (Self { name: name.into(), reading: Arc::clone(&reading), splits: HashMap::new(), horizon: None }, reading)
    }

    fn failed(&self, source: ConnectError) -> Error {
        Error::Source { name: self.name.to_string(), source }
    }

    /// The split's state, made up when the split is seen first.
    fn state(&mut self, split: &Split) -> Result<&mut SplitState> {
        let number = u32::try_from(self.splits.len()).unwrap_or(u32::MAX - 1);
        let state = self.splits.entry(split.id.clone()).or_insert_with(|| SplitState {
            name: split.id.as_str().into(),
            number,
            next: split.first,
            at_end: false,
            barren: None,
            told_finished: false,
        });
        if state.next < split.first {
            return Err(Error::Source {
                name: self.name.to_string(),
                source: ConnectError::Lost {
                    place: split.id.to_string(),
                    position: state.next,
                    reason: format!("the oldest record still there is at {}; start again from there", split.first),
                },
            });
        }
        Ok(state)
    }
}

impl<S: Source> Input for SourceInput<S> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }
    fn describe(&self) -> String {
        self.reading.source.describe()
    }
    fn replay(&self) -> Replay {
        self.reading.source.replay()
    }
    fn start(&mut self, wake: Wake) -> Result<()> {
        self.reading.source.start(wake).map_err(|error| self.failed(error))
    }

    fn admit(&mut self, admission: &Admission) -> Result<Admitted> {
        let found = self.reading.source.discover(admission.now).map_err(|error| self.failed(error))?;
        if admission.bound == Bound::AvailableNow && self.horizon.is_none() {
            self.horizon = Some(found.splits.iter().map(|split| (split.id.clone(), split.available)).collect());
        }
        let mut admitted = Admitted::default();
        let mut unread = Vec::new();
        let mut all_finished = true;
        for split in &found.splits {
            let horizon = self.horizon.as_ref().map(|horizon| horizon.get(&split.id).copied());
            let state = self.state(split)?;
            let left = match split.available {
                Some(available) => available > state.next && state.barren != Some(available),
                None => !state.at_end,
            };
            if left {
                admitted.waiting.push(Arc::clone(&state.name));
            }
            if split.finished && !left {
                if !std::mem::replace(&mut state.told_finished, true) {
                    admitted.finished.push(Arc::clone(&state.name));
                }
            } else {
                all_finished = false;
            }
            let available = match horizon {
                None => split.available,
                Some(None) => continue,
                Some(Some(None)) => split.available,
                Some(Some(Some(horizon))) => Some(horizon.min(split.available.unwrap_or(horizon))),
            };
            if left && available.is_none_or(|available| available > state.next) {
                unread.push((split.clone(), available, state.next));
            }
        }
        admitted.drained = unread.is_empty();
        admitted.complete = found.complete && all_finished;
        let planned: Vec<Planned> = plan::cut(&unread, admission)
            .into_iter()
            .map(|(range, hint)| {
                let state = &self.splits[&range.split];
                Planned { range, origin: Arc::clone(&state.name), number: state.number, hint }
            })
            .collect();
        admitted.ranges = planned.len();
        admitted.records = planned.iter().map(|planned| planned.hint).sum();
        *self.reading.ranges.lock() = Ranges::new(planned);
        Ok(admitted)
    }

    fn settle(&mut self) -> InputProgress {
        let ranges = std::mem::take(&mut *self.reading.ranges.lock());
        let ends = ranges.ends.take();
        let mut progress = InputProgress { name: Arc::clone(&self.name), rows: 0, splits: Vec::new() };
        for (index, planned) in ranges.planned.iter().enumerate() {
            let Planned { range, origin, .. } = planned;
            let Some(state) = self.splits.get_mut(&range.split) else { continue };
            let from = state.next;
            let mut read = 0;
            match ends.of(index) {
                Some(end) => {
                    read = end.records;
                    state.next = state.next.max(end.position);
                    state.at_end = end.at_end;
                }
                // Nobody read the range to its end, and nobody needs to.
                None => state.next = state.next.max(range.to.unwrap_or(from)),
            }
            state.barren = if read == 0 && state.next == from { range.to } else { None };
            progress.rows += read;
            match progress.splits.last_mut() {
                Some(last) if last.split == *origin => last.to = state.next,
                _ => progress.splits.push(SplitProgress { split: Arc::clone(origin), from, to: state.next }),
            }
        }
        progress
    }

    fn committed(&mut self) {
        let positions: Vec<_> = self.splits.iter().map(|(id, state)| (id.clone(), state.next)).collect();
        if let Err(error) = self.reading.source.committed(&positions) {
            tracing::warn!(source = %self.name, %error, "the source could not take note of the commit");
        }
    }

    fn stop(&mut self) {
        self.reading.source.stop();
    }
}

/// Names already taken by inputs, so that each input's name is its own.
pub(crate) fn unique_name(wanted: &str, taken: &HashSet<&str>) -> String {
    if !taken.contains(wanted) {
        return wanted.to_owned();
    }
    let numbered = |number: u32| format!("{wanted}-{number}");
    (2..).map(numbered).find(|name| !taken.contains(name.as_str())).unwrap_or_else(|| wanted.to_owned())
}

/// A range with its length, where that counts records.
pub(crate) type Cut = (ReadRange, Option<u64>);
