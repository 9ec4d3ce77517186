//! Some of the records that an operator refuses, for people who have set up nothing to hear of all.

use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_core::{Accumulator, TaskContext};
use firesteel_window::List;

use crate::stream::RecordError;

/// This many are kept of a partition and of a batch.
pub(crate) const KEPT: usize = 3;

/// The first records of each batch that one operator refuses.
///
/// Following positions makes reading slower. So they are asked for in one batch only: that after the first refusal.
#[derive(Default)]
pub(crate) struct Samples {
    kept: Accumulator<RecordError, List>,
    wanted: AtomicBool,
    has_places: AtomicBool,
}

impl Samples {
    /// Whether the next batch is to follow positions.
    pub(crate) fn want_positions(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Keeps a record that the running task refuses.
    pub(crate) fn keep(&self, refused: RecordError, task: &TaskContext) {
        if task.is_stepwise() {
            self.has_places.store(true, Ordering::Relaxed);
        }
        self.wanted.store(!self.has_places.load(Ordering::Relaxed), Ordering::Relaxed);
        self.kept.add(refused);
    }

    /// Those of the batch, in the order of its partitions.
    pub(crate) fn take(&self) -> impl Iterator<Item = RecordError> {
        self.kept.take().into_iter()
    }
}
