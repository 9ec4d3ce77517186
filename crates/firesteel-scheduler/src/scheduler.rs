//! The scheduler: what runs the jobs of contexts.

mod builder;
mod cancel;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use firesteel_core::{Context, Job, JobOutput, JobRunner, Result, Settings};

use crate::engine::{Engine, JobControl};
use crate::event::{Event, JobEnded};
use crate::job_run::JobRun;

pub use builder::Builder;
pub use cancel::Cancel;

/// Runs jobs on the threads of this process. A clone is the same scheduler; its threads end with the last clone and
/// the last context made from it.
///
/// ```
/// use firesteel_core::{Actions, Settings};
/// use firesteel_scheduler::Scheduler;
///
/// let scheduler = Scheduler::builder().threads(2).max_attempts(2).build()?;
/// let context = scheduler.context(Settings::default());
/// assert_eq!(context.parallelize([3, 1, 2]).collect()?, [3, 1, 2]);
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Scheduler {
    engine: Arc<Engine>,
}

impl Scheduler {
    /// Sets up a scheduler.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine: Arc::new(engine) }
    }

    /// A context whose jobs this scheduler runs. Contexts share its executors and nothing else.
    #[must_use]
    pub fn context(&self, settings: Settings) -> Context {
        Context::new(Arc::new(self.clone()), settings)
    }

    /// How many tasks can run at once.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.engine.pool.slots()
    }

    /// How many tasks wait for an executor: what to look at before changing how many there are. Tasks that run one
    /// after the other on the thread that submitted them do not wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.engine.pool.queued()
    }

    /// Changes how many tasks can run at once; 0 counts as 1. No running task is interrupted: threads that are too
    /// many end when their task does. In deterministic mode nothing changes.
    ///
    /// # Errors
    /// When the operating system refuses a thread; the number is then what it was.
    pub fn resize(&self, threads: usize) -> Result<()> {
        if self.engine.deterministic.is_some() {
            return Ok(());
        }
        let to = threads.max(1);
        let from = self.engine.pool.resize(to)?;
        if from != to {
            self.engine.bus.post(|| Event::ExecutorsResized { from, to });
        }
        Ok(())
    }

    /// Cancels the jobs of a group that run now and returns how many there were. Their running tasks end at their next
    /// check.
    pub fn cancel_group(&self, group: &str, reason: &str) -> usize {
        self.engine.cancel(reason, |job| job.group.as_deref() == Some(group))
    }

    /// Cancels all jobs that run now and returns how many there were.
    pub fn cancel_all(&self, reason: &str) -> usize {
        self.engine.cancel(reason, |_| true)
    }

    /// Cancels the job of that number, which events carry; `false` if it does not run.
    pub fn cancel_job(&self, job: u64, reason: &str) -> bool {
        self.engine.cancel(reason, |running| running.id == job) > 0
    }

    /// A handle that cancels the jobs of a group and does not keep the scheduler alive.
    #[must_use]
    pub fn cancel_handle(&self, group: &str) -> Cancel {
        Cancel { engine: Arc::downgrade(&self.engine), group: group.into() }
    }
}

impl JobRunner for Scheduler {
    fn run(&self, job: Job<'_>) -> Result<JobOutput> {
        let engine = &self.engine;
        let id = engine.next_job.fetch_add(1, Ordering::Relaxed);
        let control = Arc::new(JobControl::new(id, job.options));
        engine.jobs.lock().push(Arc::clone(&control));
        let _listed = Listed { engine, id };
        let started = if engine.bus.is_active() { engine.clock.monotonic() } else { Default::default() };
        let result = JobRun::new(engine, control, &job).run();
        engine.bus.post(|| {
            let error = result.as_ref().err().map(ToString::to_string);
            Event::JobEnded(JobEnded { job: id, duration: engine.clock.monotonic() - started, error })
        });
        result
    }

    fn parallelism(&self) -> usize {
        self.threads()
    }
}

/// While it lives, the job can be cancelled.
struct Listed<'a> {
    engine: &'a Engine,
    id: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.engine.jobs.lock().retain(|job| job.id != self.id);
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("threads", &self.threads()).finish_non_exhaustive()
    }
}
