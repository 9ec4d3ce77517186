//! The job's way to the executors: it refuses work once the job is to stop at once, and keeps what was set aside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_core::{Context, DeadLetter, Error, Job, JobOutput, JobRunner, Result, Settings};
use firesteel_scheduler::Scheduler;
use parking_lot::Mutex;

use crate::run::{Control, Stop};

/// Runs the RDD jobs of one streaming job.
pub(crate) struct Tasks {
    scheduler: Scheduler,
    control: Arc<Control>,
    /// The group of all its RDD jobs. Those of no group are not part of a batch.
    group: Arc<str>,
    /// RDD jobs that are about to run, or do.
    at_work: AtomicUsize,
    set_aside: Mutex<Vec<DeadLetter>>,
}

impl Tasks {
    pub(crate) fn new(scheduler: &Scheduler, control: &Arc<Control>, group: Arc<str>) -> Arc<Self> {
        let (scheduler, control) = (scheduler.clone(), Arc::clone(control));
        Arc::new(Self { scheduler, control, group, at_work: AtomicUsize::new(0), set_aside: Mutex::default() })
    }

    /// A context whose RDD jobs come this way.
    pub(crate) fn context(self: &Arc<Self>, settings: Settings) -> Context {
        Context::new(Arc::clone(self) as Arc<dyn JobRunner>, settings)
    }

    /// The records set aside since the last call.
    pub(crate) fn take_set_aside(&self) -> Vec<DeadLetter> {
        std::mem::take(&mut *self.set_aside.lock())
    }

    /// Cancels what runs. Whoever comes after the stop is refused; a job that came before it and is not known to the
    /// scheduler yet will be in a moment.
    pub(crate) fn cancel(&self) {
        while self.scheduler.cancel_group(&self.group, STOPPED) == 0 && self.at_work.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
    }
}

/// The reason that cancelled work is given.
pub(crate) const STOPPED: &str = "the job was told to stop at once";

impl JobRunner for Tasks {
    fn run(&self, job: Job<'_>) -> Result<JobOutput> {
        if job.options.group.as_ref() != Some(&self.group) {
            return self.scheduler.run(job);
        }
        let _working = Working::new(&self.at_work);
        if self.control.stopping() == Some(Stop::AtOnce) {
            return Err(Error::Cancelled { reason: Some(STOPPED.to_owned()) });
        }
        let done = self.scheduler.run(job)?;
        if !done.dead_letters.is_empty() {
            self.set_aside.lock().extend(done.dead_letters.iter().cloned());
        }
        Ok(done)
    }

    fn parallelism(&self) -> usize {
        self.scheduler.threads()
    }
}

/// Counts as one at work while it lives.
struct Working<'a>(&'a AtomicUsize);

impl<'a> Working<'a> {
    fn new(at_work: &'a AtomicUsize) -> Self {
        at_work.fetch_add(1, Ordering::SeqCst);
        Self(at_work)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
