//! When micro-batches run.

use firesteel_window::Duration;

/// When the next micro-batch runs, and when the job ends by itself.
///
/// Under every trigger a job ends when all of its sources have ended, after a last batch that closes all windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Trigger {
    /// As soon as there is something to read and the last batch is done.
    #[default]
    AsSoonAsPossible,
    /// At every multiple of an interval of processing time since the start, with or without something to read. A batch
    /// that takes longer than the interval is followed at once by the next.
    Every(Duration),
    /// Batch after batch until everything has been read that is there when the job starts.
    AvailableNow,
    /// One batch of everything that is there, whatever its size.
    Once,
}
