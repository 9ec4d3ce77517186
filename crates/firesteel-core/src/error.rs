//! What can go wrong with an RDD job.

use std::fmt;
use std::path::PathBuf;

use firesteel_error::{Class, codes};

use crate::task::Blame;

/// The result of an action.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an action failed.
///
/// `Debug` prints the same text as `Display`, with the causes below, so that a `main` which returns it stays readable.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A task failed as often as it may.
    #[error("FS-R001: task failed {attempts} times, last in {blame}")]
    TaskFailed {
        /// Where and why it failed last.
        blame: Box<Blame>,
        /// How often it was tried.
        attempts: u32,
        /// The error from outside, if it was one rather than a panic.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The job was cancelled.
    #[error("FS-R002: the job was cancelled{}", reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Cancelled {
        /// Why, if a reason was given.
        reason: Option<String>,
    },
    /// The output of a stage was lost again and again.
    #[error(
        "FS-R003: shuffle {shuffle} lost its output {times} times and was recomputed each time: the data it reads, or the memory it may use, changes under it"
    )]
    OutputLost {
        /// The shuffle's number.
        shuffle: u64,
        /// How often.
        times: u32,
    },
    /// A file or folder of the engine's own cannot be used.
    #[error("FS-R004: cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// An operator was called with something it cannot work with.
    #[error("FS-R005: {operator}: {reason}")]
    Argument {
        /// The operator.
        operator: String,
        /// What is wrong and what would be accepted.
        reason: String,
    },
    /// A file that was written whole is not any more.
    #[error("FS-R007: {} is damaged: {reason}; restore it, or recompute it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An accumulator, broadcast variable or RDD was used with the wrong context, or after its context ended.
    #[error("FS-R006: {what}")]
    Misuse {
        /// What was done, and what to do instead.
        what: String,
    },
}

codes!(Error {
    TaskFailed = "FS-R001",
    Cancelled = "FS-R002",
    OutputLost = "FS-R003",
    File = "FS-R004",
    Argument = "FS-R005",
    Misuse = "FS-R006",
    Damaged = "FS-R007",
});

impl Error {
    /// What may be done about it. The engine has already retried what could succeed.
    ///
    /// ```
    /// use firesteel_core::{Class, Error};
    /// let error = Error::Argument { operator: "repartition".into(), reason: "0 partitions".into() };
    /// assert_eq!((error.code(), error.class()), ("FS-R005", Class::Program));
    /// ```
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Cancelled { .. } => Class::Closed,
            Self::File { source, .. } => Class::of_io(source),
            Self::Argument { .. } | Self::Misuse { .. } => Class::Program,
            Self::TaskFailed { .. } | Self::OutputLost { .. } | Self::Damaged { .. } => Class::Fatal,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&crate::Chain(self), f)
    }
}
