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

mod recorder;
mod test_job;
pub mod timeline;

pub use recorder::Recorder;
pub use test_job::{TestBuilder, TestJob};
