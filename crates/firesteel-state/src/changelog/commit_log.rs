//! The log of epochs as an engine writes it, wherever that is.

use super::{Changelog, EpochLog, EpochRecord};
use crate::error::Result;

/// A log that epochs are prepared in, and marked as committed.
///
/// It is what a job resumes from, and by which all else is judged: an epoch is prepared when its record is in the log for
/// good; then sinks commit; then it is marked. One epoch is prepared and not marked at most. Records are read back by
/// [`EpochLog`].
///
/// The [`Changelog`], a folder, is the first implementation. `conformance::commit_log` (behind the feature of that name)
/// checks another one.
pub trait CommitLog: EpochLog + Send {
    /// Appends the epoch's record: on return, it survives a crash, and the epoch is prepared. The marks of epochs before it
    /// are then as durable as the record.
    ///
    /// # Errors
    /// [`StateError::InvalidState`](crate::StateError::InvalidState) unless the epoch follows the last one; a new log may
    /// begin with any. Others when it cannot be written: the epoch is not prepared then.
    fn prepare(&mut self, record: &EpochRecord) -> Result<()>;

    /// Notes that the epoch is committed. It need not survive a crash before the next record is written, or
    /// [`sync_mark`](Self::sync_mark) is called.
    ///
    /// # Errors
    /// [`StateError::InvalidState`](crate::StateError::InvalidState) if it was not prepared.
    fn mark(&mut self, epoch: u64) -> Result<()>;

    /// Makes the last mark survive a crash: at the end of a job, or before a source forgets what it covers.
    ///
    /// # Errors
    /// When it cannot be written.
    fn sync_mark(&mut self) -> Result<()>;

    /// Rolls back the last record, of an epoch that was prepared but that no sink has committed: the epoch can be prepared
    /// again.
    ///
    /// # Errors
    /// [`StateError::InvalidState`](crate::StateError::InvalidState) if there is no record, or its epoch is marked; others
    /// when it cannot be removed.
    fn drop_last(&mut self) -> Result<()>;

    /// May let go of records of epochs before `durable`, as far as they are committed. The record of the last epoch that it
    /// lets go of nothing after stays: it tells how far the log has come.
    ///
    /// # Errors
    /// When records cannot be removed.
    fn truncate(&mut self, durable: u64) -> Result<()>;

    /// About how many bytes it holds: it says when a snapshot is worth taking.
    fn bytes(&self) -> u64;
}

impl CommitLog for Changelog {
    fn prepare(&mut self, record: &EpochRecord) -> Result<()> {
        self.prepare(record)
    }

    fn mark(&mut self, epoch: u64) -> Result<()> {
        self.mark(epoch)
    }

    fn sync_mark(&mut self) -> Result<()> {
        self.sync_mark()
    }

    fn drop_last(&mut self) -> Result<()> {
        self.drop_last()
    }

    fn truncate(&mut self, durable: u64) -> Result<()> {
        self.truncate(durable)
    }

    fn bytes(&self) -> u64 {
        self.bytes()
    }
}
