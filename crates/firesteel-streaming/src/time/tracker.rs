//! The watermark of one `event_time` operator.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_core::Accumulator;
use firesteel_state::KeyGroups;
use firesteel_state::cursor::SplitName;
use firesteel_window::{Duration, PartitionWatermarks, Timestamp, Watermark, WatermarkStrategy, days};
use parking_lot::Mutex;

use crate::split_numbers::SplitNumbers;
use crate::time::asked::{Answer, Answers, When};
use crate::time::held::Held;
use crate::time::marks::Marks;
use crate::time::tracker::follows::{Largest, State, Strategy, is_silent};

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
    /// The names of splits.
    numbers: SplitNumbers,
    state: Mutex<State>,
    seen: Accumulator<(u32, Timestamp), Largest>,
    /// What an operator holds back that has due timers left: it takes the place of all else.
    held: Option<Held>,
    /// Whether it follows the clock, and no records.
    is_clock: bool,
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

impl Tracker {
    /// What follows the records of these inputs, whose splits have these numbers.
    pub(crate) fn new(
        strategy: Box<dyn WatermarkStrategy + Send + Sync>,
        inputs: Vec<usize>,
        numbers: SplitNumbers,
    ) -> Self {
        let state = State { before: Timestamp::MIN, at_start: Timestamp::MIN, now: Timestamp::MIN, ..State::default() };
        let name = Mutex::new("".into());
        Self {
            name,
            strategy: Strategy(strategy),
            inputs,
            numbers,
            state: Mutex::new(state),
            seen: Accumulator::default(),
            held: None,
            is_clock: false,
            merged: None,
            is_merged: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            is_ahead_told: AtomicBool::new(false),
        }
    }

    /// What an operator whose results have event time holds back, for those that read them; it goes by these watermarks.
    /// Results may be so much earlier than the watermark.
    pub(crate) fn holding(of: &Arc<[Arc<Self>]>, slack: Duration) -> Self {
        let held = Some(Held::new(of, slack));
        Self { held, ..Self::without_records() }
    }

    /// What brings these together for a stream of several: the smallest of those that are not silent, and it never falls. Who is
    /// silent when all are idle, or have ended, holds nothing back; who has not begun does.
    pub(crate) fn merging(of: Vec<Arc<Self>>) -> Self {
        of.iter().for_each(|part| part.is_merged.store(true, Ordering::Relaxed));
        Self { merged: Some(of.into()), ..Self::without_records() }
    }

    /// What follows the clock: the time of each batch, later than that of the one before.
    pub(crate) fn by_clock() -> Self {
        Self { is_clock: true, ..Self::without_records() }
    }

    /// The time of the records of the batch, where it follows the clock: just before that of the batch.
    pub(crate) fn stamp(&self) -> Timestamp {
        self.state.lock().now.saturating_sub(Duration::micros(1))
    }

    fn without_records() -> Self {
        Self::new(Box::new(Watermark::bounded(Duration::ZERO)), Vec::new(), SplitNumbers::default())
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

    /// Whether it follows no records itself, and others hand on what they have come to.
    pub(super) fn goes_by_others(&self) -> bool {
        self.held.is_some() || self.merged.is_some()
    }

    /// The first of the timers that are left of those which were due in the key group at this place, if any is. There are
    /// `groups` at most.
    pub(crate) fn hold(&self, place: usize, groups: KeyGroups, first: Option<Timestamp>) {
        if let Some(held) = &self.held {
            held.hold(place, groups, first);
        }
    }

    /// A batch begins: what was held back at the end of the one before it judges lateness.
    pub(crate) fn begin_held(&self) {
        if let Some(held) = &self.held {
            held.begin();
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

    /// A batch begins. `waiting` splits have something to read, of which the batch reads those in `read`; `finished` ones have
    /// ended before it; `ending` says that nothing can come after this batch.
    pub(crate) fn begin(
        &self,
        now: Timestamp,
        waiting: impl Iterator<Item = u32>,
        read: impl Iterator<Item = u32>,
        finished: impl Iterator<Item = u32>,
        ending: bool,
    ) {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.before = state.marks.current();
        if std::mem::take(&mut state.is_new_run) {
            state.marks.resume(now);
        }
        if self.is_clock {
            // A clock that stands still, or is set back, makes nothing late.
            let next = state.before.saturating_add(Duration::micros(1));
            (state.at_start, state.now, state.ending) = (state.before, now.max(next), ending);
            return;
        }
        if self.is_merged.load(Ordering::Relaxed) && self.strategy.idle_timeout().is_some() {
            state.marks.wait_for_first(now);
        }
        for split in finished {
            state.marks.finish(&split);
            state.in_vain.remove(&split);
        }
        state.unread = waiting.collect();
        for split in &state.unread {
            state.marks.register(*split, now);
        }
        let heard = *state.heard.get_or_insert((now, state.before));
        // What has something to read is not silent: we have not read it.
        state.marks.advance_while(&self.strategy, now, |split| state.unread.contains(split));
        if state.unread.is_empty() {
            self.follow_clock(&mut state.marks, heard, now);
        }
        state.at_start = state.marks.current();
        state.note_moved(state.before, &self.strategy);
        for split in read {
            state.unread.remove(&split);
        }
        state.now = now;
        state.ending = ending;
    }

    /// Lets event time follow the clock, where all splits have been silent for long enough: since then event time
    /// stood at this.
    fn follow_clock(
        &self,
        marks: &mut PartitionWatermarks<u32>,
        (since, from): (Timestamp, Timestamp),
        now: Timestamp,
    ) {
        let is_due = |timeout| now - since >= timeout && from > Timestamp::MIN && from < Timestamp::MAX;
        if self.strategy.clock_timeout().is_some_and(is_due) {
            marks.advance_to(from + (now - since));
        }
    }

    /// Whether a batch without records moves the watermark: because splits have fallen silent, or because those that
    /// held it have ended. `waiting` splits have something to read.
    pub(crate) fn can_advance(
        &self,
        now: Timestamp,
        finished: impl Iterator<Item = u32>,
        waiting: impl Iterator<Item = u32>,
    ) -> bool {
        let mut finished = finished.peekable();
        let timeouts = [self.strategy.idle_timeout(), self.strategy.clock_timeout()];
        if timeouts == [None, None] && finished.peek().is_none() {
            return false;
        }
        let waiting: BTreeSet<u32> = waiting.collect();
        let state = self.state.lock();
        let mut marks = state.marks.clone();
        if state.is_new_run {
            marks.resume(now);
        }
        let (before, was_silent) = (marks.current(), is_silent(&marks));
        finished.for_each(|split| marks.finish(&split));
        marks.advance_while(&self.strategy, now, |split| waiting.contains(split));
        if let Some(heard) = state.heard.filter(|_| waiting.is_empty()) {
            self.follow_clock(&mut marks, heard, now);
        }
        // Others need not wait for it then.
        let is_let_go = self.is_merged.load(Ordering::Relaxed) && !was_silent && is_silent(&marks);
        marks.current() > before || is_let_go
    }

    /// Whether nobody waits for a split. The clock is never silent.
    fn is_silent(&self, marks: &PartitionWatermarks<u32>) -> bool {
        !self.is_clock && is_silent(marks)
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
    #[cfg(test)]
    pub(crate) fn at_start(&self) -> Timestamp {
        Answers::default().ask(self, When::AtStart).watermark
    }

    /// The watermark that follows from all records up to those of this batch.
    pub(crate) fn reached(&self) -> Timestamp {
        Answers::default().ask(self, When::Reached).watermark
    }

    /// How far event time has come, and whether others need not wait for it. Others that it goes by are asked once.
    pub(super) fn answer(&self, when: When, known: &mut Answers) -> Answer {
        if let Some(held) = &self.held {
            return held.ask(when, known);
        }
        if let Some(parts) = &self.merged {
            let mut is_silent = true;
            let parts = parts.iter().map(|part| known.ask(part, when));
            let parts: Vec<_> = parts.map(|part| (part.watermark, part.is_silent)).collect();
            parts.iter().for_each(|part| is_silent &= part.1);
            // It has been raised to what the batch before had come to.
            let before = || self.state.lock().marks.current();
            let watermark = if when == When::Before { before() } else { self.merge(parts.into_iter()) };
            return Answer { watermark, is_silent };
        }
        let state = self.state.lock();
        match when {
            When::Before => Answer { watermark: state.before, is_silent: self.is_silent(&state.marks) },
            When::AtStart => Answer { watermark: state.at_start, is_silent: self.is_silent(&state.marks) },
            When::Reached => {
                let mut marks = state.marks.clone();
                let (watermark, _) = self.advance(&mut marks, &state);
                Answer { watermark, is_silent: self.is_silent(&marks) }
            }
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
        let state = &mut *state;
        let mut marks = std::mem::take(&mut state.marks);
        let (reached, is_heard) = self.advance(&mut marks, state);
        state.marks = marks;
        if is_heard {
            state.heard = Some((state.now, reached));
        }
        state.note_moved(state.at_start, &self.strategy);
        self.tell_far_ahead(reached, state);
        self.seen.take();
        reached
    }

    /// How far event time has come, as a checkpoint keeps it.
    pub(crate) fn save(&self) -> PartitionWatermarks<SplitName> {
        self.state.lock().marks.renamed(|number| self.numbers.name(*number))
    }

    /// Resumes from a checkpoint.
    pub(crate) fn resume(&self, marks: PartitionWatermarks<u32>) {
        let mut state = self.state.lock();
        (state.before, state.at_start, state.marks) = (marks.current(), marks.current(), marks);
    }

    /// A run of the job begins, with the next batch: the time the job was down is no silence. Batches that are run again are
    /// in the run in which they were.
    pub(crate) fn begin_run(&self) {
        let mut state = self.state.lock();
        (state.is_new_run, state.heard) = (true, None);
    }

    /// Moves on by what the batch has seen; returns how far, and whether there was anything, or is still to be read.
    fn advance(&self, marks: &mut PartitionWatermarks<u32>, state: &State) -> (Timestamp, bool) {
        if state.ending {
            return (marks.finish_all(), true);
        }
        if self.is_clock {
            marks.advance_to(state.now);
            return (marks.current(), true);
        }
        let is_seen = self.seen.read(|seen| {
            for (split, largest) in seen {
                marks.observe(*split, *largest, state.now);
            }
            !seen.is_empty()
        });
        marks.advance_while(&self.strategy, state.now, |split| state.unread.contains(split));
        let is_heard = is_seen || !state.unread.is_empty();
        if let Some(heard) = state.heard.filter(|_| !is_heard) {
            self.follow_clock(marks, heard, state.now);
        }
        (marks.current(), is_heard)
    }
}

/// Whether what these follow is the clock.
pub(crate) fn goes_by_clock(trackers: &[Arc<Tracker>]) -> bool {
    let mut own = trackers.iter().filter(|tracker| tracker.is_own()).peekable();
    own.peek().is_some() && own.all(|tracker| tracker.is_clock)
}

mod follows;
mod holds;
#[cfg(test)]
mod tests;
