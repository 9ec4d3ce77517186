//! Runs any lineage graph: stages, tasks, an executor pool, retries, adaptive parallelism and a listener bus.
//!
//! ```
//! use firesteel_core::{Actions, RddOps};
//!
//! let context = firesteel_scheduler::local(2)?;
//! let even = context.parallelize(0..100u32).filter(|n| n % 2 == 0);
//! assert_eq!(even.count()?, 50);
//! # Ok::<(), firesteel_core::Error>(())
//! ```
//!
//! A job goes through three steps. Its lineage is cut at the shuffles into *stages*; those whose output is there are
//! skipped. The stages of one depth run together as a *wave*, one task per partition: on the calling thread if they are
//! short, on the executors otherwise; how long tasks take is learned. Executors with nothing to do take part in what
//! tasks of others are at, where records are slow. A task that fails is retried; a task whose input is gone waits until the
//! map tasks that made it have run again.
//!
//! The scheduler knows nothing of streams, batches or time windows, and it runs within one process.

mod adaptive;
mod bus;
mod costs;
mod engine;
mod event;
mod in_flight;
mod job_metrics;
mod job_run;
mod plan;
mod queued;
mod scheduler;
mod small_map;
mod speculation;
mod stage;

pub use adaptive::Adaptive;
pub use bus::Listener;
pub use engine::{Mode, Pool};
pub use event::{Event, JobEnded, JobStarted, Outcome, StageEnded, StageStarted, TaskEnded, TaskInfo, TaskStarted};
pub use job_metrics::{JobMetrics, Totals};
pub use queued::Queued;
pub use scheduler::{Builder, Cancel, Scheduler};
pub use speculation::Speculation;

/// A context whose jobs run on `threads` executors of this process; 0 means one for each core.
///
/// # Errors
/// When the operating system refuses a thread.
pub fn local(threads: usize) -> firesteel_core::Result<firesteel_core::Context> {
    Ok(Scheduler::builder().threads(threads).build()?.context(firesteel_core::Settings::default()))
}
