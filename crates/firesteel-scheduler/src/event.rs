//! What is told to listeners: events of jobs, stages, tasks and executors.

use firesteel_core::TaskMetrics;
use firesteel_window::{Duration, Timestamp};
use serde::{Serialize, Serializer};

/// Something that happened. As JSON, times are numbers of microseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A job began.
    JobStarted(JobStarted),
    /// A job ended.
    JobEnded(JobEnded),
    /// The tasks of a stage were handed out.
    StageStarted(StageStarted),
    /// The tasks of a stage have ended.
    StageEnded(StageEnded),
    /// An attempt of a task began.
    TaskStarted(TaskStarted),
    /// An attempt of a task ended.
    TaskEnded(TaskEnded),
    /// The number of executors was changed.
    ExecutorsResized {
        /// How many there were.
        from: usize,
        /// How many there are to be.
        to: usize,
    },
}

/// A job began.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct JobStarted {
    /// The job's number, unique within the scheduler.
    pub job: u64,
    /// The name it was given.
    pub name: Option<String>,
    /// The pool it runs in.
    pub pool: Option<String>,
    /// The group it can be cancelled with.
    pub group: Option<String>,
    /// The operator whose partitions are asked for.
    pub target: String,
    /// How many stages will run if nothing gets lost.
    pub stages: usize,
    /// How many stages need not run, because what they would make is there.
    pub skipped_stages: usize,
    /// When; as JSON, in microseconds since the Unix epoch.
    #[serde(serialize_with = "epoch_micros")]
    pub at: Timestamp,
}

/// A job ended.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct JobEnded {
    /// The job's number.
    pub job: u64,
    /// How long it took.
    #[serde(serialize_with = "micros")]
    pub duration: Duration,
    /// The error it ended with.
    pub error: Option<String>,
}

/// The tasks of a stage were handed out.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct StageStarted {
    /// The job's number.
    pub job: u64,
    /// The stage's number within the job.
    pub stage: usize,
    /// How often the stage ran before within this job: more than 0 if its input or output was lost.
    pub attempt: u32,
    /// The shuffle it writes, or `None` for the stage that computes the result.
    pub shuffle: Option<u64>,
    /// The last operator of the stage.
    pub operator: String,
    /// How many of its tasks run now; after a loss, those that are to be run again.
    pub tasks: usize,
    /// For each task, where it would best run; empty if no task minds. Within one process this is for information only:
    /// all executors are equally near.
    pub locations: Vec<Vec<String>>,
    /// When; as JSON, in microseconds since the Unix epoch.
    #[serde(serialize_with = "epoch_micros")]
    pub at: Timestamp,
}

/// The tasks of a stage have ended.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct StageEnded {
    /// The job's number.
    pub job: u64,
    /// The stage's number within the job.
    pub stage: usize,
    /// How often the stage ran before within this job.
    pub attempt: u32,
    /// From the start of the stage to the end of its last task.
    #[serde(serialize_with = "micros")]
    pub duration: Duration,
    /// The sums over its successful tasks.
    pub metrics: TaskMetrics,
    /// Whether all of its tasks succeeded. If not, the job failed or waits for lost output to be recomputed.
    pub complete: bool,
}

/// An attempt of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The job's number.
    pub job: u64,
    /// The stage's number within the job.
    pub stage: usize,
    /// The partition.
    pub partition: usize,
    /// The attempt, counting from 0.
    pub attempt: u32,
    /// Whether it races against an earlier attempt that seems to be slow.
    pub speculative: bool,
    /// The name of the thread it runs on.
    pub executor: String,
}

/// An attempt of a task began.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TaskStarted {
    /// Which one.
    #[serde(flatten)]
    pub task: TaskInfo,
    /// When; as JSON, in microseconds since the Unix epoch.
    #[serde(serialize_with = "epoch_micros")]
    pub at: Timestamp,
}

/// An attempt of a task ended.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TaskEnded {
    /// Which one.
    #[serde(flatten)]
    pub task: TaskInfo,
    /// How long it took.
    #[serde(serialize_with = "micros")]
    pub duration: Duration,
    /// What it did; zeros if it failed.
    pub metrics: TaskMetrics,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How an attempt of a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It counts.
    Succeeded {
        /// How many records it set aside.
        dead_letters: usize,
    },
    /// It failed.
    Failed {
        /// Operator, partition, position and cause.
        blame: String,
        /// Whether the task is retried.
        retried: bool,
    },
    /// What it was to read was gone; the task waits until that has been recomputed.
    InputLost {
        /// The shuffle's number.
        shuffle: u64,
        /// The partition of its map side.
        map: usize,
    },
    /// The job was cancelled or failed elsewhere.
    Cancelled,
    /// Another attempt of the task was faster. This may come after the end of the job.
    Superseded,
}

pub(crate) fn micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(duration.as_micros())
}

fn epoch_micros<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.as_micros())
}
