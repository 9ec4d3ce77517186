//! What a successful attempt reports.

use crate::task::DeadLetter;
use crate::task::accumulator::Update;

/// What a task did, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct TaskMetrics {
    /// Records read from sources.
    pub records_read: u64,
    /// Records written to a shuffle, after combining.
    pub shuffle_records_written: u64,
    /// Records read from shuffles.
    pub shuffle_records_read: u64,
    /// Bytes written to disk because the memory budget was used up, after compression.
    pub bytes_spilled: u64,
}

impl TaskMetrics {
    /// Adds another task's numbers.
    pub fn merge(&mut self, other: &Self) {
        self.records_read += other.records_read;
        self.shuffle_records_written += other.shuffle_records_written;
        self.shuffle_records_read += other.shuffle_records_read;
        self.bytes_spilled += other.bytes_spilled;
    }
}

/// What a successful attempt leaves besides its output. The scheduler applies it once per task.
pub struct TaskReport {
    pub(crate) partition: usize,
    pub(crate) updates: Vec<Box<dyn Update>>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) metrics: TaskMetrics,
}

impl TaskReport {
    /// What the task did, in numbers.
    #[must_use]
    pub fn metrics(&self) -> &TaskMetrics {
        &self.metrics
    }

    /// The records that were set aside, without those of a partition that is persisted: whether they count shows when
    /// the report is applied.
    #[must_use]
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.dead_letters
    }

    /// Makes the attempt count: merges what it added to accumulators, and returns the records it set aside.
    pub fn apply(self) -> Vec<DeadLetter> {
        let mut dead = Vec::new();
        for update in self.updates {
            update.apply(self.partition, &mut dead);
        }
        dead.extend(self.dead_letters);
        dead
    }
}
