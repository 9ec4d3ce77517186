//! What is set for a job before it is built.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use firesteel_budget::Memory;
use firesteel_core::{Clock, JobOptions, OnPanic, Settings, SystemClock};
use firesteel_scheduler::Scheduler;

use super::{Inner, StreamingContext};
use crate::calls::CallLimits;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::plan::{BatchLimits, Plan};
use crate::progress::StreamingListener;
use crate::refused::{RejectedLimit, Undecodable};
use crate::run::{Config, Control, Tasks};
use crate::stream::SideOutput;

/// How many jobs were built in this process.
static JOBS: AtomicU64 = AtomicU64::new(0);

/// Settings of a job. Made by [`StreamingContext::builder`].
#[must_use]
pub struct Builder {
    name: String,
    scheduler: Option<Scheduler>,
    threads: Option<usize>,
    temporary: Option<PathBuf>,
    config: Config,
    on_panic: OnPanic,
    pool: Option<Arc<str>>,
}

impl Builder {
    pub(super) fn new(name: &str) -> Self {
        let clock = Arc::new(SystemClock::new());
        Self {
            name: name.to_owned(),
            scheduler: None,
            threads: None,
            temporary: None,
            config: Config {
                clock,
                limits: BatchLimits::default(),
                partitions: None,
                listeners: Vec::new(),
                checkpoint: None,
                memory: Memory::default(),
                timers_per_batch: 100_000,
                undecodable: Undecodable::default(),
                rejected_limit: None,
                call_limits: CallLimits::default(),
            },
            on_panic: OnPanic::default(),
            pool: None,
        }
    }

    /// Runs the job's tasks on executors shared with other jobs, instead of executors of its own.
    pub fn scheduler(mut self, scheduler: &Scheduler) -> Self {
        self.scheduler = Some(scheduler.clone());
        self
    }

    /// Runs the job's tasks on this many threads; one per core by default.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The memory that the job may take for shuffles, shared streams, keyed state and the buffers of receivers, which it
    /// shares with the other jobs that are given a clone. By default shuffles and shared streams may take a gibibyte each,
    /// buffers 256 MiB, and state what it needs.
    ///
    /// What a batch holds on its way through narrow operators is not part of it: batches have their [limits](Self::limits).
    ///
    /// ```
    /// use firesteel_budget::{Memory, Part, mib};
    /// use firesteel_streaming::StreamingContext;
    ///
    /// let job = StreamingContext::builder("clicks").memory(Memory::of(mib(512)).shuffle(mib(64))).build()?;
    /// let shuffle = job.memory().part(Part::Shuffle);
    /// assert_eq!((shuffle.used(), shuffle.limit()), (0, mib(64)));
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn memory(mut self, memory: Memory) -> Self {
        self.config.memory = memory;
        self
    }

    /// Where temporary files go, of what does not fit into memory; the system's place for them by default.
    pub fn temporary(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temporary = Some(folder.into());
        self
    }

    /// Takes the time from `clock` instead of the machine: for tests on virtual time.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.config.clock = clock;
        self
    }

    /// How large a micro-batch may become.
    pub fn limits(mut self, limits: BatchLimits) -> Self {
        self.config.limits = limits;
        self
    }

    /// About how many of the due timers of each operator fire in one batch, 100,000 unless set: so a batch stays bounded
    /// when a million timers are due at once, since the watermark has jumped or event time has ended.
    ///
    /// What is left fires in the batches that follow at once. They read nothing and have the time of the batch that they
    /// continue, so that the limit says in which batch a result comes, and not what it is: no record comes between timers
    /// that were due before it, and the operators after this one see the watermark pass a timer only when the timer has
    /// fired. Each of these batches is committed like any other; a job that is stopped or ends between two of them
    /// resumes there.
    ///
    /// Of a job with many key groups in use, the limit is exceeded by one timer per key group at most.
    pub fn timers_per_batch(mut self, timers: u64) -> Self {
        self.config.timers_per_batch = timers;
        self
    }

    /// Cuts the data after a shuffle into this many partitions, unless an operator says otherwise. By default small
    /// batches have one partition, large ones as many as there are executors.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.config.partitions = Some(partitions.max(1));
        self
    }

    /// Makes the job survive its process: it starts a checkpoint in a folder, or resumes from the one it finds there.
    pub fn checkpoint(mut self, checkpoint: impl Into<Checkpoint>) -> Self {
        self.config.checkpoint = Some(checkpoint.into());
        self
    }

    /// What to do with a record on which user code panics; by default the job stops.
    pub fn on_panic(mut self, on_panic: OnPanic) -> Self {
        self.on_panic = on_panic;
        self
    }

    /// What to do with a record that its source cannot decode; by default the job stops.
    pub fn undecodable(mut self, undecodable: Undecodable) -> Self {
        self.config.undecodable = undecodable;
        self
    }

    /// How many records a job may refuse before it stops, with [`TooManyRejected`](crate::Error::TooManyRejected): what sources
    /// cannot decode, what `try_map` refuses and what user code panics on. The batch in which there are too many is not
    /// committed. Without a limit, any number.
    pub fn rejected_limit(mut self, limit: RejectedLimit) -> Self {
        self.config.rejected_limit = Some(limit);
        self
    }

    /// How long a source or sink may keep the job waiting with one call before it ends without it.
    pub fn call_limits(mut self, limits: CallLimits) -> Self {
        self.config.call_limits = limits;
        self
    }

    /// The pool of the scheduler whose share the job gets.
    pub fn pool(mut self, pool: &str) -> Self {
        self.pool = Some(pool.into());
        self
    }

    /// Tells `listener` of the job's start, its batches and its end.
    pub fn listener(mut self, listener: impl StreamingListener) -> Self {
        self.config.listeners.push(Arc::new(listener));
        self
    }

    /// The context.
    ///
    /// # Errors
    /// [`Setting`](crate::Error::Setting) when a part of the [memory](Self::memory) is too small to work with;
    /// [`Rdd`](crate::Error::Rdd) when the executors cannot be started.
    pub fn build(self) -> Result<StreamingContext> {
        crate::memory::check(&self.config.memory)?;
        let scheduler = match self.scheduler {
            Some(scheduler) => scheduler,
            None => {
                let mut builder = Scheduler::builder();
                if let Some(threads) = self.threads {
                    builder = builder.threads(threads);
                }
                builder.build()?
            }
        };
        let name: Arc<str> = self.name.as_str().into();
        let plan = Plan::new();
        let rejected = SideOutput::last(&plan, "rejected", plan.rejects().records());
        let control = Arc::new(Control::new(Arc::clone(&self.config.clock), self.config.call_limits));
        // Its number in this process tells it from others of the same name.
        let group: Arc<str> = format!("{name}@{}", JOBS.fetch_add(1, Ordering::Relaxed)).into();
        let tasks = Tasks::new(&scheduler, &control, Arc::clone(&group));
        let options = JobOptions {
            name: Some(Arc::clone(&name)),
            pool: self.pool,
            on_panic: self.on_panic,
            group: Some(group),
            single_use: true,
        };
        let mut settings = Settings::default();
        (settings.memory, settings.temporary) = (self.config.memory.clone(), self.temporary);
        let context = tasks.context(settings).with_options(options);
        let (config, started) = (Arc::new(self.config), AtomicBool::new(false));
        let inner = Inner { name, plan, scheduler, context, config, control, tasks, rejected, started };
        Ok(StreamingContext { inner: Arc::new(inner) })
    }
}
