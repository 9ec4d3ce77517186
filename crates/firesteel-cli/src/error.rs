//! What can go wrong with a command.

use std::path::PathBuf;

use firesteel_error::{Class, codes};
use firesteel_state::StateError;

/// The result of a part of a command.
pub(crate) type Result<T> = std::result::Result<T, CliError>;

/// An error of the command line tool, for whoever called it.
///
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// There is no checkpoint in the folder.
    #[error("FS-C001: {} is no checkpoint: {reason}", folder.display())]
    NoCheckpoint {
        /// The folder.
        folder: PathBuf,
        /// What is missing, and what to give instead.
        reason: String,
    },
    /// The checkpoint has no such operator or state.
    #[error("FS-C002: there is no {what} `{name}` in the checkpoint; {known}")]
    Unknown {
        /// What was asked for: an operator, or a state of one.
        what: String,
        /// The name that was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// No snapshot can be read, and nothing else tells what is stored.
    #[error(
        "FS-C003: what is stored in {} is not known: {reason}. `firesteel checkpoint verify` tells what is left",
        folder.display()
    )]
    NoCatalog {
        /// The folder.
        folder: PathBuf,
        /// What was tried.
        reason: String,
    },
    /// The description of a program cannot be read.
    #[error("FS-C004: {} is no description of a program: {source}; write one with StreamingContext::describe", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Results cannot be written.
    #[error("FS-C005: cannot write the results: {0}")]
    Output(#[from] std::io::Error),
    /// The checkpoint cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

codes!(CliError {
    NoCheckpoint = "FS-C001",
    Unknown = "FS-C002",
    NoCatalog = "FS-C003",
    Description = "FS-C004",
    Output = "FS-C005",
} and those of { State });

impl CliError {
    /// What may be done about it: mostly to call the tool with something else.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoCheckpoint { .. } | Self::Unknown { .. } | Self::Description { .. } => Class::Program,
            Self::NoCatalog { .. } => Class::Fatal,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Class::Closed,
            Self::Output(error) => Class::of_io(error),
            Self::State(error) => error.class(),
        }
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        // What is written as JSON here can be: only the writer fails.
        Self::Output(error.into())
    }
}
