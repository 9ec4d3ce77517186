//! How long a job with much state takes until its first batch is done when it is started again.
//!
//! The state is a count and a sum for each key: 24 bytes before anything is added to them. The events of
//! the first batch are of keys that stand everywhere in the state: 262,144 of them read nearly all of its pages.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firesteel_streaming::{
    BatchLimits, BatchProgress, Checkpoint, JobInfo, StreamingContext, StreamingListener, Trigger,
};
use firesteel_window::{Count, Sum};

use super::firesteel_side::Rows;
use crate::numbers::Numbers;
use crate::stopwatch::Stopwatch;

/// Bytes of a key with its count and sum.
pub const BYTES: u64 = 24;

/// Events of a micro-batch of the run that makes the state.
pub const BATCH: u64 = 1 << 18;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Keys with state.
    pub keys: u64,
    /// Worker threads.
    pub threads: usize,
    /// Events of the first batch after the restart, each of another key.
    pub batch: u64,
}

/// Seconds of a job that is started on a checkpoint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Opening the checkpoint: locks, changelog, backend.
    pub open: f64,
    /// Bringing back the state.
    pub restore: f64,
    /// From the start until the first batch is done and its epoch committed.
    pub first_batch: f64,
    /// From the start until the job has ended, and all that it had left to write is on the disk.
    pub whole: f64,
}

/// What is measured about one way to start again.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where the state is, and where it comes from.
    pub what: &'static str,
    /// Megabytes of snapshots, of the changelog and of the backend's files, before the job is started again.
    pub megabytes: [u64; 3],
    /// Of the job that made the state.
    pub made: Times,
    /// Of the one that resumes from it.
    pub resumed: Times,
}

/// The folders of a checkpoint: snapshots, changelog, backend.
pub const PARTS: [&str; 3] = ["snapshots", "changelog", "state"];

impl Row {
    /// Makes a checkpoint in `folder`, unless one is there, does to it what `between` says, and resumes from it.
    ///
    /// # Panics
    /// If the disk fails.
    #[must_use]
    pub fn measure(
        what: &'static str,
        setting: Setting,
        folder: &Path,
        between: impl Fn(&Path),
        backend: impl Fn(Checkpoint) -> Checkpoint,
    ) -> Self {
        let is_there = folder.join("changelog").exists();
        let made = if is_there { Times::default() } else { run(setting, folder, &backend) };
        between(folder);
        let megabytes = PARTS.map(|part| size_of_folder(&folder.join(part)) / 1_000_000);
        Self { what, megabytes, made, resumed: run(setting, folder, backend) }
    }
}

/// Bytes of all files below a folder; 0 if there is none.
fn size_of_folder(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size_of_folder(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// The rows of all ways, one under the other.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:42} {:>31} {:>7} {:>41}", "", "megabytes on disk", "seconds", "seconds from the start")?;
        write!(
            f,
            "{:42} {:>10} {:>10} {:>9} {:>7}",
            "state in … from …", "snapshots", "changelog", "backend", "to make"
        )?;
        write!(f, " {:>8} {:>9} {:>13} {:>8}", "opened", "restored", "first batch", "ended")?;
        for Row { what, megabytes: [snapshots, changelog, backend], made, resumed } in self.0 {
            write!(f, "\n{what:42} {snapshots:>10} {changelog:>10} {backend:>9} {:>7.1}", made.whole)?;
            let restored = resumed.open + resumed.restore;
            write!(f, " {:>8.2} {restored:>9.2} {:>13.2} {:>8.2}", resumed.open, resumed.first_batch, resumed.whole)?;
        }
        Ok(())
    }
}

/// Gives each of the keys its first event, or, where a job has done so in the folder, one batch more.
///
/// # Panics
/// If the disk fails.
#[must_use]
pub fn run(setting: Setting, folder: &Path, backend: impl Fn(Checkpoint) -> Checkpoint) -> Times {
    let again = folder.join("changelog").exists();
    let Setting { keys, threads, batch } = if again { setting } else { Setting { batch: BATCH, ..setting } };
    let watch = Stopwatch::start();
    let first = First(Arc::new(Mutex::new((watch, Times::default()))));
    let job = StreamingContext::builder("resumed")
        .threads(threads)
        .limits(BatchLimits::default().records(batch))
        .checkpoint(backend(Checkpoint::in_folder(folder)))
        .listener(first.clone())
        .build()
        .expect("the executors start");
    job.read(Numbers(if again { keys + batch } else { keys }))
        .named("numbers")
        .map(move |number| (number % keys, (number % 100).cast_signed()))
        .running_aggregate((Count, Sum))
        .named("totals")
        .write(Rows);
    job.run(Trigger::AvailableNow).expect("the job runs");
    let times = first.lock().1;
    Times { whole: watch.seconds(), ..times }
}

/// Notes when the state is back and when the first batch is done.
#[derive(Clone)]
struct First(Arc<Mutex<(Stopwatch, Times)>>);

impl First {
    fn lock(&self) -> MutexGuard<'_, (Stopwatch, Times)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamingListener for First {
    fn on_start(&self, info: &JobInfo) {
        let times = &mut self.lock().1;
        times.open = info.durations.open_us as f64 / 1e6;
        times.restore = info.durations.restore_us as f64 / 1e6;
    }

    fn on_batch(&self, progress: &BatchProgress) {
        let (watch, times) = &mut *self.lock();
        if progress.rows_in > 0 && times.first_batch == 0.0 {
            times.first_batch = watch.seconds();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_resumes_with_one_batch_more() {
        let folder = tempfile::tempdir().unwrap();
        let small = |checkpoint: Checkpoint| checkpoint.snapshot_after(1_000);
        let row =
            Row::measure("in memory", Setting { keys: 1_000, threads: 2, batch: 100 }, folder.path(), |_| (), small);
        for times in [row.made, row.resumed] {
            assert!(times.first_batch > 0.0 && times.first_batch <= times.whole, "{times:?}");
        }
        assert!(row.resumed.open + row.resumed.restore < row.resumed.first_batch, "{row:?}");
        let table = Table(&[row.clone(), row]).to_string();
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "the columns are aligned:\n{table}");
    }
}
