//! Sources and sinks inside the process.
//!
//! - [`MemorySource`]: records that are there from the start, for batch work, benchmarks and examples.
//! - [`QueueSource`]: batches pushed by a program or a test while the job runs.
//! - [`RateSource`]: numbered records at a steady rate, for trying things out under load.
//! - [`Collector`]: a sink that keeps the results for the program to look at.
//!
//! ```
//! use firesteel_connect_memory::{Collector, MemorySource};
//!
//! let source = MemorySource::new(vec!["a", "b", "a"]);
//! let results: Collector<(&str, u64)> = Collector::new();
//! assert!(results.records().is_empty());
//! # let _ = source;
//! ```
//!
//! Nothing here outlives the process: for that there are files and brokers.

mod collector;
mod latest;
mod memory;
mod queue;
mod rate;

pub use collector::Collector;
pub use latest::LatestRows;
pub use memory::MemorySource;
pub use queue::{QueueHandle, QueueSource};
pub use rate::{RateReader, RateRecord, RateSource};
