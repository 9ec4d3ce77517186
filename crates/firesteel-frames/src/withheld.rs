//! Splits that cannot be read for now: they are left alone for some time, and retried.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use firesteel_connect::SplitId;
use firesteel_window::{Duration, Timestamp};

/// What was in the way of readers, of whatever kind, until somebody tells of it. A clone is the same one.
pub struct Met<E>(Arc<Mutex<Vec<(SplitId, E)>>>);

impl<E> Met<E> {
    /// Takes note of what is in the way of reading a split.
    pub fn note(&self, split: &SplitId, what: E) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((split.clone(), what));
    }

    /// What was in the way of reading this split, of which nobody will tell then.
    pub fn take_of(&self, split: &SplitId) -> Option<E> {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_split: Vec<(SplitId, E)>;
        (of_split, *met) = std::mem::take(&mut *met).into_iter().partition(|(of, _)| of == split);
        of_split.into_iter().next().map(|(_, what)| what)
    }

    /// What nobody has told of.
    pub fn take(&self) -> Vec<(SplitId, E)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<E> Default for Met<E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<E> Clone for Met<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for Met<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Met").finish_non_exhaustive()
    }
}

/// A split that is left alone, or was and may be asked for again, as long as nothing more of it has been read.
#[derive(Debug, Clone, Copy)]
pub struct Withheld {
    until: Timestamp,
    wait: Duration,
    /// How far it had been read.
    at: u64,
    is_over: bool,
}

/// What a look at such a split finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// More of it has been read: nothing is in the way any more.
    Vanished,
    /// It may be asked for from now on.
    Over,
    /// Nothing has changed.
    Unchanged,
}

impl Withheld {
    /// Leaves a split alone of which nothing could be read from `at` on: for the shorter of two times at first, and twice as long each
    /// time up to the longer one, as long as it stands there.
    #[must_use]
    pub fn again(before: Option<Self>, at: u64, now: Timestamp, (shortest, longest): (Duration, Duration)) -> Self {
        let before = before.filter(|before| before.at == at);
        let wait = before.map_or(shortest, |before| longest.min(before.wait * 2));
        Self { until: now.saturating_add(wait), wait, at, is_over: false }
    }

    /// Whether the split stands where it stood when it was left alone.
    #[must_use]
    pub fn stands_at(&self, at: u64) -> bool {
        self.at == at
    }

    /// Whether it may be asked for.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Looks at it, with how far it has been read.
    pub fn look(&mut self, reached: u64, now: Timestamp) -> Wait {
        if reached > self.at {
            return Wait::Vanished;
        }
        // A clock that was set back is no reason to wait longer.
        if !self.is_over && (now >= self.until || now < self.until.saturating_add(-self.wait)) {
            self.is_over = true;
            return Wait::Over;
        }
        Wait::Unchanged
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::seconds;

    use super::*;

    #[test]
    fn waits_grow_as_long_as_nothing_is_read() {
        let (at, limits) = (Timestamp::from_secs, (seconds(1), seconds(3)));
        let mut split = Withheld::again(None, 7, at(10), limits);
        assert_eq!(split.look(7, at(10)), Wait::Unchanged);
        assert_eq!((split.look(7, at(11)), split.is_over()), (Wait::Over, true));
        assert_eq!(split.look(7, at(12)), Wait::Unchanged, "it is told once");
        for (now, wait) in [(20, 2), (30, 3), (40, 3)] {
            split = Withheld::again(Some(split), 7, at(now), limits);
            assert!(!split.is_over());
            assert_eq!(split.look(7, at(now + wait - 1)), Wait::Unchanged);
            assert_eq!(split.look(7, at(now + wait)), Wait::Over);
        }
        assert_eq!(split.look(8, at(50)), Wait::Vanished);
        let mut moved = Withheld::again(Some(split), 8, at(50), limits);
        assert_eq!(moved.look(8, at(51)), Wait::Over, "it got further");
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_wait() {
        let mut split = Withheld::again(None, 0, Timestamp::from_secs(10), (seconds(5), seconds(5)));
        assert_eq!(split.look(0, Timestamp::from_secs(9)), Wait::Over);
    }
}
