//! The watermark of one `event_time` operator.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_core::Accumulator;
use firesteel_state::KeyGroups;
use firesteel_state::cursor::SplitName;
use firesteel_window::{Aggregator, Duration, PartitionWatermarks, Timestamp, Watermark, WatermarkStrategy, days};
use parking_lot::Mutex;

use crate::split_numbers::SplitNumbers;
use crate::time::marks::Marks;

/// Follows the event times of one stream, per split of its sources.
///
/// Within a batch there are two watermarks: the one at its start, which judges lateness, and the one that follows from
/// the batch's own records, which fires windows. The second is only asked for once all records have been seen.
pub(crate) struct Tracker {
    /// The name under which a checkpoint finds it again, once the program is complete.
    name: Mutex<Arc<str>>,
    strategy: Strategy,
    /// The inputs whose splits are waited for; none after a shuffle, where records have no split.
    pub(crate) inputs: Vec<usize>,
    state: Mutex<State>,
    seen: Accumulator<(u32, Timestamp), Largest>,
    /// What an operator holds back that has due timers left: it takes the place of all else.
    held: Option<Held>,
    /// The watermarks that it brings together, where it does.
    merged: Option<Arc<[Arc<Tracker>]>>,
    /// Whether another one brings it together with others.
    is_merged: AtomicBool,
    /// Whether its inputs have ended, as far as it has been told.
    is_over: AtomicBool,
    /// Whether it has been told that event time is ahead of the clock.
    is_ahead_told: AtomicBool,
}

/// A watermark that is further ahead of the clock is told: a record with a wrong time has moved it, most likely.
const FAR: Duration = days(1);
/// Clocks that show an earlier time are not set, or those of tests: nothing can be said by them. It is 2001.
const CLOCKS: Timestamp = Timestamp::from_secs(1_000_000_000);

/// How far the watermark is held back by an operator whose results have event time, so that none of them is late for the
/// operators after it. Where due timers have not all fired: to just before the first of them. And at the start of a batch to where
/// the batch before had come: what ends between there and the start, because a split has ended or fallen silent, fires in this batch.
struct Held {
    /// The watermarks that the operator goes by.
    of: Arc<[Arc<Tracker>]>,
    at_start: AtomicI64,
    /// How much earlier than the watermark its results may have happened.
    slack: Duration,
    /// By the place of the key group among those that the job owns; nothing before there is state.
    groups: OnceLock<Box<[AtomicI64]>>,
}

impl Held {
    /// Just before the first of the timers that are left; the end of time if none are.
    fn left(&self) -> Timestamp {
        let first = self.groups.get().into_iter().flatten().map(|group| group.load(Ordering::Relaxed)).min();
        Timestamp::from_micros(first.unwrap_or(i64::MAX))
    }

    fn reached(&self) -> Timestamp {
        if self.slack.is_zero() {
            return self.left();
        }
        self.before(self.left().min(least(&self.of, Tracker::reached)))
    }

    /// The same, and whether others need not wait for it. What the operator goes by is asked once.
    fn reached_and_silent(&self) -> (Timestamp, bool) {
        let left = self.left();
        let (mut reached, mut is_silent) = (left, left == Timestamp::MAX);
        for (of_part, is_part_silent) in self.of.iter().map(|part| part.reached_and_silent()) {
            (reached, is_silent) = (reached.min(of_part), is_silent && is_part_silent);
        }
        (if self.slack.is_zero() { left } else { self.before(reached) }, is_silent)
    }

    fn at_start(&self) -> Timestamp {
        let left = Timestamp::from_micros(self.at_start.load(Ordering::Relaxed));
        self.before(left.min(least(&self.of, Tracker::before)))
    }

    /// As much before a watermark as results may be. Where time has ended, they all are there.
    fn before(&self, watermark: Timestamp) -> Timestamp {
        if watermark == Timestamp::MAX { watermark } else { watermark.saturating_sub(self.slack) }
    }
}

struct State {
    marks: PartitionWatermarks<u32>,
    /// As far as the batch before had come.
    before: Timestamp,
    at_start: Timestamp,
    now: Timestamp,
    /// The batch is the last: after it no event can come.
    ending: bool,
}

/// A strategy of any type.
struct Strategy(Box<dyn WatermarkStrategy + Send + Sync>);

impl WatermarkStrategy for Strategy {
    fn watermark(&self, largest: Timestamp) -> Timestamp {
        self.0.watermark(largest)
    }
    fn idle_timeout(&self) -> Option<Duration> {
        self.0.idle_timeout()
    }
    fn most_ahead(&self) -> Option<Duration> {
        self.0.most_ahead()
    }
}

/// The largest event time of each split, by the split's number among those of the job.
#[derive(Default)]
struct Largest;

impl Aggregator<(u32, Timestamp)> for Largest {
    type Acc = BTreeMap<u32, Timestamp>;
    type Out = BTreeMap<u32, Timestamp>;

    fn create(&self) -> Self::Acc {
        BTreeMap::new()
    }
    fn add(&self, seen: &mut Self::Acc, (split, at): (u32, Timestamp)) {
        let largest = seen.entry(split).or_insert(at);
        *largest = at.max(*largest);
    }
    fn merge(&self, seen: &mut Self::Acc, other: Self::Acc) {
        other.into_iter().for_each(|item| self.add(seen, item));
    }
    fn finish(&self, seen: &Self::Acc) -> Self::Out {
        seen.clone()
    }
}

impl Tracker {
    pub(crate) fn new(strategy: Box<dyn WatermarkStrategy + Send + Sync>, inputs: Vec<usize>) -> Self {
        let marks = PartitionWatermarks::new();
        let state =
            State { marks, before: Timestamp::MIN, at_start: Timestamp::MIN, now: Timestamp::MIN, ending: false };
        let name = Mutex::new("".into());
        Self {
            name,
            strategy: Strategy(strategy),
            inputs,
            state: Mutex::new(state),
            seen: Accumulator::default(),
            held: None,
            merged: None,
            is_merged: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            is_ahead_told: AtomicBool::new(false),
        }
    }

    /// What an operator whose results have event time holds back, for those that read them; it goes by these watermarks.
    /// Results may be so much earlier than the watermark.
    pub(crate) fn holding(of: &Arc<[Arc<Self>]>, slack: Duration) -> Self {
        let (at_start, groups) = (AtomicI64::new(i64::MAX), OnceLock::new());
        let held = Some(Held { of: Arc::clone(of), at_start, slack, groups });
        Self { held, ..Self::new(Box::new(Watermark::bounded(Duration::ZERO)), Vec::new()) }
    }

    /// What brings these together for a stream of several: the smallest of those that are not silent, and it never falls. Who is
    /// silent when all are idle, or have ended, holds nothing back; who has not begun does.
    pub(crate) fn merging(of: Vec<Arc<Self>>) -> Self {
        of.iter().for_each(|part| part.is_merged.store(true, Ordering::Relaxed));
        Self { merged: Some(of.into()), ..Self::new(Box::new(Watermark::bounded(Duration::ZERO)), Vec::new()) }
    }

    /// Whether it brings just these together.
    pub(crate) fn merges(&self, of: &[Arc<Self>]) -> bool {
        let is_same = |parts: &Arc<[Arc<Self>]>| {
            parts.len() == of.len() && parts.iter().zip(of).all(|(part, other)| Arc::ptr_eq(part, other))
        };
        self.merged.as_ref().is_some_and(is_same)
    }

    /// Whether it follows records, and not what others have come to.
    pub(crate) fn is_own(&self) -> bool {
        self.held.is_none()
    }

    /// What it brings together by name.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Arc<str>> {
        self.merged.iter().flat_map(|parts| parts.iter()).map(|part| part.name()).filter(|name| !name.is_empty())
    }

    /// The first of the timers that are left of those which were due in the key group at this place, if any is. There are
    /// `groups` at most.
    pub(crate) fn hold(&self, place: usize, groups: KeyGroups, first: Option<Timestamp>) {
        let Some(held) = &self.held else { return };
        let nothing_held = || (0..groups.count()).map(|_| AtomicI64::new(i64::MAX)).collect();
        if let Some(held) = held.groups.get_or_init(nothing_held).get(place) {
            let before = first.map_or(i64::MAX, |first| first.as_micros().saturating_sub(1));
            held.store(before, Ordering::Relaxed);
        }
    }

    /// A batch begins: what was held back at the end of the one before it judges lateness.
    pub(crate) fn begin_held(&self) {
        if let Some(held) = &self.held {
            held.at_start.store(held.left().as_micros(), Ordering::Relaxed);
        }
    }

    /// Says under which name a checkpoint finds it again.
    pub(crate) fn call(&self, name: &Arc<str>) {
        *self.name.lock() = Arc::clone(name);
    }

    /// The name under which a checkpoint finds it again.
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name.lock())
    }

    /// A batch begins. `waiting` splits have something to read, `finished` ones have ended before it; `ending` says
    /// that nothing can come after this batch.
    pub(crate) fn begin(
        &self,
        now: Timestamp,
        waiting: impl Iterator<Item = u32>,
        finished: impl Iterator<Item = u32>,
        ending: bool,
    ) {
        let mut state = self.state.lock();
        state.before = state.marks.current();
        if self.is_merged.load(Ordering::Relaxed) && self.strategy.idle_timeout().is_some() {
            state.marks.wait_for_first(now);
        }
        for split in finished {
            state.marks.finish(&split);
        }
        for split in waiting {
            state.marks.register(split, now);
        }
        state.at_start = state.marks.advance(&self.strategy, now);
        state.now = now;
        state.ending = ending;
    }

    /// Whether a batch without records moves the watermark: because splits have fallen silent, or because those that
    /// held it have ended.
    pub(crate) fn can_advance(&self, now: Timestamp, finished: impl Iterator<Item = u32>) -> bool {
        let mut finished = finished.peekable();
        if self.strategy.idle_timeout().is_none() && finished.peek().is_none() {
            return false;
        }
        let mut marks = self.state.lock().marks.clone();
        let (before, was_silent) = (marks.current(), is_silent(&marks));
        finished.for_each(|split| marks.finish(&split));
        let moves = marks.advance(&self.strategy, now) > before;
        // Others need not wait for it then.
        moves || (self.is_merged.load(Ordering::Relaxed) && !was_silent && is_silent(&marks))
    }

    /// Its inputs have ended.
    pub(crate) fn over(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// An epoch ends. One that has ended before its first record is not waited for from the next epoch on: not before, since
    /// batches that are run again see what the last epoch has left.
    pub(crate) fn settle_over(&self) {
        if self.is_over.load(Ordering::Relaxed) {
            self.state.lock().marks.end_empty();
        }
    }

    /// Takes note of the largest event time that a task has seen in a split.
    pub(crate) fn saw(&self, split: u32, largest: Timestamp) {
        self.seen.add((split, largest));
    }

    /// The latest event time that may move the watermark in this batch.
    pub(crate) fn most_ahead(&self) -> Timestamp {
        self.strategy.most_ahead().map_or(Timestamp::MAX, |span| self.state.lock().now + span)
    }

    /// Tells of a record that is further ahead of the clock than it may be.
    #[cold]
    pub(crate) fn is_ahead(&self, at: Timestamp) {
        if !self.is_ahead_told.swap(true, Ordering::Relaxed) {
            let (operator, span) = (self.name(), self.strategy.most_ahead().unwrap_or(Duration::ZERO));
            tracing::warn!(
                %operator,
                "a record of {at} is more than {span} ahead of the clock: such records do not move the watermark, and their windows \
                 stay open until their time comes"
            );
        }
    }

    /// Tells that event time has run ahead of the clock.
    fn tell_far_ahead(&self, reached: Timestamp, state: &State) {
        let is_far = state.now >= CLOCKS && reached < Timestamp::MAX && reached > state.now + FAR;
        if is_far && !state.ending && self.held.is_none() && !self.is_ahead_told.swap(true, Ordering::Relaxed) {
            let operator = self.name();
            tracing::warn!(
                %operator,
                "event time is at {reached}, more than {FAR} ahead of the clock: what is earlier is late from here on. If records with \
                 wrong times are in the input, bound what they may do by `ahead_at_most` of the watermark"
            );
        }
    }

    /// The watermark at the start of the batch.
    pub(crate) fn at_start(&self) -> Timestamp {
        if let Some(held) = &self.held {
            return held.at_start();
        }
        if let Some(parts) = &self.merged {
            return self.merge(parts.iter().map(|part| (part.at_start(), part.is_silent_at_start())));
        }
        self.state.lock().at_start
    }

    /// The watermark that the batch before had reached: what it closes has fired. Splits that have ended or fallen silent
    /// since then may have moved the one [at the start](Self::at_start) further.
    pub(crate) fn before(&self) -> Timestamp {
        if self.held.is_some() { self.at_start() } else { self.state.lock().before }
    }

    /// The watermark that follows from all records up to those of this batch.
    pub(crate) fn reached(&self) -> Timestamp {
        match &self.held {
            Some(held) => held.reached(),
            None => self.reached_and_silent().0,
        }
    }

    /// The same, and whether others need not wait for it.
    fn reached_and_silent(&self) -> (Timestamp, bool) {
        if let Some(held) = &self.held {
            return held.reached_and_silent();
        }
        if let Some(parts) = &self.merged {
            // Each part is asked once: they may bring others together, and these again.
            let mut are_silent = true;
            let parts = parts.iter().map(|part| part.reached_and_silent());
            return (self.merge(parts.inspect(|(_, is_silent)| are_silent &= is_silent)), are_silent);
        }
        let state = self.state.lock();
        let mut marks = state.marks.clone();
        let reached = self.advance(&mut marks, &state);
        (reached, is_silent(&marks))
    }

    /// Whether others need not wait for it when the batch begins.
    fn is_silent_at_start(&self) -> bool {
        match (&self.held, &self.merged) {
            (Some(held), _) => held.left() == Timestamp::MAX && held.of.iter().all(|part| part.is_silent_at_start()),
            (_, Some(parts)) => parts.iter().all(|part| part.is_silent_at_start()),
            _ => is_silent(&self.state.lock().marks),
        }
    }

    /// What parts have come to together.
    fn merge(&self, parts: impl Iterator<Item = (Timestamp, bool)>) -> Timestamp {
        let current = self.state.lock().marks.current();
        Watermark::merge(current, parts)
    }

    /// Whether no event can come any more, as far as this one knows: what is held back is no event that is to come.
    pub(crate) fn ends(&self) -> bool {
        self.held.is_some() || self.reached() == Timestamp::MAX
    }

    /// The batch is committed.
    pub(crate) fn end(&self) -> Timestamp {
        if self.merged.is_some() {
            let reached = self.reached();
            self.state.lock().marks.raise(reached);
            return reached;
        }
        let mut state = self.state.lock();
        let mut marks = std::mem::take(&mut state.marks);
        let reached = self.advance(&mut marks, &state);
        state.marks = marks;
        self.tell_far_ahead(reached, &state);
        self.seen.take();
        reached
    }

    /// How far event time has come, as a checkpoint keeps it.
    pub(crate) fn save(&self, numbers: &SplitNumbers) -> PartitionWatermarks<SplitName> {
        self.state.lock().marks.renamed(|number| numbers.name(*number))
    }

    /// Resumes from a checkpoint. The time the job was down is no silence.
    pub(crate) fn resume(&self, mut marks: PartitionWatermarks<u32>, now: Timestamp) {
        marks.resume(now);
        let mut state = self.state.lock();
        (state.before, state.at_start, state.marks) = (marks.current(), marks.current(), marks);
    }

    fn advance(&self, marks: &mut PartitionWatermarks<u32>, state: &State) -> Timestamp {
        if state.ending {
            return marks.finish_all();
        }
        self.seen.read(|seen| {
            for (split, largest) in seen {
                marks.observe(*split, *largest, state.now);
            }
        });
        marks.advance(&self.strategy, state.now)
    }
}

/// Whether nobody waits for a split: all are idle or have ended, and there has been one. Where time has ended, it says so itself.
fn is_silent(marks: &PartitionWatermarks<u32>) -> bool {
    let has_begun = marks.current() > Timestamp::MIN || marks.iter().next().is_some();
    marks.is_idle() && has_begun && marks.current() < Timestamp::MAX
}

/// The smallest of some watermarks; the end of time if there are none.
pub(crate) fn least(trackers: &[Arc<Tracker>], of: impl Fn(&Tracker) -> Timestamp) -> Timestamp {
    trackers.iter().map(|tracker| of(tracker)).min().unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
