//! The seam between RDDs and whatever runs them.

use std::sync::Arc;

use crate::error::Result;
use crate::rdd::Lineage;
use crate::task::{DeadLetter, OnPanic, TaskContext, TaskOutput};

/// What one task does: computes one partition and leaves a value.
pub type Work = Arc<dyn Fn(usize, &TaskContext) -> TaskOutput + Send + Sync>;

/// How a job is to be run.
#[derive(Debug, Clone, Default)]
pub struct JobOptions {
    /// What the job is called in events and logs.
    pub name: Option<Arc<str>>,
    /// The pool whose share of the executors the job gets.
    pub pool: Option<Arc<str>>,
    /// What to do with records on which user code panics.
    pub on_panic: OnPanic,
    /// Jobs of one group can be cancelled together.
    pub group: Option<Arc<str>>,
    /// Whether the shuffles below the target are read by this job alone: their records are then moved rather than
    /// cloned. A lost record is computed again from lineage.
    pub single_use: bool,
}

/// A request to compute partitions of an RDD.
pub struct Job<'a> {
    /// The RDD.
    pub target: &'a dyn Lineage,
    /// The partitions to compute.
    pub splits: std::ops::Range<usize>,
    /// What to do with each.
    pub work: Work,
    /// How to run it.
    pub options: &'a JobOptions,
}

/// What a job leaves.
pub struct JobOutput {
    /// What each task left, in the order of the partitions.
    pub outputs: Vec<TaskOutput>,
    /// The records set aside, in partition order.
    pub dead_letters: Vec<DeadLetter>,
}

/// Runs jobs: cuts the lineage into stages and the stages into tasks, and sees them through.
pub trait JobRunner: Send + Sync + 'static {
    /// Runs a job to its end on the calling thread's time.
    ///
    /// # Errors
    /// When a task failed as often as it may, or the job was cancelled.
    fn run(&self, job: Job<'_>) -> Result<JobOutput>;

    /// How many tasks can run at once: the default number of partitions.
    fn parallelism(&self) -> usize;
}
