//! Records that an operator refuses: why, and some of them for people who have set up nothing to hear of all.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_core::{Accumulator, TaskContext};
use firesteel_window::List;
use serde::{Deserialize, Serialize};

/// Why a record did not get through, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordError {
    /// The operator that refused it.
    pub operator: String,
    /// The split of the source it came from.
    pub split: Option<Arc<str>>,
    /// Its position in that split.
    pub position: Option<u64>,
    /// What the function returned.
    pub error: String,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(split) = &self.split {
            write!(f, "{split}, ")?;
        }
        if let Some(position) = self.position {
            write!(f, "position {position}, ")?;
        }
        write!(f, "{}: {}", self.operator, self.error)
    }
}

/// The text of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it left no text")
}

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
