//! Windows side by side.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DisjointWindows, Window, WindowAssigner};
use crate::error::WindowError;
use crate::time::{Duration, Timestamp};

/// Windows of one size, one after the other, without gap or overlap.
///
/// They are aligned to the Unix epoch, moved by an offset if there is one: hourly windows start at full hours UTC, with
/// an offset of 15 minutes at a quarter past. The law is Spark's and Flink's:
/// `start = at − (at − offset) mod size`, with the remainder never negative, so it holds before 1970 as well.
///
/// ```
/// use firesteel_window::{Timestamp, Tumbling, WindowAssigner, days, hours};
///
/// // Days in Tokyo, nine hours ahead of UTC.
/// let tokyo = Tumbling::of(days(1)).offset(hours(-9));
/// let at: Timestamp = "2025-01-31T16:00:00Z".parse()?;
/// assert_eq!(tokyo.window_of(at).start(), "2025-01-31T15:00:00Z".parse()?);
/// # Ok::<(), firesteel_window::TimeError>(())
/// ```
///
/// At the very ends of the range, 292,000 years away, windows are cut short rather than moved. [`Timestamp::MAX`] means
/// the end of time and is in no window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tumbling {
    size: Duration,
    offset: Duration,
}

impl Tumbling {
    /// Windows of this size.
    ///
    /// A size of zero or below is reported by [`validate`](WindowAssigner::validate), which a job calls before it
    /// starts; until then such windows are one microsecond long.
    pub const fn of(size: Duration) -> Self {
        Self { size, offset: Duration::ZERO }
    }

    /// Moves every window by `offset`, of either sign and any length; only its remainder by the size matters.
    #[must_use]
    pub const fn offset(self, offset: Duration) -> Self {
        Self { offset, ..self }
    }

    /// The size of the windows.
    pub const fn size(&self) -> Duration {
        self.size
    }
}

impl WindowAssigner for Tumbling {
    #[inline]
    fn window_of(&self, at: Timestamp) -> Window {
        let size = self.size.as_micros().max(1);
        // Remainders are taken before they are subtracted, so nothing can overflow: both lie in 0..size.
        let mut into = at.as_micros().rem_euclid(size) - self.offset.as_micros().rem_euclid(size);
        if into < 0 {
            into += size;
        }
        Window { start: at - Duration::micros(into), end: at + Duration::micros(size - into) }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("window", format!("tumbling {}", self.size)), ("offset", self.offset.to_string())]
    }

    fn validate(&self) -> Result<(), WindowError> {
        if self.size <= Duration::ZERO {
            return Err(WindowError::Size { size: self.size });
        }
        Ok(())
    }
}

impl DisjointWindows for Tumbling {}

impl fmt::Display for Tumbling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tumbling windows of {}", self.size)?;
        if !self.offset.is_zero() {
            write!(f, ", offset {}", self.offset)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tumbling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::seconds;

    #[track_caller]
    fn check(assigner: Tumbling, at: i64, start: i64, end: i64) {
        let expected = Window::new(Timestamp::from_secs(start), Timestamp::from_secs(end));
        assert_eq!(assigner.window_of(Timestamp::from_secs(at)), expected);
    }

    #[test]
    fn is_aligned_to_the_epoch() {
        let five = Tumbling::of(seconds(5));
        check(five, 0, 0, 5);
        check(five, 4, 0, 5);
        check(five, 5, 5, 10);
        check(five, -1, -5, 0);
        check(five, -5, -5, 0);
        check(five, -6, -10, -5);
    }

    #[test]
    fn is_moved_by_an_offset_of_any_sign_and_length() {
        for offset in [2, 7, -3, -13, 1_000_002] {
            let moved = Tumbling::of(seconds(5)).offset(seconds(offset));
            check(moved, 1, -3, 2);
            check(moved, 2, 2, 7);
            check(moved, -4, -8, -3);
        }
    }

    #[test]
    fn is_cut_short_at_the_ends_of_the_range() {
        let hourly = Tumbling::of(Duration::hours(1));
        let first = hourly.window_of(Timestamp::MIN);
        assert_eq!(first.start(), Timestamp::MIN);
        assert!(first.contains(Timestamp::MIN));
        let last = hourly.window_of(Timestamp::MAX);
        assert_eq!(last.end(), Timestamp::MAX);
        assert!(last.start() < Timestamp::MAX);
        let widest = Tumbling::of(Duration::MAX).offset(Duration::MIN);
        assert!(widest.window_of(Timestamp::MIN).contains(Timestamp::MIN));
    }

    #[test]
    fn a_size_that_holds_nothing_is_reported_and_never_panics() {
        for size in [Duration::ZERO, seconds(-1), Duration::MIN] {
            let bad = Tumbling::of(size);
            assert_eq!(bad.validate(), Err(WindowError::Size { size }));
            assert!(bad.window_of(Timestamp::EPOCH).contains(Timestamp::EPOCH));
        }
        let message = Tumbling::of(seconds(-5)).validate().unwrap_err().to_string();
        assert_eq!(message, "FS-W001: a window of -5s holds no instant; give a size above zero, such as `minutes(5)`");
        assert_eq!(Tumbling::of(seconds(5)).validate(), Ok(()));
    }

    #[test]
    fn is_described_in_words() {
        let quarter_past = Tumbling::of(Duration::hours(1)).offset(Duration::minutes(15));
        assert_eq!(quarter_past.to_string(), "tumbling windows of 1h, offset 15m");
    }
}
