//! Which key groups have something to do in a batch, known without looking into them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use firesteel_window::Timestamp;

use crate::time::KEY_GROUPS;

/// What is known of each key group of a windowed aggregation.
pub(crate) struct Due(Box<[Group]>);

struct Group {
    /// The batch that last came here.
    batch: AtomicU64,
    /// No window is due before this time, in microseconds.
    end: AtomicI64,
}

impl Due {
    /// Nothing is known yet: every key group may have something due.
    pub(crate) fn new() -> Self {
        let group = |_| Group { batch: AtomicU64::new(0), end: AtomicI64::new(i64::MIN) };
        Self((0..KEY_GROUPS).map(group).collect())
    }

    /// Whether a group without records has something to do in a batch: to roll back an earlier attempt, or to fire.
    pub(crate) fn has_work(&self, group: usize, batch: u64, watermark: Timestamp) -> bool {
        let group = &self.0[group];
        group.batch.load(Ordering::Relaxed) == batch || group.end.load(Ordering::Relaxed) <= watermark.as_micros()
    }

    /// A batch comes to a group.
    pub(crate) fn begin(&self, group: usize, batch: u64) {
        self.0[group].batch.store(batch, Ordering::Relaxed);
    }

    /// Takes note of when the group has something due next.
    pub(crate) fn note(&self, group: usize, next: Option<Timestamp>) {
        self.0[group].end.store(next.map_or(i64::MAX, Timestamp::as_micros), Ordering::Relaxed);
    }
}
