//! Totals over everything a scheduler has done.

use std::sync::Arc;

use firesteel_core::TaskMetrics;
use firesteel_window::Duration;
use parking_lot::Mutex;
use serde::Serialize;

use crate::bus::Listener;
use crate::event::{Event, Outcome, micros};

/// A listener that adds up. A clone adds to the same totals.
///
/// ```
/// use firesteel_core::Actions;
/// use firesteel_scheduler::{JobMetrics, Scheduler};
///
/// let metrics = JobMetrics::new();
/// let context = Scheduler::builder().threads(1).listener(metrics.clone()).build()?.context(Default::default());
/// context.parallelize_with(4, 0..10u32).count()?;
/// let totals = metrics.totals();
/// assert_eq!((totals.tasks, totals.metrics.records_read), (4, 10));
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct JobMetrics {
    totals: Arc<Mutex<Totals>>,
}

/// What [`JobMetrics`] has added up.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Jobs that ended.
    pub jobs: u64,
    /// Those of them that ended with an error.
    pub failed_jobs: u64,
    /// Stages that ran, counting each time.
    pub stages: u64,
    /// Stages that need not run, because what they would make was there.
    pub skipped_stages: u64,
    /// Tasks that succeeded.
    pub tasks: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Attempts that found their input lost.
    pub lost_inputs: u64,
    /// Attempts that raced against a slow one.
    pub speculative_attempts: u64,
    /// Records that were set aside because user code panicked on them.
    pub dead_letters: u64,
    /// The time all attempts took together; as JSON, in microseconds.
    #[serde(serialize_with = "micros")]
    pub task_time: Duration,
    /// The sums over all tasks that succeeded.
    pub metrics: TaskMetrics,
}

impl JobMetrics {
    /// Nothing added up yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The totals so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals.lock().clone()
    }

    /// Takes the totals out and begins at zero again.
    pub fn take(&self) -> Totals {
        std::mem::take(&mut *self.totals.lock())
    }
}

impl Listener for JobMetrics {
    fn on_event(&self, event: &Event) {
        let mut totals = self.totals.lock();
        match event {
            Event::JobStarted(job) => totals.skipped_stages += job.skipped_stages as u64,
            Event::JobEnded(job) => {
                totals.jobs += 1;
                totals.failed_jobs += u64::from(job.error.is_some());
            }
            Event::StageEnded(_) => totals.stages += 1,
            Event::TaskStarted(task) => totals.speculative_attempts += u64::from(task.task.speculative),
            Event::TaskEnded(task) => {
                totals.task_time += task.duration;
                match &task.outcome {
                    Outcome::Succeeded { dead_letters } => {
                        totals.tasks += 1;
                        totals.dead_letters += *dead_letters as u64;
                        totals.metrics.merge(&task.metrics);
                    }
                    Outcome::Failed { .. } => totals.failed_attempts += 1,
                    Outcome::InputLost { .. } => totals.lost_inputs += 1,
                    Outcome::Cancelled | Outcome::Superseded => {}
                }
            }
            Event::StageStarted(_) | Event::ExecutorsResized { .. } => {}
        }
    }
}
