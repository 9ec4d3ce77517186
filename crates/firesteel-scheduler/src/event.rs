//! The listener bus: what happens to jobs, stages, tasks and executors.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use firesteel_core::Actions;
//! use firesteel_scheduler::{Event, Scheduler};
//!
//! let log = Arc::new(Mutex::new(Vec::new()));
//! let seen = Arc::clone(&log);
//! let listener = move |event: &Event| {
//!     if let Event::JobEnded(job) = event {
//!         seen.lock().expect("nobody panics").push(job.error.clone());
//!     }
//! };
//! let context = Scheduler::builder().threads(2).listener(listener).build()?.context(Default::default());
//! context.parallelize(0..10u32).count()?;
//! assert_eq!(*log.lock().expect("nobody panics"), [None]);
//! # Ok::<(), firesteel_core::Error>(())
//! ```
//!
//! Listeners are called one event at a time, in order, by the thread on which it happened: a slow listener slows the
//! job. Without listeners no event is made.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use firesteel_core::TaskMetrics;
use parking_lot::ReentrantMutex;
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
    /// When, since the Unix epoch.
    #[serde(serialize_with = "micros")]
    pub at: Duration,
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
    /// How often the stage ran before within this job: more than 0 if its output was lost.
    pub attempt: u32,
    /// The shuffle it writes, or `None` for the stage that computes the result.
    pub shuffle: Option<u64>,
    /// The last operator of the stage.
    pub operator: String,
    /// The number of its tasks.
    pub tasks: usize,
    /// For each task, where it would best run. Within one process this is for information only: all executors are
    /// equally near.
    pub locations: Vec<Vec<String>>,
    /// When, since the Unix epoch.
    #[serde(serialize_with = "micros")]
    pub at: Duration,
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
    /// Whether all of its tasks succeeded. If not, the job failed or waits for lost output to be made again.
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
    /// When, since the Unix epoch.
    #[serde(serialize_with = "micros")]
    pub at: Duration,
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
        /// Whether the task is tried again.
        retried: bool,
    },
    /// What it was to read was gone; the task waits until that has been made again.
    InputLost {
        /// The shuffle's number.
        shuffle: u64,
        /// The partition of its map side.
        map: usize,
    },
    /// The job was cancelled or failed elsewhere.
    Cancelled,
    /// Another attempt of the task was faster.
    Superseded,
}

fn micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// Is told what happens. A closure of `&Event` is a listener.
pub trait Listener: Send + Sync + 'static {
    /// Called for each event, one at a time. It may ask things of the scheduler, such as to cancel a job; it must not
    /// run jobs. A panic is logged and otherwise ignored.
    fn on_event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Listener for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

/// Delivers events to listeners.
pub(crate) struct Bus {
    listeners: Vec<Box<dyn Listener>>,
    /// Events that listeners caused while they were called.
    queue: ReentrantMutex<RefCell<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Event>,
    delivering: bool,
}

impl Bus {
    pub(crate) fn new(listeners: Vec<Box<dyn Listener>>) -> Self {
        Self { listeners, queue: ReentrantMutex::default() }
    }

    /// Whether anybody listens.
    pub(crate) fn is_active(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Delivers the event that `make` makes, if anybody listens.
    pub(crate) fn post(&self, make: impl FnOnce() -> Event) {
        if !self.is_active() {
            return;
        }
        let event = make();
        // The lock is what puts events of several threads in one order. It is reentrant: an event caused by a listener
        // waits until the present one has reached all of them.
        let queue = self.queue.lock();
        queue.borrow_mut().waiting.push_back(event);
        if std::mem::replace(&mut queue.borrow_mut().delivering, true) {
            return;
        }
        loop {
            let Some(event) = queue.borrow_mut().waiting.pop_front() else { break };
            for listener in &self.listeners {
                if catch_unwind(AssertUnwindSafe(|| listener.on_event(&event))).is_err() {
                    tracing::error!(?event, "a listener panicked");
                }
            }
        }
        queue.borrow_mut().delivering = false;
    }
}
