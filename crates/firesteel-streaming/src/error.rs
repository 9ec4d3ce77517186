//! What can go wrong with a streaming job.

use std::fmt;

use firesteel_connect::ConnectError;
use firesteel_error::{Class, codes};
use firesteel_state::Comparison;
use firesteel_window::{Duration, Timestamp, WindowError};

use crate::refused::RejectedLimit;

/// The result of work with streams; of other work, where another error is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a job cannot start, or has stopped.
///
/// `Debug` prints the same text as `Display`, with the causes below, so that a `main` which returns it stays readable.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The job has nothing to do.
    #[error("FS-S001: job {job} has no output, so nothing would run: end a stream with write, print or for_each_rdd")]
    NoOutput {
        /// The job's name.
        job: String,
    },
    /// Something about the job does not fit together.
    #[error("FS-S002: {what}: {reason}")]
    Setting {
        /// The setting or operator.
        what: String,
        /// Why it cannot work, and what would.
        reason: String,
    },
    /// An operator's window or watermark cannot work.
    #[error("FS-S003: {operator}: {source}")]
    Window {
        /// The operator.
        operator: String,
        /// What was refused.
        source: WindowError,
    },
    /// A source failed.
    #[error("FS-S004: source {name} failed")]
    Source {
        /// The source's name.
        name: String,
        /// What it said.
        source: ConnectError,
    },
    /// A sink failed.
    #[error("FS-S005: sink {name} failed in batch {batch}")]
    Sink {
        /// The output's name.
        name: String,
        /// The micro-batch.
        batch: u64,
        /// What it said.
        source: ConnectError,
    },
    /// A micro-batch could not be computed.
    #[error("FS-S006: batch {batch} failed in output {output}")]
    Batch {
        /// The micro-batch.
        batch: u64,
        /// The output that was being computed.
        output: String,
        /// Why.
        source: firesteel_core::Error,
    },
    /// A function that makes the RDD of a micro-batch returned an error.
    #[error("FS-S007: {operator} made no RDD for batch {batch}: {source}")]
    Transform {
        /// The operator.
        operator: String,
        /// The micro-batch.
        batch: u64,
        /// What the function returned.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The executors could not be set up, or an RDD action outside of a batch failed.
    #[error(transparent)]
    Rdd(#[from] firesteel_core::Error),
    /// A connector was used outside of a job, and failed.
    #[error(transparent)]
    Connector(#[from] ConnectError),
    /// State could not be opened, written down or restored.
    #[error("FS-S009: the job's state failed")]
    State {
        /// What the state layer said.
        #[from]
        source: firesteel_state::StateError,
    },
    /// A changed program does not fit the checkpoint that it should resume from.
    #[error("FS-S010: the program does not match the checkpoint in {folder}\n{comparison}{}", comparison.conclusion())]
    Changed {
        /// The checkpoint's folder.
        folder: String,
        /// What fits, what is new, what is lost and what is refused.
        comparison: Box<Comparison>,
    },
    /// Another program has prepared an epoch, and it is not known to be committed everywhere.
    #[error(
        "FS-S013: the checkpoint in {folder} ends with epoch {epoch}, which another program has prepared: {reason}"
    )]
    Unfinished {
        /// The checkpoint's folder.
        folder: String,
        /// The epoch.
        epoch: u64,
        /// Which sinks have it, and what can be done.
        reason: String,
    },
    /// A sink and the checkpoint do not belong together, or one of them has lost something.
    #[error("FS-S011: sink {sink} does not match the checkpoint: {reason}")]
    Epochs {
        /// The output's name.
        sink: String,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// There is a checkpoint, and what is left of it is not enough to resume from.
    #[error(
        "FS-S012: the job cannot resume from the checkpoint in {folder}: put back a copy of the whole folder, or begin \
         another checkpoint from a savepoint (Checkpoint::start_from); `firesteel checkpoint verify {folder}` tells what \
         is left"
    )]
    Checkpoint {
        /// The checkpoint's folder.
        folder: String,
        /// What is damaged or missing.
        source: firesteel_state::StateError,
    },
    /// More records were refused than the job allows.
    #[error(
        "FS-S014: batch {batch} is not committed, since {rejected} of {read} records were refused so far, and the limit \
         is {limit}{sample}: correct the data or the program, or raise the limit"
    )]
    TooManyRejected {
        /// The micro-batch with which there were too many.
        batch: u64,
        /// How many records were refused since the run began.
        rejected: u64,
        /// How many were read.
        read: u64,
        /// How many may be refused.
        limit: RejectedLimit,
        /// One of them.
        sample: String,
    },
    /// A table could not be loaded.
    #[error("FS-S016: table {name} could not be loaded")]
    Table {
        /// The table's name.
        name: String,
        /// What the function that loads it returned, or what is wrong with its rows.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A source or sink did not return in time, and the job has ended without it.
    #[error(
        "FS-S015: {call} has not returned for {waited} (since {since}), and the job has ended without it: what the call has \
         done is unknown, and nothing was done after it. A job with a checkpoint finds out when it is started again"
    )]
    Abandoned {
        /// Which call of whom.
        call: String,
        /// How long it was waited for.
        waited: Duration,
        /// When it began.
        since: Timestamp,
    },
    /// The job's thread could not be started, or it died.
    #[error("FS-S008: {what}")]
    Thread {
        /// What happened.
        what: String,
    },
}

codes!(Error {
    NoOutput = "FS-S001",
    Setting = "FS-S002",
    Window = "FS-S003",
    Source = "FS-S004",
    Sink = "FS-S005",
    Batch = "FS-S006",
    Transform = "FS-S007",
    Thread = "FS-S008",
    State = "FS-S009",
    Changed = "FS-S010",
    Epochs = "FS-S011",
    Checkpoint = "FS-S012",
    Unfinished = "FS-S013",
    TooManyRejected = "FS-S014",
    Abandoned = "FS-S015",
    Table = "FS-S016",
} and those of { Rdd, Connector });

impl Error {
    /// What may be done about it: for an error with a cause, what may be done about that. The job has already retried
    /// what could succeed; of [`Class::Retryable`] are those that may succeed when it is restarted.
    ///
    /// ```
    /// use firesteel_streaming::{Class, Error};
    /// let error = Error::NoOutput { job: "clicks".into() };
    /// assert_eq!((error.code(), error.class()), ("FS-S001", Class::Program));
    /// ```
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoOutput { .. } | Self::Setting { .. } | Self::Changed { .. } => Class::Program,
            Self::Window { source, .. } => source.class(),
            Self::Source { source, .. } | Self::Sink { source, .. } | Self::Connector(source) => source.class(),
            Self::Batch { source, .. } if is_fenced(source) => Class::Fenced,
            Self::Batch { source, .. } | Self::Rdd(source) => source.class(),
            Self::State { source } | Self::Checkpoint { source, .. } => source.class(),
            Self::Abandoned { .. } => Class::Unknown,
            Self::Transform { .. }
            | Self::Thread { .. }
            | Self::Epochs { .. }
            | Self::Unfinished { .. }
            | Self::Table { .. }
            | Self::TooManyRejected { .. } => Class::Fatal,
        }
    }

    /// The error of opening the checkpoint in `folder`, with what can be done about it.
    pub(crate) fn of_checkpoint(self, folder: &std::path::Path) -> Self {
        use firesteel_state::StateError;
        match self {
            Self::State { source: source @ (StateError::Damaged { .. } | StateError::Gap { .. }) } => {
                Self::Checkpoint { folder: folder.display().to_string(), source }
            }
            // Where a savepoint is no good, the error says so, and what is.
            Self::State { source: source @ StateError::NoUsableSnapshot { .. } } => match &source {
                StateError::NoUsableSnapshot { folder: at, .. } if at.starts_with(folder) && at != folder => {
                    Self::Checkpoint { folder: folder.display().to_string(), source }
                }
                _ => Self::State { source },
            },
            other => other,
        }
    }

    /// Whether it says no more than that work was cancelled.
    pub(crate) fn is_cancellation(&self) -> bool {
        if let Self::Rdd(error) = self {
            return matches!(error, firesteel_core::Error::Cancelled { .. });
        }
        let mut causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        causes.any(|error| matches!(error.downcast_ref(), Some(firesteel_core::Error::Cancelled { .. })))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&firesteel_core::Chain(self), f)
    }
}

/// Whether a task has failed because a sink told it that another process has taken over.
fn is_fenced(error: &firesteel_core::Error) -> bool {
    let firesteel_core::Error::TaskFailed { source: Some(source), .. } = error else { return false };
    source.downcast_ref().is_some_and(|error: &ConnectError| error.class() == Class::Fenced)
}
