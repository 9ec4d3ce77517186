//! Which key groups have something to do in a batch, known without looking into them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use firesteel_state::KeySpace;
use firesteel_window::Timestamp;

use crate::windows::of_groups::OfGroups;

/// What is known of a key group of a windowed aggregation, kept from batch to batch. At first nothing is, and something may be due.
pub(crate) struct Due {
    /// The batch that last came here.
    batch: AtomicU64,
    /// No window is due before this time, in microseconds.
    end: AtomicI64,
}

impl OfGroups<Due> {
    /// What is known where these key groups are the job's own.
    pub(crate) fn due(&self, space: KeySpace) -> Arc<[Due]> {
        self.within(space, || Due { batch: AtomicU64::new(0), end: AtomicI64::new(i64::MIN) })
    }
}

impl Due {
    /// Whether a group without records has something to do in a batch: to roll back an earlier attempt, or to fire.
    pub(crate) fn has_work(&self, batch: u64, watermark: Timestamp) -> bool {
        self.batch.load(Ordering::Relaxed) == batch || self.end.load(Ordering::Relaxed) <= watermark.as_micros()
    }

    /// A batch comes to the group.
    pub(crate) fn begin(&self, batch: u64) {
        self.batch.store(batch, Ordering::Relaxed);
    }

    /// Takes note of when the group has something due next.
    pub(crate) fn note(&self, next: Option<Timestamp>) {
        self.end.store(next.map_or(i64::MAX, Timestamp::as_micros), Ordering::Relaxed);
    }
}

/// When a batch has to run for the next window that is due, though nothing has come.
pub(crate) fn next_due(due: &Arc<OfGroups<Due>>) -> impl Fn() -> Option<Timestamp> + Send + Sync + use<> {
    let due = Arc::clone(due);
    move || {
        let Some(due) = due.known() else { return Some(Timestamp::MIN) };
        let next = due.iter().map(|due| due.end.load(Ordering::Relaxed)).min();
        next.filter(|next| *next < i64::MAX).map(Timestamp::from_micros)
    }
}
