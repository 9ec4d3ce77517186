//! What can go wrong between the engine and the outside world.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;

use firesteel_error::{Class, codes};

use crate::Payload;
use crate::redact::redact;

/// The result of a connector's work.
pub type Result<T> = std::result::Result<T, ConnectError>;

/// An error of a source, a receiver or a sink.
///
/// Each variant names the thing, the place and the way out, and keeps the error it comes from. What others have said, and
/// where they are, goes through [`redact`] before anybody sees it.
///
/// ```
/// use firesteel_connect::ConnectError;
///
/// let error = ConnectError::Unreachable { peer: "nats://etl:hunter2@host".into(), source: "?token=abc refused".into() };
/// assert_eq!(error.to_string(), "FS-N003: nats://etl:***@host does not answer: ?token=*** refused");
/// assert!(!format!("{error:?}").contains("hunter2"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A file or folder cannot be used.
    #[error("FS-N001: cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb: `read`, `create`, `list`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Data at a known place is not what the format demands.
    #[error("FS-N002: {place}, {}: {reason}", stands(*.position, *.line))]
    Malformed {
        /// The split or file.
        place: String,
        /// The position in it, in the unit of the split.
        position: u64,
        /// The line of the file, counting from 1, where positions are bytes and it is known.
        line: Option<u64>,
        /// What is wrong and what was expected.
        reason: String,
        /// The record, where it is one that cannot be decoded.
        payload: Option<Box<Payload>>,
    },
    /// The other side cannot be reached or has closed the connection.
    #[error("FS-N003: {} does not answer: {}", redact(.peer), redact(&.source.to_string()))]
    Unreachable {
        /// The peer's address.
        peer: String,
        /// What the client library says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A setting of the connector makes no sense.
    #[error("FS-N004: {setting} of {connector} is not usable: {}", redact(.reason))]
    Setting {
        /// The connector.
        connector: &'static str,
        /// The setting.
        setting: &'static str,
        /// Why not, and what would be accepted.
        reason: String,
    },
    /// All of a file or topic is made in another way than the program expects it: told before its first record.
    #[error("FS-N020: {} {}", redact(.place), redact(.reason))]
    Mismatch {
        /// The file or topic.
        place: String,
        /// What it lacks or has instead, as the rest of a sentence, and what can be done.
        reason: String,
    },
    /// Data that a committed position points at is gone.
    #[error("FS-N005: {} no longer holds position {position}: {reason}", redact(.place))]
    Lost {
        /// The split.
        place: String,
        /// The position that was asked for.
        position: u64,
        /// What is there instead, and what can be done.
        reason: String,
    },
    /// Something is there and cannot be read from a position on, for now: a file that is forbidden, a disk or a network that fails. What comes
    /// before the position, where the reader stands, was read; the rest of the range is read when the source names it again.
    #[error("FS-N021: {} cannot be read from position {position} on, for now: {}", redact(.place), redact(.reason))]
    Later {
        /// The split.
        place: String,
        /// The position.
        position: u64,
        /// What is in the way, and what can be done.
        reason: String,
    },
    /// Anything else a connector has to report.
    #[error("FS-N006: {}: {}", redact(.context), redact(&.source.to_string()))]
    Other {
        /// What was being done.
        context: String,
        /// Whether trying again can help.
        class: Class,
        /// The error of the client library.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Bytes that a connector keeps on disk are not there any more as they were written.
    #[error("FS-N008: {} is damaged at byte {position}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        position: u64,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// A password, token or key is not where it is said to be.
    #[error("FS-N015: the secret {origin} cannot be read: {source}")]
    Secret {
        /// The environment variable or the file.
        origin: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Nobody knows whether a commit has happened: the connection broke after it was asked for, or no answer came in time.
    #[error(
        "FS-N016: whether epoch {epoch} is committed to {} is not known: {}; it is asked until it is, and the job waits",
        redact(.place), redact(&.source.to_string())
    )]
    OutcomeUnknown {
        /// Where results go.
        place: String,
        /// The epoch.
        epoch: crate::Epoch,
        /// What the client library says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Another process has taken over: what this one still has under way does not count.
    #[error(
        "FS-N017: another process writes to {} now ({}): this one ends. If both were started on purpose, give each a place of \
         its own",
        redact(.place), redact(.by)
    )]
    Fenced {
        /// Where results go.
        place: String,
        /// What is known of the other one.
        by: String,
    },
    /// Whoever took the results has left on purpose.
    #[error("FS-N007: {} is closed: nobody reads it any more", redact(.place))]
    Closed {
        /// Where results went.
        place: String,
    },
}

codes!(ConnectError {
    File = "FS-N001",
    Malformed = "FS-N002",
    Unreachable = "FS-N003",
    Setting = "FS-N004",
    Lost = "FS-N005",
    Other = "FS-N006",
    Closed = "FS-N007",
    Damaged = "FS-N008",
    Secret = "FS-N015",
    OutcomeUnknown = "FS-N016",
    Fenced = "FS-N017",
    Mismatch = "FS-N020",
    Later = "FS-N021",
});

impl ConnectError {
    /// The error of a split that `described` does not have.
    #[must_use]
    pub fn unknown_split(described: &str, split: &crate::SplitId) -> Self {
        Self::Other {
            context: format!("reading {described}"),
            class: Class::Fatal,
            source: format!("there is no split `{split}`; was the source replaced under the name of another?").into(),
        }
    }

    /// What the engine may do about it.
    ///
    /// ```
    /// use firesteel_connect::{Class, ConnectError, Payload};
    /// let error = ConnectError::Malformed {
    ///     place: "a.log".into(),
    ///     position: 7,
    ///     line: None,
    ///     reason: "not UTF-8".into(),
    ///     payload: Some(Box::new(Payload::of(b"caf\xe9"))),
    /// };
    /// assert_eq!(error.class(), Class::Record);
    /// ```
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::File { source, .. } | Self::Secret { source, .. } => Class::of_io(source),
            Self::Malformed { .. } => Class::Record,
            Self::Unreachable { .. } | Self::Later { .. } => Class::Retryable,
            Self::Setting { .. } | Self::Mismatch { .. } => Class::Program,
            Self::Lost { .. } | Self::Damaged { .. } => Class::Fatal,
            Self::Closed { .. } => Class::Closed,
            Self::OutcomeUnknown { .. } => Class::Unknown,
            Self::Fenced { .. } => Class::Fenced,
            Self::Other { class, .. } => *class,
        }
    }
}

/// Where a record stands, in words.
fn stands(position: u64, line: Option<u64>) -> String {
    line.map_or_else(|| format!("position {position}"), |line| format!("byte {position} (line {line})"))
}

impl fmt::Debug for ConnectError {
    /// With the fields that say more than the message, which is filtered.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("ConnectError");
        shown.field(&self.to_string());
        if let Self::Malformed { payload: Some(payload), .. } = self {
            shown.field(payload);
        }
        shown.finish()
    }
}
