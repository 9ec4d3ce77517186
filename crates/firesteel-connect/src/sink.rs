//! Sinks: where results go.

use serde::{Deserialize, Serialize};

use crate::{Guarantee, Result};

/// The number of a commit, counting from 1. What was committed under an epoch is never committed again under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which part of which epoch a task writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteTask {
    /// The epoch that will commit what is written.
    pub epoch: Epoch,
    /// The partition of the output, counting from 0.
    pub partition: usize,
    /// The attempt, counting from 0: after a failure the same part is written again under a higher number.
    pub attempt: u32,
}

/// A place for results.
///
/// A task [`write`](Self::write)s one partition; nothing of it may be visible outside. When all partitions are
/// written, the engine calls [`commit`](Self::commit) once with what the tasks left, in partition order: now
/// everything becomes visible, if possible at once and together with the epoch's number.
///
/// Epochs are committed one after the other, and an epoch is committed by one sink of a job after the other. Where a
/// commit takes long, the engine calls it on a thread of its own, and tasks write the next epoch meanwhile: so `write`
/// may be called beside `commit`, for the epoch after it. All other calls come alone.
pub trait Sink<T>: Send + Sync + 'static {
    /// What a task leaves for the commit: rows, a temporary file's name, an open transaction.
    type Pending: Send + 'static;

    /// Where results go, for messages: `text files in out/`.
    fn describe(&self) -> String;

    /// What the sink promises when the job fails and starts again.
    fn guarantee(&self) -> Guarantee;

    /// Called once before the first write.
    ///
    /// # Errors
    /// When the sink cannot work at all.
    fn start(&self) -> Result<()> {
        Ok(())
    }

    /// Writes one partition, invisibly. Runs in a task, in parallel with the others, and again if the task fails.
    ///
    /// # Errors
    /// When the records cannot be written; the task fails and is retried.
    fn write(&self, task: WriteTask, records: impl Iterator<Item = T>) -> Result<Self::Pending>;

    /// Makes what was written visible. A call for an epoch that is committed already does nothing.
    ///
    /// The sink takes out of `pending` what it is done with, so that a repeated call continues with the rest.
    ///
    /// # Errors
    /// When the outcome is not certain to be complete; the engine repeats the call if the error is retryable.
    fn commit(&self, epoch: Epoch, pending: &mut Vec<Self::Pending>) -> Result<()>;

    /// Throws away what a failed epoch wrote. Never called for an epoch whose commit this sink was asked for: if that
    /// failed, what is visible of it nobody knows, and after a restart the epoch is committed again.
    ///
    /// # Errors
    /// When something stays behind; the engine logs it.
    fn abort(&self, epoch: Epoch, pending: Vec<Self::Pending>) -> Result<()> {
        let _ = (epoch, pending);
        Ok(())
    }

    /// The newest epoch the outside world has, where the sink can tell.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn last_committed(&self) -> Result<Option<Epoch>> {
        Ok(None)
    }

    /// Called once when the job has ended.
    ///
    /// # Errors
    /// When something could not be finished.
    fn stop(&self) -> Result<()> {
        Ok(())
    }
}
