//! The memory budget that the shuffles of a context share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

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
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.shared.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// About how many bytes so many records take, judged by a few of them: their size in place, and for what they own
/// elsewhere the length of their encoding.
pub(crate) fn estimate_bytes<'a, T: Serialize + 'a>(len: usize, some: impl Iterator<Item = &'a T>) -> u64 {
    let (mut encoded, mut seen) = (0, 0);
    for record in some.take(16) {
        encoded += postcard::experimental::serialized_size(record).unwrap_or(0);
        seen += 1;
    }
    let owned = if seen == 0 { 0 } else { encoded / seen };
    len as u64 * (std::mem::size_of::<T>() + owned) as u64
}
