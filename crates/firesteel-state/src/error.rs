//! What can go wrong with state.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};

use firesteel_disk::DiskError;
use firesteel_error::{Class, codes};
use firesteel_window::Timestamp;

/// The result of work on state; of other work, where another error is named.
pub type Result<T, E = StateError> = std::result::Result<T, E>;

/// An error of the state layer.
///
/// Each variant names the thing, the place and the way out, and keeps the error it comes from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A file or folder cannot be used.
    #[error("FS-T001: cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb: `read`, `create`, `sync`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Bytes that were written are not there any more as they were written.
    #[error("FS-T002: {} is damaged at byte {position}: {reason}", path.display())]
    Damaged {
        /// The file, or what stands for one.
        path: PathBuf,
        /// Where in it, in bytes.
        position: u64,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// A file was written by a release that knows another format.
    #[error(
        "FS-T003: {} is of format {found}; this release reads formats up to {supported}: use a newer release",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The format it is of.
        found: u32,
        /// The newest format that can be read.
        supported: u32,
    },
    /// Another process works with the same folder.
    #[error("FS-T004: {} is in use by another process: stop that one, or choose another checkpoint folder", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A key or value cannot be turned into bytes.
    #[error("FS-T005: cannot encode a key or value of state {state}: {source}")]
    Encode {
        /// The state, as `operator/name`.
        state: String,
        /// What its `Serialize` says.
        source: postcard::Error,
    },
    /// Stored bytes are not a key or value of the declared type.
    #[error(
        "FS-T006: cannot decode what is stored for state {state}: {source}; has the type changed without its version?"
    )]
    Decode {
        /// The state, as `operator/name`.
        state: String,
        /// What its `Deserialize` says.
        source: postcard::Error,
    },
    /// The declared state does not fit what is stored.
    #[error("FS-T007: the program does not match its checkpoint\n{report}")]
    Mismatch {
        /// What fits, what is new, what is lost, what differs.
        report: String,
    },
    /// State is declared in a way that makes no sense.
    #[error("FS-T008: the state of operator {operator} is not usable: {reason}")]
    Declaration {
        /// The operator.
        operator: String,
        /// Why not, and what would be accepted.
        reason: String,
    },
    /// A handle is used with another operator's state than the one it was declared for.
    #[error("FS-T009: operator {operator} has no {kind} that fits this handle: handles work where they are declared")]
    Handle {
        /// The operator whose state was used.
        operator: String,
        /// What kind of state the handle stands for.
        kind: &'static str,
    },
    /// A number of key groups, or a key group, that cannot be.
    #[error("FS-T010: {reason}")]
    KeyGroups {
        /// What is wrong, and what would be accepted.
        reason: String,
    },
    /// There is no state to resume from, although there should be.
    #[error("FS-T011: nothing in {} can be restored: {reason}", folder.display())]
    NoUsableSnapshot {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// What was tried and why it failed.
        reason: String,
    },
    /// Epochs that are needed are missing.
    #[error("FS-T012: {place} lacks epochs: epoch {expected} is needed, {found} comes next")]
    Gap {
        /// Where they are missing.
        place: String,
        /// The epoch that is needed.
        expected: u64,
        /// What is there instead: an epoch, or `nothing`.
        found: String,
    },
    /// A backend failed.
    #[error("FS-T013: {backend} cannot {action}: {source}")]
    Backend {
        /// The backend.
        backend: String,
        /// What was tried.
        action: String,
        /// Whether trying again can help.
        class: Class,
        /// The error of its library.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A call came out of turn.
    #[error("FS-T014: {what} is not valid in this state: {reason}")]
    InvalidState {
        /// What was called.
        what: String,
        /// What would have been in turn.
        reason: String,
    },
    /// A value that was stored under an earlier type cannot be turned into one of the declared type.
    #[error(
        "FS-T015: cannot turn the value of key {key} in state {state}, stored as {stored}, into one of the declared \
         type: {reason}; go back to the program that wrote it, or declare a type or migration that takes it"
    )]
    Evolve {
        /// The state, as `operator/name`.
        state: String,
        /// The key, and the position or field if it is a list or map.
        key: String,
        /// The type under which it is stored, with its version.
        stored: String,
        /// What does not fit.
        reason: String,
    },
    /// A file that was to be created is there already, and is another one.
    #[error(
        "FS-T017: {name} is in {place} already, and this run has not written it: another process writes under its name. \
         Stop that one, or give each a place of its own"
    )]
    Exists {
        /// The place for snapshots.
        place: String,
        /// The file.
        name: String,
    },
    /// A timer that fires is registered again for a time that has come for it: it would fire forever.
    #[error(
        "FS-T018: {operator} registers a timer of key {key} for {at}, while it fires at {time}: it would fire forever. Register \
         it for a later time, such as that of the timer and an interval"
    )]
    TimerRepeats {
        /// The operator.
        operator: String,
        /// The key.
        key: String,
        /// The time for which it is registered.
        at: Timestamp,
        /// When it fires.
        time: Timestamp,
    },
}

impl From<DiskError> for StateError {
    fn from(DiskError { action, path, source }: DiskError) -> Self {
        Self::File { action, path, source }
    }
}

codes!(StateError {
    File = "FS-T001",
    Damaged = "FS-T002",
    Version = "FS-T003",
    Locked = "FS-T004",
    Encode = "FS-T005",
    Decode = "FS-T006",
    Mismatch = "FS-T007",
    Declaration = "FS-T008",
    Handle = "FS-T009",
    KeyGroups = "FS-T010",
    NoUsableSnapshot = "FS-T011",
    Gap = "FS-T012",
    Backend = "FS-T013",
    InvalidState = "FS-T014",
    Evolve = "FS-T015",
    Exists = "FS-T017",
    TimerRepeats = "FS-T018",
});

impl StateError {
    /// What may be done about it.
    ///
    /// ```
    /// use firesteel_state::{Class, StateError};
    /// let error = StateError::Locked { path: "checkpoint/LOCK".into() };
    /// assert_eq!(error.class(), Class::Fatal);
    /// ```
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::File { source, .. } => Class::of_io(source),
            Self::Encode { .. } => Class::Record,
            Self::Mismatch { .. }
            | Self::Declaration { .. }
            | Self::Handle { .. }
            | Self::KeyGroups { .. }
            | Self::InvalidState { .. }
            | Self::Evolve { .. }
            | Self::TimerRepeats { .. } => Class::Program,
            Self::Damaged { .. }
            | Self::Version { .. }
            | Self::Locked { .. }
            | Self::Decode { .. }
            | Self::NoUsableSnapshot { .. }
            | Self::Gap { .. }
            | Self::Exists { .. } => Class::Fatal,
            Self::Backend { class, .. } => *class,
        }
    }

    pub(crate) fn damaged(path: &Path, position: u64, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), position, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_begins_with_its_code() {
        let io = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let errors = [
            StateError::File { action: "write", path: "a".into(), source: io() },
            StateError::damaged(Path::new("a"), 3, "x"),
            StateError::Version { path: "a".into(), found: 9, supported: 1 },
            StateError::Locked { path: "a".into() },
            StateError::Encode { state: "a".into(), source: postcard::Error::SerializeBufferFull },
            StateError::Decode { state: "a".into(), source: postcard::Error::DeserializeBadVarint },
            StateError::Mismatch { report: "a".into() },
            StateError::Declaration { operator: "a".into(), reason: "b".into() },
            StateError::Handle { operator: "a".into(), kind: "value" },
            StateError::KeyGroups { reason: "a".into() },
            StateError::NoUsableSnapshot { folder: "a".into(), reason: "b".into() },
            StateError::Gap { place: "a".into(), expected: 1, found: "2".into() },
            StateError::Backend { backend: "a".into(), action: "b".into(), class: Class::Fatal, source: "c".into() },
            StateError::InvalidState { what: "a".into(), reason: "b".into() },
            StateError::Evolve { state: "a".into(), key: "b".into(), stored: "c".into(), reason: "d".into() },
            StateError::Exists { place: "a".into(), name: "b".into() },
            StateError::TimerRepeats {
                operator: "a".into(),
                key: "b".into(),
                at: Timestamp::EPOCH,
                time: Timestamp::EPOCH,
            },
        ];
        // The code between is that of another error.
        for (error, number) in errors.iter().zip((1..).filter(|number| *number != 16)) {
            assert_eq!(error.code(), format!("FS-T{number:03}"), "{error}");
            assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
        }
        assert_eq!(errors[0].class(), Class::Retryable);
        assert_eq!(errors[1].class(), Class::Fatal);
    }
}
