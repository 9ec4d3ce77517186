//! Many open windows in little memory: each of very many keys gets two records in the same hour, before that hour ends.
//!
//! Epochs are an hour long, so that whichever ends, but for the last, was ended early to give memory back.

mod command;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use firesteel_budget::Memory;
use firesteel_connect::{Epoch, Guarantee, Result, Sink, WriteTask};
use firesteel_streaming::{
    BatchLimits, BatchProgress, Checkpoint, StreamingContext, StreamingListener, Trigger, WindowResult,
};
use firesteel_window::{Timestamp, Tumbling, Watermark, hours, seconds};

pub use self::command::Options;
use crate::numbers::Numbers;
use crate::process_tree::usage;
use crate::stopwatch::Stopwatch;

/// Coprime to any number of keys that is not a multiple of it: consecutive records have distant keys.
const STEP: u64 = 2_654_435_761;

/// How much there is to do, and in how much memory.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Keys, each with a window that is open until all have had two records.
    pub keys: u64,
    /// Bytes for state.
    pub memory: u64,
    /// Records of a micro-batch.
    pub batch: u64,
    /// Worker threads.
    pub threads: usize,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Row {
    /// Whether each key came out once, with two records.
    pub right: bool,
    /// How long it took.
    pub seconds: f64,
    /// Micro-batches.
    pub batches: u64,
    /// Epochs that ended early.
    pub early: u64,
    /// The most bytes that state has taken, as the job tells.
    pub held: u64,
    /// The most keys that had an open window.
    pub open: u64,
    /// The most memory of the process, in bytes, looked at after each batch.
    pub resident: u64,
}

/// Runs the job with its checkpoint in this folder.
///
/// # Panics
/// If the disk fails.
#[must_use]
pub fn run(setting: Setting, folder: &Path, backend: impl Fn(Checkpoint) -> Checkpoint) -> Row {
    let Setting { keys, memory, batch, threads } = setting;
    let watch = Stopwatch::start();
    let (counted, watched) = (Counted::default(), Watched::default());
    let job = StreamingContext::builder("many-windows")
        .threads(threads)
        .limits(BatchLimits::default().records(batch))
        .memory(Memory::default().state(memory))
        .checkpoint(backend(Checkpoint::in_folder(folder).interval(hours(1))))
        .listener(watched.clone())
        .build()
        .expect("the executors start");
    // The last record is of the hour after the next, which ends the first one.
    let at = move |n: &u64| if *n < 2 * keys { Timestamp::EPOCH } else { Timestamp::EPOCH + hours(2) };
    job.read(Numbers(2 * keys + 1))
        .named("numbers")
        .event_time(at, Watermark::bounded(seconds(0)))
        .key_by(move |n| n % keys * (STEP % keys) % keys)
        .window(Tumbling::of(hours(1)))
        .count()
        .named("windows")
        .write(counted.clone());
    job.run(Trigger::AvailableNow).expect("the job runs");
    let seconds = watch.seconds();
    let found = *counted.0.lock().unwrap_or_else(PoisonError::into_inner);
    let row = *watched.0.lock().unwrap_or_else(PoisonError::into_inner);
    let all = Found { rows: keys, keys: (0..keys).fold(0, u64::wrapping_add), others: 0 };
    Row { right: found == all, seconds, early: row.early.saturating_sub(1), ..row }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    rows: u64,
    /// The sum of all keys.
    keys: u64,
    /// Rows that are not a count of two.
    others: u64,
}

/// A sink that adds up what fires.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<Found>>);

impl Sink<WindowResult<u64, u64>> for Counted {
    type Pending = Found;

    fn describe(&self) -> String {
        "what fires, added up".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = WindowResult<u64, u64>>) -> Result<Found> {
        // The record that ends the hour has a window of its own.
        let records = records.filter(|row| row.window.start() == Timestamp::EPOCH);
        Ok(records.fold(Found::default(), |found, row| Found {
            rows: found.rows + 1,
            keys: found.keys.wrapping_add(row.key),
            others: found.others + u64::from(row.value != 2),
        }))
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<Found>) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for found in pending.drain(..) {
            all.rows += found.rows;
            all.keys = all.keys.wrapping_add(found.keys);
            all.others += found.others;
        }
        Ok(())
    }
}

/// What progress tells of memory.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<Row>>);

impl StreamingListener for Watched {
    fn on_batch(&self, progress: &BatchProgress) {
        let row = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        row.batches += 1;
        row.early += u64::from(progress.ends_epoch);
        row.held = row.held.max(progress.states.iter().map(|state| state.memory_bytes).sum());
        row.open = row.open.max(progress.states.iter().map(|state| state.keys).sum());
        row.resident = row.resident.max(usage(std::process::id()).map_or(0, |usage| usage.resident));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use firesteel_state::{MemoryBackend, MemoryBudget, OpenBackend, StateBackend};

    use super::*;

    struct InMemory;

    impl OpenBackend for InMemory {
        fn open(&self, _: &Path, _: &MemoryBudget) -> firesteel_state::Result<Arc<dyn StateBackend>> {
            Ok(Arc::new(MemoryBackend::new()))
        }
    }

    #[test]
    fn each_key_comes_out_once_with_both_records() {
        let folder = tempfile::tempdir().unwrap();
        let setting = Setting { keys: 20_000, memory: 1 << 20, batch: 3_000, threads: 2 };
        let row = run(setting, folder.path(), |checkpoint| checkpoint.backend(InMemory));
        assert!(row.right && row.open >= 20_000 && row.early > 0 && row.held < 2 << 20, "{row:?}");
    }
}
