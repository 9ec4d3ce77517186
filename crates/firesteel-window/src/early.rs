//! Results before a window is closed.

use std::fmt;

use crate::error::WindowError;
use crate::time::{Duration, Timestamp};
use crate::window::{Tumbling, Window, WindowAssigner};

/// When a window fires before it is closed: by the clock, or by the number of its records. Only what has changed since it
/// fired last does.
///
/// ```
/// use firesteel_window::{Early, Timestamp, seconds};
///
/// // What changes at 12 is told at 20, if the clock is looked at then.
/// let tick = Early::every(seconds(10)).tick(Timestamp::from_secs(12));
/// assert_eq!(tick.map(|tick| tick.end()), Some(Timestamp::from_secs(20)));
///
/// // With the records of a batch, a window's 10th and 20th have come: it fires once.
/// assert!(Early::every_records(10).is_passed(8, 21));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Early(Every);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    Interval(Duration),
    Records(u64),
}

impl Early {
    /// At multiples of this interval since 1970, by processing time. Where batches are further apart, in the next one.
    ///
    /// An interval of zero or below is reported by [`validate`](Self::validate), which a job calls before it starts.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        Self(Every::Interval(interval))
    }

    /// When a window of a key has its nth record, its 2nth, and so on: in the batch that brings it.
    ///
    /// Zero is reported by [`validate`](Self::validate), which a job calls before it starts.
    #[must_use]
    pub const fn every_records(n: u64) -> Self {
        Self(Every::Records(n))
    }

    /// For firings by the clock, the span of processing time in which `now` lies: what changes in it fires at its end.
    #[must_use]
    pub fn tick(&self, now: Timestamp) -> Option<Window> {
        match self.0 {
            Every::Interval(interval) => Some(Tumbling::of(interval).window_of(now)),
            Every::Records(_) => None,
        }
    }

    /// For firings by number, whether one is due that had `before` records and has `after`.
    #[must_use]
    pub fn is_passed(&self, before: u64, after: u64) -> bool {
        match self.0 {
            Every::Interval(_) => false,
            Every::Records(n) => after / n.max(1) > before / n.max(1),
        }
    }

    /// Whether it can work as declared.
    ///
    /// # Errors
    /// A [`WindowError`] where it would fire all the time.
    pub fn validate(&self) -> Result<(), WindowError> {
        let fires = match self.0 {
            Every::Interval(interval) => interval > Duration::ZERO,
            Every::Records(n) => n > 0,
        };
        if fires { Ok(()) } else { Err(WindowError::Trigger { trigger: self.to_string() }) }
    }
}

impl fmt::Display for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Every::Interval(interval) => write!(f, "early every {interval}"),
            Every::Records(n) => write!(f, "early every {n} records"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::seconds;

    #[test]
    fn a_tick_is_a_multiple_of_the_interval() {
        let tick = |at| Early::every(seconds(10)).tick(Timestamp::from_secs(at)).map(|tick| tick.end().as_secs());
        assert_eq!([0, 9, 10, -1].map(tick), [Some(10), Some(10), Some(20), Some(0)]);
        assert_eq!(Early::every_records(3).tick(Timestamp::EPOCH), None);
    }

    #[test]
    fn numbers_are_passed_however_records_come_in_batches() {
        let early = Early::every_records(3);
        let passed = |counts: &[u64]| counts.windows(2).filter(|pair| early.is_passed(pair[0], pair[1])).count();
        assert_eq!(passed(&[0, 1, 2, 3, 4, 5, 6, 7]), 2);
        assert_eq!(passed(&[0, 2, 5, 7]), 2);
        assert_eq!(passed(&[0, 7]), 1, "once for a batch");
        assert!(!Early::every(seconds(1)).is_passed(0, 100));
    }

    #[test]
    fn what_would_fire_all_the_time_is_refused() {
        assert!(Early::every(seconds(1)).validate().is_ok() && Early::every_records(1).validate().is_ok());
        let text = Early::every(seconds(0)).validate().unwrap_err().to_string();
        assert!(text.contains("early every 0s"), "{text}");
        assert!(Early::every_records(0).validate().unwrap_err().to_string().contains("early every 0 records"));
    }
}
