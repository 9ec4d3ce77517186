//! What a text or value can be refused for that should become a time.

use std::error::Error as StdError;
use std::fmt;

use firesteel_error::{Class, codes};

/// A text or value that is no time this crate can hold.
///
/// Every variant is about one value: the same value fails again, the next one may be good.
#[derive(Debug)]
#[non_exhaustive]
pub enum TimeError {
    /// A text that is not a [`Duration`](super::Duration).
    Duration {
        /// The text.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A text that is not a [`Timestamp`](super::Timestamp).
    Timestamp {
        /// The text.
        text: String,
        /// What the reader of RFC 3339 says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A value of another time type that does not fit, or the other way round.
    Range {
        /// The value.
        value: String,
        /// The type it should have become.
        target: &'static str,
    },
}

codes!(TimeError { Duration = "FS-W010", Timestamp = "FS-W011", Range = "FS-W012" });

impl TimeError {
    /// What may be done about it: this value is at fault.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Record
    }
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code())?;
        match self {
            Self::Duration { text, problem } => {
                write!(f, "`{text}` is not a duration: {problem}; write for example `1h`, `90s`, `5m 30s` or `250ms`")
            }
            Self::Timestamp { text, source } => {
                write!(f, "`{text}` is not a timestamp: {source}; write for example `2025-01-31T13:00:00Z`")
            }
            Self::Range { value, target } => {
                write!(f, "{value} lies outside of what {target} can hold; use a value within its range")
            }
        }
    }
}

impl StdError for TimeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Timestamp { source, .. } => Some(source.as_ref()),
            Self::Duration { .. } | Self::Range { .. } => None,
        }
    }
}
