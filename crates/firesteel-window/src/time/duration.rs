//! The span type: signed microseconds, with units in its text.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::error::TimeError;
use super::text;

/// A signed span of time in whole microseconds: what every setting takes, of event time and of waiting alike.
///
/// Where a number of the standard library's type is at hand, `into` makes it one of these.
///
/// Written and read as text like `1h 5m`: units `d`, `h`, `m`, `s`, `ms`, `us`, or their English names (`3 days`).
/// Serialized as that text in formats for people (JSON, TOML), as an integer of microseconds in binary formats.
///
/// ```
/// use firesteel_window::{Duration, minutes, seconds};
///
/// assert_eq!(seconds(3900).to_string(), "1h 5m");
/// assert_eq!("5m 30s".parse::<Duration>()?, minutes(5) + seconds(30));
/// # Ok::<(), firesteel_window::TimeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

impl Duration {
    /// The name under which binary formats are told of it: who describes types by what they ask a format for, as the
    /// state layer does, can tell it from a number.
    pub const SERDE_NAME: &str = "firesteel::Duration";

    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span towards the past: about 292,000 years.
    pub const MIN: Self = Self(i64::MIN);
    /// The longest span towards the future: about 292,000 years.
    pub const MAX: Self = Self(i64::MAX);

    /// `n` microseconds.
    #[inline]
    pub const fn micros(n: i64) -> Self {
        Self(n)
    }

    /// `n` milliseconds; [`MIN`](Self::MIN) or [`MAX`](Self::MAX) where that is more than the range holds.
    #[inline]
    pub const fn millis(n: i64) -> Self {
        Self(n.saturating_mul(1_000))
    }

    /// `n` seconds; [`MIN`](Self::MIN) or [`MAX`](Self::MAX) where that is more than the range holds.
    #[inline]
    pub const fn secs(n: i64) -> Self {
        Self(n.saturating_mul(1_000_000))
    }

    /// `n` minutes; [`MIN`](Self::MIN) or [`MAX`](Self::MAX) where that is more than the range holds.
    #[inline]
    pub const fn minutes(n: i64) -> Self {
        Self(n.saturating_mul(60_000_000))
    }

    /// `n` hours; [`MIN`](Self::MIN) or [`MAX`](Self::MAX) where that is more than the range holds.
    #[inline]
    pub const fn hours(n: i64) -> Self {
        Self(n.saturating_mul(3_600_000_000))
    }

    /// `n` days of 24 hours; [`MIN`](Self::MIN) or [`MAX`](Self::MAX) where that is more than the range holds.
    #[inline]
    pub const fn days(n: i64) -> Self {
        Self(n.saturating_mul(86_400_000_000))
    }

    /// The span in microseconds.
    #[inline]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The whole milliseconds in the span, rounded towards zero.
    #[inline]
    pub const fn as_millis(self) -> i64 {
        self.0 / 1_000
    }

    /// The whole seconds in the span, rounded towards zero.
    #[inline]
    pub const fn as_secs(self) -> i64 {
        self.0 / 1_000_000
    }

    /// The span as the standard library has it, for what waits so long; no time at all where it points to the past.
    #[inline]
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(if self.0 < 0 { 0 } else { self.0.unsigned_abs() })
    }

    /// The span in seconds with its fraction, for rates and reports.
    #[inline]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Whether the span is empty.
    #[inline]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether the span points to the past.
    #[inline]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum, or `None` where it leaves the range.
    #[inline]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The difference, or `None` where it leaves the range.
    #[inline]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The sum, or the end of the range it would leave.
    #[inline]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or the end of the range it would leave.
    #[inline]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Duration {
    type Output = Self;

    /// Saturates at the ends of the range.
    #[inline]
    fn add(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl Sub for Duration {
    type Output = Self;

    /// Saturates at the ends of the range.
    #[inline]
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl AddAssign for Duration {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Duration {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Mul<i64> for Duration {
    type Output = Self;

    /// Saturates at the ends of the range.
    #[inline]
    fn mul(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Neg for Duration {
    type Output = Self;

    /// Saturates at the ends of the range.
    #[inline]
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Duration {
    /// Saturates at the ends of the range.
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_duration(self.0, f)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Duration {
    type Err = TimeError;

    /// Reads what [`Display`](fmt::Display) writes; blanks between numbers and units are free, parts add up, a leading
    /// `-` turns the whole around.
    ///
    /// # Errors
    ///
    /// [`TimeError::Duration`] for an empty text, a number without a unit, an unknown unit, or more than the range
    /// holds.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text::read_duration(text).map(Self).map_err(|problem| TimeError::Duration { text: text.to_owned(), problem })
    }
}

impl From<std::time::Duration> for Duration {
    /// Cuts off what is shorter than a microsecond; [`MAX`](Self::MAX) beyond 292,000 years.
    #[inline]
    fn from(span: std::time::Duration) -> Self {
        Self(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
    }
}

impl TryFrom<Duration> for std::time::Duration {
    type Error = TimeError;

    /// # Errors
    ///
    /// [`TimeError::Range`] for a negative span: the standard library has none.
    fn try_from(span: Duration) -> Result<Self, TimeError> {
        u64::try_from(span.0)
            .map(Self::from_micros)
            .map_err(|_| TimeError::Range { value: span.to_string(), target: "a std::time::Duration" })
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_newtype_struct(Self::SERDE_NAME, &self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with units, such as `5m 30s`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Duration, D::Error> {
                i64::deserialize(deserializer).map(Duration)
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Text)
        } else {
            deserializer.deserialize_newtype_struct(Self::SERDE_NAME, Text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_agree_and_saturate() {
        assert_eq!(Duration::days(1), Duration::hours(24));
        assert_eq!(Duration::hours(1), Duration::minutes(60));
        assert_eq!(Duration::minutes(1), Duration::secs(60));
        assert_eq!(Duration::secs(1), Duration::millis(1_000));
        assert_eq!(Duration::millis(1), Duration::micros(1_000));
        assert_eq!(Duration::days(i64::MAX), Duration::MAX);
        assert_eq!(Duration::hours(i64::MIN), Duration::MIN);
    }

    #[test]
    fn arithmetic_saturates_and_checks() {
        assert_eq!(Duration::MAX + Duration::micros(1), Duration::MAX);
        assert_eq!(Duration::MIN - Duration::micros(1), Duration::MIN);
        assert_eq!(-Duration::MIN, Duration::MAX);
        assert_eq!(Duration::MAX * -2, Duration::MIN);
        assert_eq!(Duration::MAX.checked_add(Duration::micros(1)), None);
        assert_eq!(Duration::secs(2).checked_sub(Duration::secs(3)), Some(-Duration::secs(1)));
        let total: Duration = [Duration::secs(1), Duration::secs(2)].into_iter().sum();
        assert_eq!(total, Duration::secs(3));
    }

    #[test]
    fn the_standard_durations_convert() {
        let std = std::time::Duration::from_nanos(1_500_999);
        assert_eq!(Duration::from(std), Duration::micros(1_500));
        assert_eq!(std::time::Duration::try_from(Duration::millis(3)).unwrap(), std::time::Duration::from_millis(3));
        let negative = std::time::Duration::try_from(-Duration::secs(1)).unwrap_err();
        assert_eq!(
            negative.to_string(),
            "FS-W012: -1s lies outside of what a std::time::Duration can hold; use a value within its range"
        );
        assert_eq!(Duration::from(std::time::Duration::MAX), Duration::MAX);
        assert_eq!(Duration::millis(3).to_std(), std::time::Duration::from_millis(3));
        assert_eq!((-Duration::secs(1)).to_std(), std::time::Duration::ZERO);
    }

    #[test]
    fn people_read_text_and_machines_an_integer() {
        let span = Duration::minutes(65);
        assert_eq!(serde_json::to_string(&span).unwrap(), "\"1h 5m\"");
        assert_eq!(serde_json::from_str::<Duration>("\"1h 5m\"").unwrap(), span);
        assert!(serde_json::from_str::<Duration>("65").is_err());
        let bytes = postcard::to_stdvec(&span).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&span.as_micros()).unwrap());
        assert_eq!(postcard::from_bytes::<Duration>(&bytes).unwrap(), span);
    }
}
