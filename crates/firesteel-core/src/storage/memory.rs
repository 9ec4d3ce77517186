//! The memory that the shuffles of a context share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_budget::MemoryBudget;

/// A budget, and the place to go to when it is used up.
#[derive(Clone)]
pub(crate) struct SpillMemory {
    budget: MemoryBudget,
    temporary: Option<Arc<Path>>,
}

impl SpillMemory {
    /// Records after which a buffer looks at the budget for the first time.
    pub(crate) const FIRST_CHECK: usize = 128;

    /// When a buffer of this many records looks at the budget again. Growing by a half rather than by doubling meets a
    /// budget more closely.
    pub(crate) fn next_check(len: usize) -> usize {
        (len + len / 2).max(Self::FIRST_CHECK)
    }

    pub(crate) fn new(budget: MemoryBudget, temporary: Option<PathBuf>) -> Self {
        Self { budget, temporary: temporary.map(Arc::from) }
    }

    /// An empty reservation, to be grown.
    pub(crate) fn reserve_nothing(&self) -> Reservation {
        Reservation(self.budget.reserve())
    }

    /// Where temporary files go.
    pub(crate) fn folder(&self) -> PathBuf {
        self.temporary.as_ref().map_or_else(std::env::temp_dir, |folder| folder.to_path_buf())
    }
}

/// A part of the budget, given back when dropped.
pub(crate) struct Reservation(firesteel_budget::Reservation);

impl Reservation {
    /// Below this, a task may hold what it likes: spilling less would only make tiny files.
    const FREE: u64 = 1 << 20;

    /// For a buffer that holds this many bytes now: reserves what it will hold at its [next
    /// check](SpillMemory::next_check). `false`, and no change, if that exceeds the budget.
    pub(crate) fn grow(&mut self, now: u64) -> bool {
        self.resize(now + now / 2)
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.0.set(0);
    }

    /// Changes the reservation to `bytes`; `false`, and no change, if that exceeds the budget.
    pub(crate) fn resize(&mut self, bytes: u64) -> bool {
        if bytes <= Self::FREE {
            self.0.set(bytes);
            return true;
        }
        self.0.try_set(bytes)
    }

    /// Whether nothing is reserved.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.bytes() == 0
    }

    /// Splits a share off.
    pub(crate) fn split(&mut self, bytes: u64) -> Self {
        Self(self.0.split(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shared_and_given_back() {
        let budget = MemoryBudget::new(10 << 20);
        let memory = SpillMemory::new(budget.clone(), None);
        let (mut a, mut b) = (memory.reserve_nothing(), memory.reserve_nothing());
        assert!(a.resize(6 << 20) && !b.resize(5 << 20), "the second does not fit beside the first");
        assert!(b.resize(1 << 20), "a little is always free");
        drop(a.split(4 << 20));
        assert!(b.resize(5 << 20));
        drop((a, b));
        assert_eq!(budget.used(), 0);
    }
}
