//! Inputs: which ranges of a source each micro-batch reads, and how far the job has come.

mod bounded;
mod cost;
mod cut;
mod read;
mod undecodable;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{ConnectError, Pool, ReadRange, Replay, Source, Split, SplitId, Wake};
use firesteel_core::Rdd;
use firesteel_core::hash::BuildKeyHasher;
use firesteel_state::changelog::InputRange;
use firesteel_window::{Duration, Timestamp};
use parking_lot::Mutex;

use crate::checkpoint::{InputCursor, SplitCursor};
use crate::error::{Error, Result};
use crate::plan::{Admission, Admitted, Batch, Bound, Input, NodeId, SplitNumbers};
use crate::progress::{InputProgress, SplitProgress};

pub use bounded::ReadRdd;
pub(crate) use cost::Cost;
pub use read::SourceRdd;
use read::{Planned, Ranges};
pub(crate) use undecodable::OnUndecodable;

/// How far the job has come in one split.
struct SplitState {
    name: Arc<str>,
    /// Its number among all splits of the job.
    number: u32,
    next: u64,
    /// The source has said that nothing more is there.
    at_end: bool,
    /// Where the source said the data ends when the last read got nothing: asking again is of no use before it moves.
    empty_up_to: Option<u64>,
    end: SplitEnd,
    /// Whether the checkpoint does not know of it as it is now.
    changed: bool,
    /// Whether its position is from before a restart, and the source has not been asked since.
    resumed: bool,
}

impl SplitState {
    fn new(name: &SplitId, number: u32, next: u64) -> Self {
        let name = name.as_str().into();
        Self {
            name,
            number,
            next,
            at_end: false,
            empty_up_to: None,
            end: SplitEnd::Open,
            changed: true,
            resumed: false,
        }
    }
}

/// Whether a split has ended, and who knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SplitEnd {
    Open,
    /// It has, and the next batch tells the watermark.
    Seen,
    Told,
}

/// What the stream's rule and the batch loop share: the source, and what it is called.
pub(crate) struct Reading<S> {
    undecodable: OnUndecodable,
    name: Mutex<Option<Arc<str>>>,
    pub(crate) source: S,
    /// How long the tasks of the current batch took that read it, all together, in microseconds.
    took: AtomicU64,
}

impl<S: Source> Reading<S> {
    pub(crate) fn new(source: S, undecodable: OnUndecodable) -> Arc<Self> {
        Arc::new(Self { undecodable, name: Mutex::new(None), source, took: AtomicU64::new(0) })
    }

    /// The name under which positions are stored; what the source calls itself while there is none.
    pub(crate) fn name(&self) -> Arc<str> {
        self.name.lock().clone().unwrap_or_else(|| self.source.describe().into())
    }
}

/// One source with the job's positions in it.
pub(crate) struct SourceInput<S: Source> {
    node: NodeId,
    reading: Arc<Reading<S>>,
    /// The ranges of the current batch.
    ranges: Ranges,
    splits: HashMap<SplitId, SplitState, BuildKeyHasher>,
    numbers: SplitNumbers,
    /// Numbers of splits that the source has no more, until the next batch tells the watermark.
    gone: Vec<u32>,
    /// The names of splits that the checkpoint still knows and the source has no more.
    forgotten: Vec<String>,
    /// The split whose turn it is, where the limits were too small for all.
    turn: Option<SplitId>,
    started: bool,
    /// How often pushes had waited when a batch told so last.
    waits: u64,
    /// What was left to read before the batch, as far as it is known, and whether the run ends with it.
    left: Option<u64>,
    ends: bool,
    /// Where the splits stood when the last epoch ended.
    epoch_end: Vec<(SplitId, u64)>,
    /// What reading costs, and what comes after it in the same tasks.
    cost: Cost,
    /// Where an available-now run stops, fixed when it begins; splits that are not in it are left for the next run.
    horizon: Option<HashMap<SplitId, Option<u64>>>,
}

impl<S: Source> SourceInput<S> {
    pub(crate) fn new(node: NodeId, reading: &Arc<Reading<S>>, numbers: SplitNumbers) -> Self {
        Self {
            node,
            reading: Arc::clone(reading),
            ranges: Ranges::default(),
            splits: HashMap::default(),
            numbers,
            gone: Vec::new(),
            forgotten: Vec::new(),
            turn: None,
            started: false,
            waits: 0,
            horizon: None,
            left: None,
            ends: false,
            epoch_end: Vec::new(),
            cost: Cost::default(),
        }
    }

    fn failed(&self, source: ConnectError) -> Error {
        Error::Source { name: self.reading.name().to_string(), source }
    }

    /// The split's state, made up when the split is seen first.
    fn state(&mut self, split: &Split) -> Result<&mut SplitState> {
        let (numbers, name) = (&self.numbers, self.reading.name());
        let new = || SplitState::new(&split.id, numbers.of(&name, split.id.as_str()), split.first);
        let state = self.splits.entry(split.id.clone()).or_insert_with(new);
        if state.next < split.first {
            return Err(Error::Source {
                name: name.to_string(),
                source: ConnectError::Lost {
                    place: split.id.to_string(),
                    position: state.next,
                    reason: format!("the oldest record still there is at {}; start again from there", split.first),
                },
            });
        }
        if std::mem::take(&mut state.resumed)
            && let Some(available) = split.available.filter(|available| *available < state.next)
        {
            return Err(Error::Source {
                name: name.to_string(),
                source: ConnectError::Lost {
                    place: split.id.to_string(),
                    position: state.next,
                    reason: format!(
                        "the job stood there before it was started again, but the data ends at {available}: bring back what \
                         the source held, or begin another checkpoint"
                    ),
                },
            });
        }
        Ok(state)
    }
}

impl<S: Source> SourceInput<S> {
    /// Forgets splits that the source does not name any more: if one comes back under the same name, it is another, to
    /// be read from its start. Tells whether there are any.
    fn forget_gone(&mut self, found: &[Split]) -> bool {
        let before = self.gone.len();
        let known = found.iter().filter(|split| self.splits.contains_key(&split.id)).count();
        if known < self.splits.len() {
            let there: HashSet<&SplitId> = found.iter().map(|split| &split.id).collect();
            let (splits, gone, forgotten) = (&mut self.splits, &mut self.gone, &mut self.forgotten);
            splits.retain(|id, state| {
                let stays = there.contains(id);
                if !stays {
                    forgotten.push(id.as_str().to_owned());
                }
                if !stays && state.end != SplitEnd::Told {
                    gone.push(state.number);
                }
                stays
            });
        }
        self.gone.len() > before
    }

    /// Cuts what is unread into ranges, in the order of the splits. Where the limits are too small for all splits, the
    /// next batch begins with the one that this batch has to pass over.
    fn take_turns(&mut self, mut unread: Vec<cut::Unread>, admission: &Admission) -> Vec<Cut> {
        let first = self.turn.take().and_then(|turn| unread.iter().position(|(split, ..)| split.id == turn));
        let first = first.unwrap_or(0);
        unread.rotate_left(first);
        let (mut cuts, served) = cut::cut(&unread, admission, self.cost);
        self.turn = unread.get(served).map(|(split, ..)| split.id.clone());
        if first > 0 {
            unread.rotate_right(first);
            let order: HashMap<&SplitId, usize> =
                unread.iter().enumerate().map(|(index, (split, ..))| (&split.id, index)).collect();
            cuts.sort_by_key(|(range, _)| order[&range.split]);
        }
        cuts
    }
}

impl<S: Source> Input for SourceInput<S> {
    fn name(&self) -> Arc<str> {
        self.reading.name()
    }
    fn call(&mut self, name: &Arc<str>) {
        *self.reading.name.lock() = Some(Arc::clone(name));
    }
    fn describe(&self) -> String {
        self.reading.source.describe()
    }
    fn replay(&self) -> Replay {
        self.reading.source.replay()
    }
    fn buffer_within(&self, pool: &Pool) {
        self.reading.source.buffer_within(pool);
    }
    fn start(&mut self, wake: Wake) -> Result<()> {
        self.reading.source.start(wake).map_err(|error| self.failed(error))?;
        self.started = true;
        Ok(())
    }

    fn admit(&mut self, admission: &Admission) -> Result<Admitted> {
        let found = self.reading.source.discover(admission.now).map_err(|error| self.failed(error))?;
        if admission.bound == Bound::AvailableNow && self.horizon.is_none() {
            self.horizon = Some(found.splits.iter().map(|split| (split.id.clone(), split.available)).collect());
        }
        let mut admitted = Admitted { newly_finished: self.forget_gone(&found.splits), ..Admitted::default() };
        admitted.finished.extend(&self.gone);
        let mut unread = Vec::new();
        let mut all_finished = true;
        for split in &found.splits {
            let horizon = self.horizon.as_ref().map(|horizon| horizon.get(&split.id).copied());
            let state = self.state(split)?;
            let left = match split.available {
                Some(available) => available > state.next && state.empty_up_to != Some(available),
                None => !state.at_end,
            };
            if left {
                admitted.waiting.push(state.number);
            }
            if split.finished && !left {
                if state.end != SplitEnd::Told {
                    admitted.newly_finished |= state.end == SplitEnd::Open;
                    state.end = SplitEnd::Seen;
                    admitted.finished.push(state.number);
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
        self.left = unread.iter().map(|(_, available, next)| available.map(|available| available - next)).sum();
        self.ends =
            admission.bound != Bound::Open || (found.complete && found.splits.iter().all(|split| split.finished));
        admitted.drained = unread.is_empty();
        admitted.complete = found.complete && all_finished;
        let planned: Vec<Planned> = self
            .take_turns(unread, admission)
            .into_iter()
            .map(|(range, hint)| {
                let state = &self.splits[&range.split];
                Planned { range, origin: Arc::clone(&state.name), number: state.number, hint }
            })
            .collect();
        admitted.ranges = planned.len();
        admitted.records = planned.iter().map(|planned| planned.hint).sum();
        self.ranges = Ranges::new(planned);
        Ok(admitted)
    }

    fn begin(&self, batch: &Batch) {
        batch.facts().set(self.node, self.ranges.clone());
    }

    fn read_rest(&self, batch: &Batch) -> Result<()> {
        let rdd = SourceRdd::of_batch(batch, self.node, &self.reading);
        for split in rdd.ranges.unfinished() {
            let read = batch.context().run_some(&rdd, split..split + 1, |rdd, split, task| {
                task.drain(rdd.compute(split, task), drop);
            });
            let output = batch.operator(self.node).to_string();
            read.map_err(|source| Error::Batch { batch: batch.id(), output, source })?;
        }
        Ok(())
    }

    fn put_undecodable(&self) {
        self.reading.undecodable.pass_on(&self.ranges);
    }

    fn look(&mut self, now: Timestamp) -> Result<()> {
        self.reading.source.discover(now).map(drop).map_err(|error| self.failed(error))
    }

    fn plan(&mut self, ranges: &[InputRange]) -> Result<Admitted> {
        // What is in memory only is not there any more.
        let readable = self.replay() == Replay::Always;
        let mut planned = Vec::new();
        let name = self.reading.name();
        for range in ranges.iter().filter(|range| readable && *range.input == *name) {
            let id = SplitId::new(range.split.as_str());
            let numbers = &self.numbers;
            let state = self
                .splits
                .entry(id.clone())
                .or_insert_with(|| SplitState::new(&id, numbers.of(&name, &range.split), range.from));
            let (origin, number) = (Arc::clone(&state.name), state.number);
            planned.push(Planned { range: ReadRange::exact(id, range.from, range.to), origin, number, hint: None });
        }
        let admitted = Admitted { ranges: planned.len(), ..Admitted::default() };
        self.ranges = Ranges::new(planned);
        Ok(admitted)
    }

    fn settle(&mut self, each: &mut dyn FnMut(&str, u64, u64)) -> InputProgress {
        self.gone.clear();
        for state in self.splits.values_mut().filter(|state| state.end == SplitEnd::Seen) {
            state.end = SplitEnd::Told;
            state.changed = true;
        }
        // A batch that does not ask this input reads nothing of it.
        let ranges = std::mem::take(&mut self.ranges);
        let ends = ranges.ends.take();
        let (name, left) = (self.reading.name(), self.left.take());
        let waits = self.reading.source.waits();
        let waited = waits.saturating_sub(std::mem::replace(&mut self.waits, waits));
        let mut progress = InputProgress { name, rows: 0, splits: Vec::new(), left, ends: self.ends, waits: waited };
        let mut moved = 0;
        for (index, planned) in ranges.planned.iter().enumerate() {
            let Planned { range, origin, .. } = planned;
            let Some(state) = self.splits.get_mut(&range.split) else { continue };
            let from = state.next;
            let mut read = 0;
            if let Some(end) = read::Ends::find(&ends, index) {
                read = end.seen();
                state.at_end = end.at_end;
                if end.whole {
                    state.next = state.next.max(end.position);
                }
            }
            // Where no output read the range to its end, none needs to: the batch is done with it.
            if planned.is_exact() {
                state.next = state.next.max(range.to.unwrap_or(from));
            }
            state.changed |= state.next != from;
            moved += state.next - from;
            each(origin, range.from, range.to.filter(|_| planned.is_exact()).unwrap_or(state.next));
            state.empty_up_to = if read == 0 && state.next == from { range.to } else { None };
            progress.rows += read;
            progress.left = progress.left.map(|left| left.saturating_sub(state.next - from));
            match progress.splits.last_mut() {
                Some(last) if last.split == *origin => last.to = state.next,
                _ => progress.splits.push(SplitProgress { split: Arc::clone(origin), from, to: state.next }),
            }
        }
        self.cost.learn(moved, Duration::micros(self.reading.took.swap(0, Ordering::Relaxed).cast_signed()));
        progress
    }

    fn changes(&mut self) -> InputCursor {
        let mut cursor = InputCursor { gone: std::mem::take(&mut self.forgotten), ..InputCursor::default() };
        if self.replay() == Replay::Always {
            for (id, state) in self.splits.iter_mut().filter(|(_, state)| state.changed) {
                state.changed = false;
                let ended = state.end == SplitEnd::Told;
                let at = SplitCursor { next: state.next, ended };
                cursor.splits.insert(id.as_str().to_owned(), at);
            }
        }
        cursor
    }

    fn resume(&mut self, cursor: &InputCursor) {
        let input = self.reading.name();
        for (name, at) in &cursor.splits {
            let number = self.numbers.of(&input, name);
            let id = SplitId::new(name.as_str());
            let end = if at.ended { SplitEnd::Told } else { SplitEnd::Open };
            let state = SplitState { end, changed: false, resumed: true, ..SplitState::new(&id, number, at.next) };
            self.splits.insert(id, state);
        }
    }

    fn forgets(&self) -> bool {
        self.replay() == Replay::Always && self.reading.source.forgets()
    }

    fn end_epoch(&mut self) {
        self.epoch_end = self.splits.iter().map(|(id, state)| (id.clone(), state.next)).collect();
    }

    fn committed(&mut self) {
        if let Err(error) = self.reading.source.committed(&self.epoch_end) {
            tracing::warn!(source = %self.reading.name(), %error, "the source could not record the commit");
        }
    }

    fn stop(&mut self) {
        if std::mem::take(&mut self.started) {
            self.reading.source.stop();
        }
    }
}

/// A range with its length, where that counts records.
pub(crate) type Cut = (ReadRange, Option<u64>);
