//! Who holds a watermark back, and who has moved it.

use std::sync::Arc;

use firesteel_state::cursor::SplitName;
use firesteel_window::{Duration, Timestamp, WatermarkStrategy};

use crate::progress::HoldReason;
use crate::time::asked::{Answers, When};
use crate::time::marks::FIRST;
use crate::time::tracker::follows::{Mover, is_silent};
use crate::time::{MovedBy, Tracker};

/// Who holds a watermark back.
pub(crate) struct Holder {
    /// The operator that follows its records.
    pub(crate) operator: Arc<str>,
    /// The split; none where records have no split, or nothing has come yet.
    pub(crate) split: Option<SplitName>,
    /// Its latest event time.
    pub(crate) latest: Option<Timestamp>,
    /// When its last event came, by the clock.
    pub(crate) since: Option<Timestamp>,
    pub(crate) reason: HoldReason,
}

impl Tracker {
    /// What had moved the least of these watermarks to where it was when the batch began, if that is known.
    pub(crate) fn moved_by(trackers: &[Arc<Self>]) -> Option<MovedBy> {
        let mut known = Answers::default();
        let own = |tracker: &&Arc<Self>| tracker.is_own();
        let mut least = trackers.iter().filter(own).min_by_key(|part| known.ask(part, When::AtStart).watermark)?;
        while let Some(parts) = &least.merged {
            let mut waited_for: Vec<_> = parts.iter().filter(own).collect();
            if waited_for.iter().any(|part| !known.ask(part, When::AtStart).is_silent) {
                waited_for.retain(|part| !known.ask(part, When::AtStart).is_silent);
            }
            least = waited_for.into_iter().min_by_key(|part| known.ask(part, When::AtStart).watermark)?;
        }
        match least.state.lock().moved_by? {
            Mover::Clock => Some(MovedBy::Clock),
            Mover::Split(number) => {
                let SplitName { input, split } = least.numbers.name(number)?;
                Some(MovedBy::Split { input: input.into(), split: split.into() })
            }
        }
    }

    /// How far a split may lead the others, if that is bounded.
    pub(crate) fn aligned_within(&self) -> Option<Duration> {
        self.strategy.aligned_within()
    }

    /// Whether a silent split is not waited for in the end.
    pub(crate) fn lets_go(&self) -> bool {
        self.strategy.idle_timeout().is_some()
    }

    /// Those that follow records, of all that it brings together.
    pub(crate) fn followers(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let mut found: Vec<Arc<Self>> = Vec::new();
        let mut seen: Vec<Arc<Self>> = vec![Arc::clone(self)];
        let mut at = 0;
        while let Some(tracker) = seen.get(at).cloned() {
            at += 1;
            match &tracker.merged {
                Some(parts) => {
                    let new = |part: &&Arc<Self>| part.is_own() && !seen.iter().any(|other| Arc::ptr_eq(part, other));
                    let new: Vec<_> = parts.iter().filter(new).cloned().collect();
                    seen.extend(new);
                }
                None => found.push(tracker),
            }
        }
        found
    }

    /// The splits that event time waits for at this processing time, each with its latest event time.
    pub(crate) fn active(&self, now: Timestamp) -> Vec<(u32, Option<Timestamp>)> {
        let state = self.state.lock();
        let mut marks = state.marks.clone();
        if state.is_new_run {
            marks.resume(now);
        }
        marks.advance_while(&self.strategy, now, |split| state.unread.contains(split));
        // Who waits for a first split knows of the others with the next batch.
        let has_split = marks.iter().any(|(split, ..)| *split != FIRST);
        let active = marks.iter().filter(|(split, _, is_idle)| !(*is_idle || has_split && **split == FIRST));
        active.map(|(split, largest, _)| (*split, largest)).collect()
    }

    /// Whether it follows this split.
    pub(crate) fn follows(&self, split: u32) -> bool {
        self.state.lock().marks.largest(&split).is_some()
    }

    /// Takes note of the splits of which something was read in the batch that has ended.
    pub(crate) fn note_read(&self, read: impl Iterator<Item = u32>) {
        let mut state = self.state.lock();
        let state = &mut *state;
        for split in read {
            state.in_vain.insert(split);
        }
        if !state.in_vain.is_empty() {
            let (marks, now) = (&state.marks, state.now);
            state
                .in_vain
                .retain(|split| marks.since(split).is_some_and(|since| since != now || marks.largest(split).is_none()));
        }
    }

    /// How far it has come.
    pub(crate) fn current(&self) -> Timestamp {
        self.state.lock().marks.current()
    }

    /// How many splits are not waited for, since they are silent.
    pub(crate) fn idle(&self) -> u64 {
        self.state.lock().marks.iter().filter(|(_, _, is_idle)| *is_idle).count() as u64
    }

    /// Who holds it back between two batches; nobody where it waits for nobody.
    pub(crate) fn holder(&self) -> Option<Holder> {
        if let Some(parts) = &self.merged {
            let mut known = Answers::default();
            let parts = parts.iter().filter(|part| part.is_own());
            let waited_for = parts.filter(|part| !known.ask(part, When::AtStart).is_silent);
            return waited_for.min_by_key(|part| part.current())?.holder();
        }
        let state = self.state.lock();
        let (marks, operator) = (&state.marks, self.name());
        if self.is_clock || marks.current() == Timestamp::MAX || is_silent(marks) {
            return None;
        }
        let Some(slowest) = marks.slowest(&self.strategy) else {
            return Some(Holder { operator, split: None, latest: None, since: None, reason: HoldReason::NotBegun });
        };
        let split = *slowest.id;
        let reason = if split == FIRST {
            HoldReason::NotBegun
        } else if slowest.largest.is_some() && slowest.since == state.now {
            HoldReason::Slowest
        } else if state.unread.contains(&split) {
            HoldReason::Unread
        } else if state.in_vain.contains(&split) {
            HoldReason::NothingPasses
        } else {
            HoldReason::Silent
        };
        let since = Some(slowest.since);
        Some(Holder { operator, split: self.numbers.name(split), latest: slowest.largest, since, reason })
    }
}
