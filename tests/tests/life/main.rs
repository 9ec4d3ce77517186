//! The life of a streaming job: how it starts, when its batches run, what they read, how it fails and how it ends.
//!
//! Nothing here sleeps: a test waits for a batch, for a task to come to a gate, or moves a clock by hand.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod beside;
mod bounded;
mod compacted;
mod contract;
mod deadlines;
mod files;
mod formats;
mod jobs;
mod logs;
mod memory;
mod origin;
mod partial;
mod progress;
mod side;
mod sinks;
mod sources;
mod stop;
mod triggers;
mod undecodable;
mod unsure;
mod watermarks;
mod windows;
mod years;

use std::sync::LazyLock;

use firesteel_scheduler::Scheduler;
use firesteel_streaming::{Builder, StreamingContext};

/// A job on `threads` executors, which all tests of that many share.
fn job(threads: usize) -> Builder {
    static SCHEDULERS: LazyLock<Vec<Scheduler>> =
        LazyLock::new(|| (1..=3).map(|threads| Scheduler::builder().threads(threads).build().unwrap()).collect());
    StreamingContext::builder("job").scheduler(&SCHEDULERS[threads - 1])
}

/// The same records in order.
fn sorted<T: Ord>(mut records: Vec<T>) -> Vec<T> {
    records.sort();
    records
}
