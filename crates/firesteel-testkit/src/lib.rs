//! Virtual time, scripted sources and recording sinks for testing pipelines.
//!
//! A test says what arrives in each micro-batch, runs the batches, and compares what comes out, batch by batch. It runs
//! on one thread, in a fixed order, and no time passes but what the test lets pass.
//!
//! ```
//! use firesteel_testkit::TestJob;
//!
//! let test = TestJob::new();
//! let numbers = test.script([vec![1, 2], vec![], vec![3]]);
//! let doubled = test.record(numbers.map(|number| 2 * number));
//! test.run()?;
//! assert_eq!(doubled.batches(), [vec![2, 4], vec![], vec![6]]);
//! # Ok::<(), firesteel_streaming::Error>(())
//! ```
//!
//! Event times are written as a [`timeline`]: `a@1 b@2 | a@12`.
//!
//! For jobs that run on threads of their own there are a [`JobLog`] to wait for batches, a [`Gate`] to hold a task at a
//! place, and [`faults`] to make sources and sinks fail.

pub mod faults;
mod gate;
mod job_log;
mod recorder;
mod test_job;
pub mod timeline;

pub use gate::Gate;
pub use job_log::{JobEvent, JobLog};
pub use recorder::Recorder;
pub use test_job::{TestBuilder, TestJob};

/// How long anything in here waits for another thread before the test has failed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
