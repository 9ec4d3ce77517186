//! Inputs: which ranges of a source each micro-batch reads, and how far the job has come.

mod bounded;
mod cost;
mod counts;
mod cut;
mod parked;
mod ranges;
mod read;
mod splits;
mod undecodable;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_connect::{ConnectError, Discovery, Place, Pool, ReadRange, Replay, Source, SourceContext, SplitId};
use firesteel_core::Rdd;
use firesteel_state::changelog::InputRange;
use firesteel_window::{Duration, Timestamp};
use parking_lot::Mutex;

use crate::calls::Calls;
use crate::checkpoint::InputCursor;
use crate::error::{Error, Result};
use crate::plan::{Admission, Admitted, Batch, Bound, Input, NodeId};
use crate::progress::{InputProgress, SplitProgress};
use crate::split_numbers::SplitNumbers;
use crate::time::Ahead;

pub use bounded::ReadRdd;
pub(crate) use cost::Cost;
use counts::Counts;
use parked::Parked;
use ranges::{Ends, Planned, Ranges};
pub use read::SourceRdd;
use splits::Splits;
pub(crate) use undecodable::OnUndecodable;

/// What the stream's rule and the batch loop share: the source, and what it is called.
pub(crate) struct Reading<S: Source> {
    undecodable: OnUndecodable,
    name: Mutex<Option<Arc<str>>>,
    pub(crate) source: S,
    pub(crate) parked: Parked,
    /// How long the tasks of the current batch took that read it, all together, in microseconds.
    took: AtomicU64,
    /// Who takes note of the calls that tasks make, in a job.
    calls: OnceLock<Arc<Calls>>,
}

impl<S: Source> Reading<S> {
    pub(crate) fn new(source: S, undecodable: OnUndecodable) -> Arc<Self> {
        let (name, parked) = (Mutex::new(None), Parked::default());
        Arc::new(Self { undecodable, name, source, parked, took: AtomicU64::new(0), calls: OnceLock::new() })
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
    splits: Splits,
    numbers: SplitNumbers,
    /// The split whose turn it is, where the limits were too small for all.
    turn: Option<SplitId>,
    started: bool,
    counts: Counts,
    /// What was left to read before the batch, as far as it is known, and whether the run ends with it.
    left: Option<u64>,
    ends: bool,
    /// What reading costs, and what comes after it in the same tasks.
    cost: Cost,
    /// Where an available-now run stops, fixed when it begins; splits that are not in it are left for the next run.
    horizon: Option<HashMap<SplitId, Option<u64>>>,
    /// Whether the source has more splits than it has named.
    has_more: bool,
}

impl<S: Source> SourceInput<S> {
    pub(crate) fn new(node: NodeId, reading: &Arc<Reading<S>>, numbers: SplitNumbers) -> Self {
        Self {
            node,
            reading: Arc::clone(reading),
            ranges: Ranges::default(),
            splits: Splits::default(),
            numbers,
            turn: None,
            started: false,
            counts: Counts::default(),
            horizon: None,
            has_more: false,
            left: None,
            ends: false,
            cost: Cost::default(),
        }
    }

    fn failed(&self, source: ConnectError) -> Error {
        Error::Source { name: self.reading.name().to_string(), source }
    }

    /// Takes in what the source has found. Splits that it does not name any more are forgotten: if one comes back under the
    /// same name, it is another, to be read from its start. Tells whether any had not ended.
    fn take_in(&mut self, found: Discovery) -> Result<bool> {
        let reading = &self.reading;
        let taken = self.splits.take_in(found, &reading.name(), &self.numbers, &reading.parked);
        taken.map_err(|lost| self.failed(lost))
    }

    /// Cuts what is unread into ranges, in the order of the splits. Where the limits are too small for all splits, the
    /// next batch begins with the one that this batch has to pass over.
    fn take_turns(&mut self, mut unread: Vec<cut::Unread>, admission: &Admission) -> Vec<Cut> {
        let first = self.turn.take().and_then(|turn| unread.iter().position(|(split, ..)| split.id == turn));
        let first = first.unwrap_or(0);
        unread.rotate_left(first);
        self.cost.begin();
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
    fn watched_by(&self, calls: &Arc<Calls>) {
        // An input has one job.
        _ = self.reading.calls.set(Arc::clone(calls));
    }
    fn describe(&self) -> String {
        self.reading.source.describe()
    }
    fn replay(&self) -> Replay {
        self.reading.source.replay()
    }
    fn would_read(&self, place: &Place) -> bool {
        self.reading.source.would_read(place)
    }
    fn buffer_within(&self, pool: &Pool) {
        self.reading.source.buffer_within(pool);
    }
    fn start(&mut self, context: &SourceContext) -> Result<()> {
        self.counts = Counts::of(context.counters().clone());
        self.reading.source.start(context).map_err(|error| self.failed(error))?;
        self.started = true;
        Ok(())
    }

    fn admit(&mut self, admission: &Admission, ahead: &Ahead) -> Result<Admitted> {
        let found = self.reading.source.discover(admission.now).map_err(|error| self.failed(error))?;
        let (complete, more) = (found.complete, found.more);
        let newly_finished = self.take_in(found)?;
        if admission.bound == Bound::AvailableNow && (self.horizon.is_none() || self.has_more) {
            // Of what was named before, the run goes no further than it was then.
            let horizon = self.horizon.get_or_insert_default();
            self.splits.available().into_iter().for_each(|(split, end)| _ = horizon.entry(split).or_insert(end));
        }
        self.has_more = more;
        let mut admitted = Admitted { newly_finished, ..Admitted::default() };
        admitted.finished.extend(self.splits.gone());
        let mut unread = self.splits.unread(&mut admitted, self.horizon.as_ref());
        self.left = unread.iter().map(|(_, available, next)| available.map(|available| available - next)).sum();
        self.ends = admission.bound != Bound::Open || (complete && self.splits.all_finished());
        admitted.drained = unread.is_empty() && !more;
        admitted.complete = complete && self.splits.all_done();
        if !ahead.is_empty() {
            unread.retain(|(split, ..)| !ahead.contains_key(&self.splits[&split.id].number));
        }
        let planned: Vec<Planned> = self
            .take_turns(unread, admission)
            .into_iter()
            .map(|(range, hint)| {
                let state = &self.splits[&range.split];
                Planned { range, origin: Arc::clone(&state.name), number: state.number, hint, is_again: false }
            })
            .collect();
        admitted.ranges = planned.len();
        admitted.read = planned.iter().map(|planned| planned.number).collect();
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

    fn check_read(&self) -> Result<()> {
        for (range, position) in self.ranges.torn() {
            let planned = &self.ranges.planned[range];
            let rest = planned.range.to.map(|to| ReadRange::exact(planned.range.split.clone(), position, to));
            let passed = rest.map_or(Ok(false), |rest| self.reading.source.pass_over(&rest));
            if !passed.map_err(|error| self.failed(error))? {
                let reason = "what comes after it was read in the same batch, so that it cannot be left for later; start \
                              the job again";
                let place = planned.origin.to_string();
                return Err(self.failed(ConnectError::Later { place, position, reason: reason.into() }));
            }
            self.ranges.pass(range);
        }
        Ok(())
    }

    fn put_undecodable(&self) {
        self.reading.undecodable.pass_on(&self.ranges);
    }

    fn look(&mut self, now: Timestamp) -> Result<()> {
        let found = self.reading.source.discover(now).map_err(|error| self.failed(error))?;
        self.take_in(found).map(drop)
    }

    fn plan(&mut self, ranges: &[InputRange]) -> Result<Admitted> {
        // What is in memory only is not there any more.
        let readable = self.replay() == Replay::Always;
        let mut planned = Vec::new();
        let name = self.reading.name();
        let mut before: Option<&InputRange> = None;
        for range in ranges.iter().filter(|range| readable && *range.input == *name) {
            let id = SplitId::new(range.split.as_str());
            let gap = before.replace(range).filter(|before| before.split == range.split && before.to < range.from);
            if let Some(gap) = gap {
                let stretch = ReadRange::exact(id.clone(), gap.to, range.from);
                self.reading.source.pass_over(&stretch).map_err(|error| self.failed(error))?;
            }
            let state = self.splits.known(&id, range.from, &name, &self.numbers);
            let (origin, number) = (Arc::clone(&state.name), state.number);
            let range = ReadRange::exact(id, range.from, range.to);
            planned.push(Planned { range, origin, number, hint: None, is_again: true });
        }
        let read = planned.iter().map(|planned: &Planned| planned.number).collect();
        let admitted = Admitted { ranges: planned.len(), read, ..Admitted::default() };
        self.ranges = Ranges::new(planned);
        Ok(admitted)
    }

    fn settle(&mut self, took: Duration, each: &mut dyn FnMut(&str, u64, u64)) -> InputProgress {
        self.splits.settle_ends();
        // A batch that does not ask this input reads nothing of it.
        let ranges = std::mem::take(&mut self.ranges);
        let ends = ranges.ends.take();
        let (name, left) = (self.reading.name(), self.left.take());
        let (waits, counts) = self.counts.since();
        let mut progress = InputProgress { name, rows: 0, splits: Vec::new(), left, ends: self.ends, waits, counts };
        let mut moved = 0;
        // What comes after a range that could not be read to its end was not read either: it is asked for again.
        let mut waits_for: Option<&SplitId> = None;
        for (index, planned) in ranges.planned.iter().enumerate() {
            let Planned { range, origin, .. } = planned;
            if waits_for == Some(&range.split) {
                continue;
            }
            let Some(state) = self.splits.get_mut(&range.split) else { continue };
            let from = state.next;
            let (mut read, mut is_short, mut passed_at) = (0, false, None);
            if let Some(end) = Ends::find(&ends, index) {
                (read, is_short) = (end.seen(), end.is_short && !ranges.is_passed(index));
                // Whoever runs the batch again reads what was read.
                passed_at = Some(end.position).filter(|_| ranges.is_passed(index));
                state.at_end = end.at_end;
                if end.whole {
                    state.next = state.next.max(end.position);
                }
            }
            // Where no output read the range to its end, none needs to: the batch is done with it.
            let is_exact = planned.is_exact() && !is_short;
            if is_exact {
                state.next = state.next.max(range.to.unwrap_or(from));
            }
            let to = state.next;
            state.empty_up_to = if read == 0 && to == from && !is_short { range.to } else { None };
            waits_for = is_short.then_some(&range.split);
            self.splits.settle(&range.split, from);
            moved += to - from;
            each(origin, range.from, passed_at.unwrap_or(range.to.filter(|_| is_exact).unwrap_or(to)));
            progress.rows += read;
            progress.left = progress.left.map(|left| left.saturating_sub(to - from));
            match progress.splits.last_mut() {
                Some(last) if last.split == *origin => last.to = to,
                _ => progress.splits.push(SplitProgress { split: Arc::clone(origin), from, to }),
            }
        }
        self.cost.ended(moved, took, ranges.planned.len() > progress.splits.len());
        self.cost.learn(moved, Duration::micros(self.reading.took.swap(0, Ordering::Relaxed).cast_signed()));
        progress
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        self.counts.all()
    }

    fn changes(&mut self) -> InputCursor {
        let stays = self.replay() == Replay::Always;
        self.splits.changes(stays, &self.reading.name(), &self.numbers)
    }

    fn drop_changes(&mut self) {
        self.splits.drop_changes(&self.reading.name(), &self.numbers);
    }

    fn resume(&mut self, cursor: &InputCursor) {
        let input = self.reading.name();
        for (name, at) in &cursor.splits {
            self.splits.resume(name, at, self.numbers.of(&input, name));
        }
    }

    fn forgets(&self) -> bool {
        self.replay() == Replay::Always && self.reading.source.forgets()
    }

    fn end_epoch(&mut self, keeps: bool) -> Result<()> {
        if keeps && self.replay() == Replay::Always {
            let notes = self.reading.source.notes(&self.splits.moved()).map_err(|error| self.failed(error))?;
            self.splits.note(notes);
        }
        self.splits.end_epoch();
        Ok(())
    }

    fn committed(&mut self) {
        match self.reading.source.committed(&self.splits.untold()) {
            Ok(()) => self.splits.told(),
            // It is told again with the next one.
            Err(error) => {
                tracing::warn!(source = %self.reading.name(), %error, "the source could not record the commit")
            }
        }
    }

    fn stop(&mut self) {
        self.reading.parked.drop_where(|_| true);
        if std::mem::take(&mut self.started) {
            self.reading.source.stop();
        }
    }
}

/// A range with its length, where that counts records.
pub(crate) type Cut = (ReadRange, Option<u64>);
