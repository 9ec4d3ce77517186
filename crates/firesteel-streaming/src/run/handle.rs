//! The handle of a job that runs on a thread of its own.

use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::progress::Summary;
use crate::run::{Stop, Stopper};

/// A running job. Dropping the handle leaves the job running.
#[derive(Debug)]
#[must_use = "nobody learns of the job's end unless somebody awaits its termination"]
pub struct RunningJob {
    pub(crate) stopper: Stopper,
    pub(crate) thread: JoinHandle<Result<Summary>>,
}

impl RunningJob {
    /// Tells the job to end, and returns at once.
    pub fn stop(&self, how: Stop) {
        self.stopper.stop(how);
    }

    /// Has the job write a copy of its checkpoint; see [`Stopper::savepoint`].
    ///
    /// # Errors
    /// As [`Stopper::savepoint`].
    pub fn savepoint(&self, folder: impl Into<std::path::PathBuf>) -> Result<firesteel_connect::Epoch> {
        self.stopper.savepoint(folder)
    }

    /// Something to stop the job with from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Whether the job has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished() || self.stopper.control.calls.is_abandoned()
    }

    /// Waits until the job has ended.
    ///
    /// # Errors
    /// What ended the job, if it was not meant to end. With [`Error::Abandoned`], its thread still waits for the call that did
    /// not return, and has the checkpoint's lock.
    pub fn await_termination(self) -> Result<Summary> {
        self.stopper.control.calls.wait_for_end()?;
        self.thread
            .join()
            .unwrap_or_else(|_| Err(Error::Thread { what: "the job's thread panicked outside of any task".to_owned() }))
    }
}
