//! A number of bytes, and who has taken how many of them.
//!
//! Whoever takes memory holds a [`Reservation`]. Where there is another place to go, it [asks](Reservation::try_set) and may
//! be refused, as shuffles are, which then go to disk. Where there is none at that moment it [tells](Reservation::set), as
//! state does; somebody else then sees that the budget is exceeded, and lets go of what can be had again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes for all that share it, as clones do.
///
/// ```
/// use firesteel_budget::MemoryBudget;
///
/// let budget = MemoryBudget::new(1_000);
/// let mut reservation = budget.reserve();
/// reservation.set(1_200);
/// assert!(budget.is_exceeded());
/// drop(reservation);
/// assert_eq!(budget.used(), 0);
/// ```
#[derive(Clone)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

struct Shared {
    limit: u64,
    used: AtomicU64,
    /// The budget that this is a part of.
    whole: Option<MemoryBudget>,
}

impl MemoryBudget {
    /// This many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { shared: Arc::new(Shared { limit, used: AtomicU64::new(0), whole: None }) }
    }

    /// No limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// The limit in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.shared.limit
    }

    /// The bytes taken at the moment.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Whether more is taken than there is.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.used() > self.limit()
    }

    /// A reservation of nothing, to be set.
    #[must_use]
    pub fn reserve(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }

    /// A part of this one, with the same limit: what is taken from it is taken from this one, too.
    #[must_use]
    pub fn part(&self) -> Self {
        let whole = Some(self.clone());
        Self { shared: Arc::new(Shared { limit: self.limit(), used: AtomicU64::new(0), whole }) }
    }

    fn add(&self, bytes: u64) {
        self.shared.used.fetch_add(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.shared.whole {
            whole.add(bytes);
        }
    }

    /// `false`, and no change, if that exceeds the limit.
    fn try_add(&self, bytes: u64) -> bool {
        let before = self.shared.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.limit();
        if fits && self.shared.whole.as_ref().is_none_or(|whole| whole.try_add(bytes)) {
            return true;
        }
        self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
        false
    }

    fn take_off(&self, bytes: u64) {
        self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.shared.whole {
            whole.take_off(bytes);
        }
    }
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryBudget({} of {} bytes)", self.used(), self.limit())
    }
}

/// A part of a budget, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: MemoryBudget,
    bytes: u64,
}

impl Reservation {
    /// Says how many bytes are taken now.
    pub fn set(&mut self, bytes: u64) {
        if bytes == self.bytes {
            return;
        }
        if bytes > self.bytes {
            self.budget.add(bytes - self.bytes);
        } else {
            self.budget.take_off(self.bytes - bytes);
        }
        self.bytes = bytes;
    }

    /// Asks for this many bytes in place of those that are taken now: `false`, and no change, if that exceeds the budget.
    #[must_use]
    pub fn try_set(&mut self, bytes: u64) -> bool {
        if bytes > self.bytes {
            if !self.budget.try_add(bytes - self.bytes) {
                return false;
            }
            self.bytes = bytes;
        } else {
            self.set(bytes);
        }
        true
    }

    /// Splits a share off, of at most as many bytes as there are.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes }
    }

    /// What was said last.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_refused_and_who_tells_is_not() {
        let budget = MemoryBudget::new(10);
        let (mut a, mut b) = (budget.reserve(), budget.reserve());
        assert!(a.try_set(6) && !b.try_set(5), "the second does not fit beside the first");
        assert_eq!((budget.used(), b.bytes()), (6, 0), "what is refused changes nothing");
        drop(a.split(4));
        assert!(b.try_set(5) && a.try_set(1));
        b.set(20);
        assert!(budget.is_exceeded());
        drop((a, b));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_is_taken_of_a_part_is_taken_of_the_whole() {
        let whole = MemoryBudget::new(10);
        let mut share = whole.part().reserve();
        assert!(share.try_set(4));
        assert_eq!(whole.used(), 4);
        let (part, mut other) = (whole.part(), whole.reserve());
        other.set(5);
        assert!(!part.reserve().try_set(2), "it fits into the part, and not into the whole");
        assert_eq!((part.used(), whole.used()), (0, 9), "what is refused changes nothing");
        drop((share, other));
        assert_eq!(whole.used(), 0);
    }
}
