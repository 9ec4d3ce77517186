//! The memory budget that the shuffles of a context share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A budget in bytes, and the place to go to when it is used up.
#[derive(Clone)]
pub(crate) struct Memory {
    shared: Arc<Budget>,
}

struct Budget {
    limit: u64,
    used: AtomicU64,
    temporary: Option<PathBuf>,
}

impl Memory {
    /// Records after which a buffer looks at the budget for the first time.
    pub(crate) const FIRST_CHECK: usize = 128;

    /// When a buffer of this many records looks at the budget again. Growing by a half rather than by doubling meets a
    /// budget more closely.
    pub(crate) fn next_check(len: usize) -> usize {
        (len + len / 2).max(Self::FIRST_CHECK)
    }

    pub(crate) fn new(limit: u64, temporary: Option<PathBuf>) -> Self {
        Self { shared: Arc::new(Budget { limit, used: AtomicU64::new(0), temporary }) }
    }

    /// An empty reservation, to be grown.
    pub(crate) fn reserve_nothing(&self) -> Reservation {
        Reservation { memory: self.clone(), bytes: 0 }
    }

    /// Where temporary files go.
    pub(crate) fn folder(&self) -> PathBuf {
        self.shared.temporary.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// A part of the budget, given back when dropped.
pub(crate) struct Reservation {
    memory: Memory,
    bytes: u64,
}

impl Reservation {
    /// Below this, a task may hold what it likes: spilling less would only make tiny files.
    const FREE: u64 = 1 << 20;

    /// For a buffer that holds this many bytes now: reserves what it will hold at its [next check](Memory::next_check).
    /// `false`, and no change, if that exceeds the budget.
    pub(crate) fn grow(&mut self, now: u64) -> bool {
        self.resize(now + now / 2)
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.resize(0);
    }

    /// Changes the reservation to `bytes`; `false`, and no change, if that exceeds the budget.
    pub(crate) fn resize(&mut self, bytes: u64) -> bool {
        let used = &self.memory.shared.used;
        if bytes <= self.bytes {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
            return true;
        }
        let more = bytes - self.bytes;
        let before = used.fetch_add(more, Ordering::Relaxed);
        if before + more > self.memory.shared.limit && bytes > Self::FREE {
            used.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes = bytes;
        true
    }

    /// Whether nothing is reserved.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Splits a share off.
    pub(crate) fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { memory: self.memory.clone(), bytes }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.shared.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shared_and_given_back() {
        let memory = Memory::new(10 << 20, None);
        let (mut a, mut b) = (memory.reserve_nothing(), memory.reserve_nothing());
        assert!(a.resize(6 << 20) && !b.resize(5 << 20), "the second does not fit beside the first");
        assert!(b.resize(1 << 20), "a little is always free");
        drop(a.split(4 << 20));
        assert!(b.resize(5 << 20));
        drop((a, b));
        assert_eq!(memory.shared.used.load(Ordering::Relaxed), 0);
    }
}
