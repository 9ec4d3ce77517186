//! The memory that the state of a process may take.
//!
//! One [`MemoryBudget`] is shared by all stores and backends of a process. Each of them holds a [`Reservation`] and
//! says how much it takes; nothing is refused. When the budget is exceeded, stores let go of what their backend holds,
//! and if that is not enough, the epoch has to end early, so that more of it can be let go.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes for all the state of a process. Clones share it.
///
/// ```
/// use firesteel_state::MemoryBudget;
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
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryBudget({} of {} bytes)", self.used(), self.limit())
    }
}

impl MemoryBudget {
    /// A part of this one: what is taken from it is taken from this one, too.
    #[must_use]
    pub(crate) fn part(&self) -> Self {
        let whole = Some(self.clone());
        Self { shared: Arc::new(Shared { limit: u64::MAX, used: AtomicU64::new(0), whole }) }
    }

    fn add(&self, bytes: u64) {
        self.shared.used.fetch_add(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.shared.whole {
            whole.add(bytes);
        }
    }

    fn take_off(&self, bytes: u64) {
        self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.shared.whole {
            whole.take_off(bytes);
        }
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
        if bytes >= self.bytes {
            self.budget.add(bytes - self.bytes);
        } else {
            self.budget.take_off(self.bytes - bytes);
        }
        self.bytes = bytes;
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
