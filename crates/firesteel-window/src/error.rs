//! What a window or a watermark can be refused for.

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
    /// Windows that begin this often would all begin at once.
    Slide {
        /// The slide that was asked for.
        slide: Duration,
    },
    /// Sessions with such a gap have no end.
    Gap {
        /// The gap that was asked for.
        gap: Duration,
    },
    /// Windows by count would have no values, or leave some out.
    Count {
        /// How many values a window has.
        size: u64,
        /// With how many values there is a result.
        slide: u64,
    },
    /// There is no such time zone.
    Zone {
        /// The zone that was asked for.
        zone: String,
    },
    /// Windows that are gone before they are closed could not fire.
    Lateness {
        /// The lateness that was to be allowed.
        lateness: Duration,
    },
    /// Windows would fire all the time.
    Trigger {
        /// The trigger that was asked for, in words.
        trigger: String,
    },
    /// Nothing could match, or it is not said when a match is complete, or what waits for it would never leave.
    Pattern {
        /// What cannot be, and the way out.
        reason: String,
    },
    /// A watermark cannot run ahead of the events.
    Delay {
        /// The delay that was asked for.
        delay: Duration,
    },
    /// Every partition would be silent at once.
    IdleTimeout {
        /// The timeout that was asked for.
        timeout: Duration,
    },
    /// Partitions would wait for those that are not ahead of them, or for a silent one forever.
    Alignment {
        /// How far a partition may lead, as it was asked for.
        bound: Duration,
    },
    /// Events of the present would be taken for wrong.
    Ahead {
        /// How far events may be ahead, as it was asked for.
        span: Duration,
    },
}

codes!(WindowError { Size = "FS-W001", Delay = "FS-W002", IdleTimeout = "FS-W003", Ahead = "FS-W004", Slide = "FS-W005", Gap = "FS-W006", Zone = "FS-W007", Lateness = "FS-W008", Trigger = "FS-W009", Count = "FS-W013", Pattern = "FS-W014", Alignment = "FS-W015" });

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
            Self::Slide { slide } => {
                write!(f, "a window cannot begin every {slide}; give a time above zero, such as `.every(minutes(1))`")
            }
            Self::Gap { gap } => {
                write!(f, "a session cannot end after a gap of {gap}; give zero or more, such as `minutes(30)`")
            }
            Self::Count { size, slide } => write!(
                f,
                "a window of {size} values cannot come every {slide}; give a number of values, such as 100, and at most as \
                 many for `every`"
            ),
            Self::Zone { zone } => {
                write!(f, "there is no time zone `{zone}`; give one of the IANA database, such as `Europe/Berlin`")
            }
            Self::Lateness { lateness } => {
                write!(f, "a window cannot stay for {lateness} after its end; give zero or more, such as `minutes(10)`")
            }
            Self::Trigger { trigger } => {
                write!(
                    f,
                    "a window cannot fire {trigger}; give a time above zero, such as `seconds(10)`, or a number above zero"
                )
            }
            Self::Pattern { reason } => write!(f, "a pattern cannot work as it is: {reason}"),
            Self::Delay { delay } => write!(
                f,
                "a watermark cannot be delayed by {delay}; give zero for events in order, or how late events may be"
            ),
            Self::IdleTimeout { timeout } => write!(
                f,
                "a partition cannot become idle after {timeout}; give a time above zero, such as `minutes(1)`"
            ),
            Self::Alignment { bound } => write!(
                f,
                "partitions cannot be aligned within {bound}: give zero or more, and say beside when a silent one is not waited for, \
                 such as `.idle_after(minutes(1))`"
            ),
            Self::Ahead { span } => write!(
                f,
                "events cannot be bound to be {span} ahead of the clock; give zero or more, such as `minutes(5)`"
            ),
        }
    }
}

impl StdError for WindowError {}
