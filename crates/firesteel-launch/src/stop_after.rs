//! A job that stops after some batches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_streaming::{BatchProgress, Stop, Stopper, StreamingContext, StreamingListener};

/// Stops the job after a number of batches.
#[derive(Clone)]
pub(crate) struct StopAfter(Arc<State>);

struct State {
    left: AtomicU64,
    /// Empty until the job is built, before its first batch.
    stopper: OnceLock<Stopper>,
}

impl StopAfter {
    pub(crate) fn batches(batches: u64) -> Self {
        Self(Arc::new(State { left: AtomicU64::new(batches), stopper: OnceLock::new() }))
    }

    /// Says which job it is.
    pub(crate) fn stops(&self, job: &StreamingContext) {
        // It is said once.
        _ = self.0.stopper.set(job.stopper());
    }
}

impl StreamingListener for StopAfter {
    fn on_batch(&self, _: &BatchProgress) {
        // A batch that is under way when the job stops makes it wrap around, which stops nothing again.
        if self.0.left.fetch_sub(1, Ordering::Relaxed) == 1
            && let Some(stopper) = self.0.stopper.get()
        {
            stopper.stop(Stop::Gracefully);
        }
    }
}
