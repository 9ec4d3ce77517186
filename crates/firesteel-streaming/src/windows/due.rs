//! Which key groups have something to do in a batch, known without looking into them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use firesteel_state::KeySpace;
use firesteel_window::Timestamp;
use parking_lot::Mutex;

/// What is known of the key groups of a windowed aggregation, kept from batch to batch.
#[derive(Default)]
pub(crate) struct Due(Mutex<Option<(KeySpace, Arc<DueGroups>)>>);

/// What is known of each of the job's own key groups, by its place among them.
pub(crate) struct DueGroups(Box<[Group]>);

struct Group {
    /// The batch that last came here.
    batch: AtomicU64,
    /// No window is due before this time, in microseconds.
    end: AtomicI64,
}

impl Due {
    /// What is known where these key groups are the job's own. If others were before, nothing is: every key group may have
    /// something due.
    pub(crate) fn within(&self, space: KeySpace) -> Arc<DueGroups> {
        let mut known = self.0.lock();
        match &*known {
            Some((of, groups)) if *of == space => Arc::clone(groups),
            _ => {
                let group = |_| Group { batch: AtomicU64::new(0), end: AtomicI64::new(i64::MIN) };
                let groups = Arc::new(DueGroups((0..space.len()).map(group).collect()));
                *known = Some((space, Arc::clone(&groups)));
                groups
            }
        }
    }
}

impl DueGroups {
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
