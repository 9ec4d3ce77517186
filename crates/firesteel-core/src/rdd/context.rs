//! The context: what RDDs share.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_budget::{Memory, Part};

use crate::error::{Error, Result};
use crate::ids::{RddId, ShuffleId};
use crate::rdd::{Job, JobOptions, JobOutput, JobRunner, Rdd, long};
use crate::storage::{Blocks, SpillMemory};
use crate::task::{DeadLetter, TaskContext, TaskOutput};

/// What a context may use of the machine.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Settings {
    /// What may be in memory, of which [shuffles](Part::Shuffle) and [persisted RDDs](Part::Storage) have their parts.
    pub memory: Memory,
    /// Where temporary files go; the system's place for them by default.
    pub temporary: Option<PathBuf>,
}

struct Shared {
    runner: Arc<dyn JobRunner>,
    next_rdd: AtomicU64,
    next_shuffle: AtomicU64,
    next_broadcast: AtomicU64,
    memory: SpillMemory,
    blocks: Blocks,
}

/// The entry point to RDDs: makes them, runs jobs over them, keeps what they store. A clone is the same context.
///
/// The scheduler crate makes contexts: `firesteel_scheduler::local(2)?`.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
    parallelism: Option<usize>,
    options: Arc<JobOptions>,
}

impl Context {
    /// A context whose jobs `runner` runs.
    #[must_use]
    pub fn new(runner: Arc<dyn JobRunner>, settings: Settings) -> Self {
        let memory = SpillMemory::new(settings.memory.part(Part::Shuffle).clone(), settings.temporary);
        let blocks = Blocks::new(settings.memory.part(Part::Storage).clone());
        let [next_rdd, next_shuffle, next_broadcast] = [0, 0, 0].map(AtomicU64::new);
        let shared = Arc::new(Shared { runner, next_rdd, next_shuffle, next_broadcast, memory, blocks });
        Self { shared, parallelism: None, options: Arc::default() }
    }

    /// The same context with another default for the number of partitions.
    #[must_use]
    pub fn with_parallelism(&self, partitions: usize) -> Self {
        Self { parallelism: Some(partitions.max(1)), ..self.clone() }
    }

    /// The same context with other defaults for how jobs are run.
    #[must_use]
    pub fn with_options(&self, options: JobOptions) -> Self {
        Self { options: Arc::new(options), ..self.clone() }
    }

    /// How jobs are run.
    #[must_use]
    pub fn options(&self) -> &JobOptions {
        &self.options
    }

    /// The default number of partitions.
    #[must_use]
    pub fn parallelism(&self) -> usize {
        self.parallelism.unwrap_or_else(|| self.shared.runner.parallelism())
    }

    /// How many tasks can run at once.
    #[must_use]
    pub fn executors(&self) -> usize {
        self.shared.runner.parallelism()
    }

    /// The same context for a job that another one over the same RDDs follows: it leaves their shuffles in place.
    pub(crate) fn ahead(&self) -> Self {
        if !self.options.single_use {
            return self.clone();
        }
        self.with_options(JobOptions { single_use: false, ..(*self.options).clone() })
    }

    pub(crate) fn next_rdd_id(&self) -> RddId {
        RddId(self.shared.next_rdd.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn next_shuffle_id(&self) -> ShuffleId {
        ShuffleId(self.shared.next_shuffle.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn next_broadcast_id(&self) -> u64 {
        self.shared.next_broadcast.fetch_add(1, Ordering::Relaxed)
    }

    /// The partitions that are kept.
    pub(crate) fn blocks(&self) -> &Blocks {
        &self.shared.blocks
    }

    /// The memory that shuffles share.
    pub(crate) fn memory(&self) -> &SpillMemory {
        &self.shared.memory
    }

    /// Computes every partition of an RDD: the one way in which all actions run.
    ///
    /// `work` computes one partition, usually by consuming [`Rdd::compute`] through [`TaskContext::drain`] or
    /// [`TaskContext::fold`]. The results come in partition order.
    ///
    /// # Errors
    /// When a task fails for good or the job is cancelled.
    pub fn run<R: Rdd, U: Send + 'static>(
        &self,
        rdd: &R,
        work: impl Fn(&R, usize, &TaskContext) -> U + Send + Sync + 'static,
    ) -> Result<Vec<U>> {
        Ok(self.run_some(rdd, 0..rdd.num_partitions(), work)?.0)
    }

    /// Computes some partitions of an RDD; see [`run`](Self::run). Also returns the records that were set aside.
    ///
    /// # Errors
    /// When a task fails for good or the job is cancelled.
    pub fn run_some<R: Rdd, U: Send + 'static>(
        &self,
        rdd: &R,
        splits: std::ops::Range<usize>,
        work: impl Fn(&R, usize, &TaskContext) -> U + Send + Sync + 'static,
    ) -> Result<(Vec<U>, Vec<DeadLetter>)> {
        let owned = rdd.clone();
        let work =
            Arc::new(move |split: usize, task: &TaskContext| -> TaskOutput { Box::new(work(&owned, split, task)) });
        let job = Job { target: rdd, splits, work, options: &self.options };
        let done = self.run_job(job)?;
        let results = done.outputs.into_iter().map(|output| match output.downcast() {
            Ok(result) => Ok(*result),
            Err(_) => Err(Error::Misuse { what: "the job runner returned an output of another job".to_owned() }),
        });
        Ok((results.collect::<Result<_>>()?, done.dead_letters))
    }

    /// Has the runner do a job. Compiled once.
    #[inline(never)]
    fn run_job(&self, job: Job<'_>) -> Result<JobOutput> {
        long::check(job.target)?;
        long::with_stack(job.target, || self.shared.runner.run(job))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("parallelism", &self.parallelism()).finish_non_exhaustive()
    }
}
