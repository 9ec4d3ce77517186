//! What a time, a window or a watermark can be refused for.

use std::error::Error as StdError;
use std::fmt;

use firesteel_error::{Class, codes};

use crate::time::Duration;

/// A window or watermark that cannot work as declared.
///
/// Reported once, when a job is checked before it starts. Trying again cannot help, the program has to
/// change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WindowError {
    /// Windows of this size would hold no instant.
    Size {
        /// The size that was asked for.
        size: Duration,
    },
    /// A watermark cannot run ahead of the events.
    Delay {
        /// The delay that was asked for.
        delay: Duration,
    },
    /// Every partition would be idle at once.
    IdleTimeout {
        /// The timeout that was asked for.
        timeout: Duration,
    },
}

codes!(WindowError { Size = "FS-W001", Delay = "FS-W002", IdleTimeout = "FS-W003" });

impl WindowError {
    /// What may be done about it: nothing but to change the program.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Program
    }
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code())?;
        match self {
            Self::Size { size } => {
                write!(f, "a window of {size} holds no instant; give a size above zero, such as `minutes(5)`")
            }
            Self::Delay { delay } => write!(
                f,
                "a watermark cannot be delayed by {delay}; give zero for events in order, or how late events may be"
            ),
            Self::IdleTimeout { timeout } => write!(
                f,
                "a partition cannot become idle after {timeout}; give a time above zero, such as `minutes(1)`"
            ),
        }
    }
}

impl StdError for WindowError {}

/// A text or value that is no time this crate can hold.
///
/// Every variant is about one value: the same value fails again, the next one may be good.
#[derive(Debug)]
#[non_exhaustive]
pub enum TimeError {
    /// A text that is not a [`Duration`].
    Duration {
        /// The text.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A text that is not a [`Timestamp`](crate::Timestamp).
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
