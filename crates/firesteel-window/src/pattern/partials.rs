//! The partial matches of a key, and what records and time make of them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::pattern::matched::{Kept, Stretch};
use crate::pattern::steps::{Fate, Stand, Step};
use crate::pattern::{AfterMatch, Matched, Outcome, Pattern};
use crate::time::Timestamp;

/// What is open of one key: its partial matches, and the records that they have taken, each once.
///
/// It belongs to one pattern: what another one makes of it is undefined, and may panic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partials<T> {
    kept: Kept<T>,
    /// In the order in which they began.
    open: Vec<Partial>,
}

/// A match that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Partial {
    /// What it has taken, in the order of the steps. It is not empty.
    taken: Vec<Stretch>,
    /// How many records the last of these steps has.
    count: u32,
    is_adjacent: bool,
    /// The last instant at which it can be complete; or known to be, if it waits for an absence.
    deadline: Timestamp,
}

impl<T> Partials<T> {
    /// Nothing is open.
    #[must_use]
    pub const fn new() -> Self {
        Self { kept: Kept { first: 0, records: VecDeque::new() }, open: Vec::new() }
    }

    /// Whether nothing is open: there is nothing to be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many partial matches there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// How many records they have.
    #[must_use]
    pub fn records(&self) -> usize {
        self.kept.records.len()
    }

    /// The earliest last instant of one: when time has come past it, [`Pattern::pass`] has something to tell. It is the end of time for
    /// those that wait forever.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.open.iter().map(|partial| partial.deadline).min()
    }

    /// Lets go of the records that no partial match can have.
    fn trim(&mut self) {
        let Some(first) = self.open.first() else {
            self.kept.records.clear();
            self.kept.first = 0;
            return;
        };
        let unused = first.first() - self.kept.first;
        self.kept.records.drain(..unused as usize);
        self.kept.first += unused;
    }
}

impl<T> Default for Partials<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl Partial {
    /// The number of its first record.
    fn first(&self) -> u64 {
        self.taken[0].first
    }

    fn stand(&self) -> Stand {
        Stand {
            step: usize::from(self.taken[self.taken.len() - 1].step),
            count: self.count,
            is_adjacent: self.is_adjacent,
        }
    }

    fn matched<'a, T>(&'a self, steps: &'a [Step<T>], kept: &'a Kept<T>, end: Timestamp) -> Matched<'a, T> {
        Matched { steps, kept, taken: &self.taken, end }
    }

    fn take(&mut self, step: usize, number: u64) {
        self.is_adjacent = true;
        let last = self.taken.last_mut().filter(|last| usize::from(last.step) == step);
        self.count = if last.is_some() { self.count + 1 } else { 1 };
        match last {
            Some(last) if last.end() == number => last.len += 1,
            _ => self.taken.push(Stretch { step: step as u16, first: number, len: 1 }),
        }
    }
}

impl<T> Pattern<T> {
    /// Takes the next record of a key, and tells what comes of it. Before it, time comes to where the record happened. Returns
    /// whether anything that is open has changed.
    ///
    /// Records come in the order of time, none of them before the time that has been [passed](Self::pass).
    pub fn push(
        &self,
        partials: &mut Partials<T>,
        at: Timestamp,
        record: T,
        mut tell: impl FnMut(&Outcome<'_, T>),
    ) -> bool {
        let begins = self.steps[0].begins(&record);
        if partials.open.is_empty() {
            if begins {
                self.begin_with(partials, at, record, &mut tell);
            }
            return !partials.open.is_empty();
        }
        let mut has_changed = self.end(partials, |deadline| deadline < at, &mut tell);
        let number = partials.kept.first + partials.kept.records.len() as u64;
        partials.kept.records.push_back((at, record));
        let (kept, open) = (&partials.kept, &mut partials.open);
        let record = &kept.get(number).1;
        let (mut is_taken, mut skips) = (false, false);
        open.retain_mut(|partial| {
            if skips {
                return false;
            }
            let was_changed = std::mem::replace(&mut has_changed, true);
            let stand = partial.stand();
            let so_far = partial.matched(&self.steps, kept, at);
            match self.fate(stand, at, record, &so_far) {
                Fate::Ends => return false,
                Fate::Waits if !stand.is_adjacent => {
                    has_changed = was_changed;
                    return true;
                }
                Fate::Waits => partial.is_adjacent = false,
                Fate::Takes(step) => {
                    partial.take(step, number);
                    is_taken = true;
                    if self.is_complete(partial.stand()) {
                        tell(&Outcome::Match(partial.matched(&self.steps, kept, at)));
                        skips = self.follows() == AfterMatch::SkipPast;
                        return false;
                    }
                }
            }
            let so_far = partial.matched(&self.steps, kept, at);
            partial.deadline = self.deadline(partial.stand(), so_far.start(), so_far.last_at());
            true
        });
        if skips {
            // The records of those before it are used up, too: none has begun after this record.
            open.clear();
        } else if begins {
            let partial = self.begun(number, at);
            is_taken = true;
            if self.is_complete(partial.stand()) {
                tell(&Outcome::Match(partial.matched(&self.steps, kept, at)));
                if self.follows() == AfterMatch::SkipPast {
                    open.clear();
                }
            } else {
                open.push(partial);
            }
        }
        if is_taken {
            has_changed = true;
        } else {
            partials.kept.records.pop_back();
        }
        partials.trim();
        has_changed
    }

    /// The first partial match of a key, if the record is not all of a match.
    fn begin_with(&self, partials: &mut Partials<T>, at: Timestamp, record: T, tell: &mut impl FnMut(&Outcome<'_, T>)) {
        let partial = self.begun(0, at);
        partials.kept.records.push_back((at, record));
        if self.is_complete(partial.stand()) {
            tell(&Outcome::Match(partial.matched(&self.steps, &partials.kept, at)));
            partials.kept.records.clear();
        } else {
            partials.open.push(partial);
        }
    }

    fn begun(&self, number: u64, at: Timestamp) -> Partial {
        let mut partial = Partial { taken: Vec::with_capacity(1), count: 0, is_adjacent: true, deadline: at };
        partial.take(0, number);
        partial.deadline = self.deadline(partial.stand(), at, at);
        partial
    }

    /// Time has come to this watermark: what is over before it times out, or is complete because of what has not come. The end of
    /// time, [`Timestamp::MAX`], ends all. Returns whether anything was over.
    pub fn pass(
        &self,
        partials: &mut Partials<T>,
        watermark: Timestamp,
        mut tell: impl FnMut(&Outcome<'_, T>),
    ) -> bool {
        self.end(partials, |deadline| deadline < watermark || watermark == Timestamp::MAX, &mut tell)
    }

    /// Ends what has its last instant where it `is_over`.
    fn end(
        &self,
        partials: &mut Partials<T>,
        is_over: impl Fn(Timestamp) -> bool,
        tell: &mut impl FnMut(&Outcome<'_, T>),
    ) -> bool {
        let Partials { kept, open } = partials;
        let is_over = |partial: &Partial| is_over(partial.deadline);
        let mut over: Vec<usize> = Vec::new();
        over.extend(open.iter().enumerate().filter(|(_, partial)| is_over(partial)).map(|(place, _)| place));
        if over.is_empty() {
            return false;
        }
        // In the order of time, and of those at one time in the order in which they began.
        over.sort_by_key(|place| open[*place].deadline);
        // Those that began before this number are gone.
        let mut used_up = 0;
        for place in over {
            let partial = &open[place];
            if partial.first() < used_up {
                continue;
            }
            let matched = partial.matched(&self.steps, kept, partial.deadline);
            if self.waits_for_absence(partial.stand()) {
                tell(&Outcome::Match(matched));
                if self.follows() == AfterMatch::SkipPast {
                    used_up = matched.last_number() + 1;
                }
            } else {
                tell(&Outcome::TimedOut(matched));
            }
        }
        open.retain(|partial| !is_over(partial) && partial.first() >= used_up);
        partials.trim();
        true
    }
}
