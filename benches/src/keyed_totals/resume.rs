//! How long a job with much state takes until its first batch is done when it is started again.
//!
//! The state is a count and a sum for each of so many keys: 24 bytes a key before anything is added to them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use firesteel_streaming::{BatchLimits, BatchProgress, Checkpoint, StreamingContext, StreamingListener, Trigger};
use firesteel_window::{Count, Sum};

use super::firesteel_side::{Numbers, Rows};
use crate::stopwatch::Stopwatch;

/// Bytes of a key with its count and sum.
pub const BYTES: u64 = 24;

/// Events of a micro-batch. The first one after the restart has as many.
const BATCH: u64 = 1 << 18;

/// Seconds of a job that is started on a checkpoint: until its first batch is done, and, if it has a new one, for all.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Until the first batch is done.
    pub first_batch: f64,
    /// Until the job has ended, and all that it had left to write is on the disk.
    pub whole: f64,
}

/// Gives each of `keys` keys its first event, or, where a job has done so in the folder, one batch more.
///
/// # Panics
/// If the disk fails.
#[must_use]
pub fn run(keys: u64, folder: &Path, threads: usize, backend: impl Fn(Checkpoint) -> Checkpoint) -> Times {
    let again = folder.join("changelog").exists();
    let watch = Stopwatch::start();
    let first = First(Arc::new(Mutex::new((watch, None))));
    let job = StreamingContext::builder("resumed")
        .threads(threads)
        .limits(BatchLimits::default().records(BATCH))
        .checkpoint(backend(Checkpoint::in_folder(folder)))
        .listener(first.clone())
        .build()
        .expect("the executors start");
    job.read_named("numbers", Numbers(if again { keys + BATCH } else { keys }))
        .map(move |number| (number % keys, (number % 100).cast_signed()))
        .running_aggregate((Count, Sum))
        .named("totals")
        .write(Rows);
    job.run(Trigger::AvailableNow).expect("the job runs");
    let whole = watch.seconds();
    let first_batch = first.0.lock().unwrap_or_else(PoisonError::into_inner).1.unwrap_or(whole);
    Times { first_batch, whole }
}

/// Notes when the first batch is done.
#[derive(Clone)]
struct First(Arc<Mutex<(Stopwatch, Option<f64>)>>);

impl StreamingListener for First {
    fn on_batch(&self, progress: &BatchProgress) {
        let (watch, first) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.rows_in > 0 {
            first.get_or_insert_with(|| watch.seconds());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_goes_on_with_one_batch_more() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let times = run(1_000, folder.path(), 2, |checkpoint| checkpoint.snapshot_after(1_000));
            assert!(times.first_batch > 0.0 && times.first_batch <= times.whole);
        }
    }
}
