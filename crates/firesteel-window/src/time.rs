//! Instants and spans of time, never bare integers.
//!
//! A [`Timestamp`] is when something happened, a [`Duration`] how long something takes. Both count microseconds in 64
//! bits: exact arithmetic, one machine word, 292,000 years to either side of 1970.
//!
//! ```
//! use firesteel_window::{Duration, Timestamp, hours, minutes};
//!
//! let at: Timestamp = "2025-01-31T13:05:00Z".parse()?;
//! assert_eq!((at + hours(1)).to_string(), "2025-01-31T14:05:00Z");
//! assert_eq!("1h 5m".parse::<Duration>()?, hours(1) + minutes(5));
//! # Ok::<(), firesteel_window::TimeError>(())
//! ```
//!
//! Arithmetic with `+` and `-` saturates: a time beyond the range becomes the end of the range, since event times come
//! from outside and must not stop a job. Where that matters, the `checked_` methods tell.
//!
//! Nothing here reads a clock or knows a time zone: text is UTC in RFC 3339, calendars are left to libraries such as
//! jiff, whose timestamps convert.

mod duration;
mod error;
mod text;
mod timestamp;

pub use duration::Duration;
pub use error::TimeError;
pub use timestamp::Timestamp;

/// A duration of `n` milliseconds.
pub const fn millis(n: i64) -> Duration {
    Duration::millis(n)
}

/// A duration of `n` seconds.
pub const fn seconds(n: i64) -> Duration {
    Duration::secs(n)
}

/// A duration of `n` minutes.
pub const fn minutes(n: i64) -> Duration {
    Duration::minutes(n)
}

/// A duration of `n` hours.
pub const fn hours(n: i64) -> Duration {
    Duration::hours(n)
}

/// A duration of `n` days of 24 hours.
pub const fn days(n: i64) -> Duration {
    Duration::days(n)
}
