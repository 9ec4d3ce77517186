//! The instant type: microseconds since the epoch, with RFC 3339 as its text.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::str::FromStr;
use std::time::SystemTime;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Duration;
use super::error::TimeError;

/// An instant in UTC: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Written and read as RFC 3339. [`MIN`](Self::MIN) is written `-infinity` and [`MAX`](Self::MAX) `infinity`, as
/// PostgreSQL does; years outside of −9999 to 9999 as a number of microseconds, `260000000000000000us`. Serialized as
/// that text in formats for people (JSON, TOML), as an integer of microseconds in binary formats.
///
/// ```
/// use firesteel_window::{Timestamp, hours};
///
/// let noon = Timestamp::from_secs(1_738_324_800);
/// assert_eq!(noon.to_string(), "2025-01-31T12:00:00Z");
/// assert_eq!(noon - hours(12), "2025-01-31T00:00:00Z".parse()?);
/// # Ok::<(), firesteel_window::TimeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The name under which formats are told of it: who describes types by what they ask a format for, as the state layer
    /// does, can tell it from a number, and a format with times of its own from a text.
    pub const SERDE_NAME: &str = "firesteel::Timestamp";

    /// 1970-01-01T00:00:00Z, which is also the default.
    pub const EPOCH: Self = Self(0);
    /// Before every event: as a watermark, nothing is known yet.
    pub const MIN: Self = Self(i64::MIN);
    /// After every event: as a watermark, nothing more will come.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `n` microseconds after the epoch.
    #[inline]
    pub const fn from_micros(n: i64) -> Self {
        Self(n)
    }

    /// The instant `n` milliseconds after the epoch, or the end of the range.
    #[inline]
    pub const fn from_millis(n: i64) -> Self {
        Self(n.saturating_mul(1_000))
    }

    /// The instant `n` seconds after the epoch, or the end of the range.
    #[inline]
    pub const fn from_secs(n: i64) -> Self {
        Self(n.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[inline]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded towards the past.
    #[inline]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded towards the past.
    #[inline]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The instant `span` later, or `None` where that leaves the range.
    #[inline]
    pub const fn checked_add(self, span: Duration) -> Option<Self> {
        match self.0.checked_add(span.as_micros()) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The instant `span` earlier, or `None` where that leaves the range.
    #[inline]
    pub const fn checked_sub(self, span: Duration) -> Option<Self> {
        match self.0.checked_sub(span.as_micros()) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The instant `span` later, or the end of the range.
    #[inline]
    pub const fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_micros()))
    }

    /// The instant `span` earlier, or the end of the range.
    #[inline]
    pub const fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_micros()))
    }

    /// The time passed since `earlier`, negative where that is later; the longest span where it leaves the range.
    #[inline]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the ends of the range.
    #[inline]
    fn add(self, span: Duration) -> Self {
        self.saturating_add(span)
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the ends of the range.
    #[inline]
    fn sub(self, span: Duration) -> Self {
        self.saturating_sub(span)
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    /// Saturates at the ends of the range.
    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl AddAssign<Duration> for Timestamp {
    #[inline]
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl SubAssign<Duration> for Timestamp {
    #[inline]
    fn sub_assign(&mut self, span: Duration) {
        *self = *self - span;
    }
}

impl From<jiff::Timestamp> for Timestamp {
    /// Rounds what is shorter than a microsecond towards the past.
    fn from(at: jiff::Timestamp) -> Self {
        let micros = at.as_nanosecond().div_euclid(1_000);
        Self(i64::try_from(micros).expect("jiff's years −9999 to 9999 fit in 64 bits of microseconds"))
    }
}

impl TryFrom<Timestamp> for jiff::Timestamp {
    type Error = TimeError;

    /// # Errors
    ///
    /// [`TimeError::Range`] outside of the years −9999 to 9999.
    fn try_from(at: Timestamp) -> Result<Self, TimeError> {
        Self::from_microsecond(at.0)
            .map_err(|_| TimeError::Range { value: at.to_string(), target: "a jiff::Timestamp" })
    }
}

impl From<SystemTime> for Timestamp {
    /// Rounds what is shorter than a microsecond towards the past, and saturates at the ends of the range.
    fn from(at: SystemTime) -> Self {
        match at.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => {
                let micros = before.duration().as_nanos().div_ceil(1_000);
                Self(i64::try_from(micros).map_or(i64::MIN, |micros| -micros))
            }
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => f.write_str("-infinity"),
            Self::MAX => f.write_str("infinity"),
            Self(micros) => match jiff::Timestamp::from_microsecond(micros) {
                Ok(at) => fmt::Display::fmt(&at, f),
                Err(_) => write!(f, "{micros}us"),
            },
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Reads RFC 3339 with any offset from UTC, and the other forms that [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    ///
    /// [`TimeError::Timestamp`] for anything else, such as a time without an offset.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        match text {
            "-infinity" => return Ok(Self::MIN),
            "infinity" => return Ok(Self::MAX),
            _ => {}
        }
        if let Some(Ok(micros)) = text.strip_suffix("us").map(str::parse) {
            return Ok(Self(micros));
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(at.into()),
            Err(error) => Err(TimeError::Timestamp { text: text.to_owned(), source: Box::new(error) }),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// The text or the number, by what the format is for.
        struct Inner<'a>(&'a Timestamp);

        impl Serialize for Inner<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self.0)
                } else {
                    serializer.serialize_i64(self.0.0)
                }
            }
        }

        serializer.serialize_newtype_struct(Self::SERDE_NAME, &Inner(self))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp in RFC 3339, such as `2025-01-31T13:00:00Z`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Timestamp, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Text)
                } else {
                    i64::deserialize(deserializer).map(Timestamp)
                }
            }
        }

        deserializer.deserialize_newtype_struct(Self::SERDE_NAME, Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{millis, seconds};

    #[test]
    fn units_round_towards_the_past() {
        let just_before = Timestamp::from_micros(-1);
        assert_eq!(just_before.as_millis(), -1);
        assert_eq!(just_before.as_secs(), -1);
        assert_eq!(Timestamp::from_secs(2).as_millis(), 2_000);
        assert_eq!(Timestamp::from_millis(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_secs(i64::MIN), Timestamp::MIN);
    }

    #[test]
    fn arithmetic_saturates_and_checks() {
        assert_eq!(Timestamp::MAX + seconds(1), Timestamp::MAX);
        assert_eq!(Timestamp::MIN - seconds(1), Timestamp::MIN);
        assert_eq!(Timestamp::MAX - Timestamp::MIN, Duration::MAX);
        assert_eq!(Timestamp::MAX.checked_add(seconds(1)), None);
        assert_eq!(Timestamp::MIN.checked_sub(seconds(1)), None);
        let mut at = Timestamp::EPOCH;
        at += seconds(2);
        at -= millis(500);
        assert_eq!(at, Timestamp::from_millis(1_500));
    }

    #[test]
    fn text_is_rfc_3339_in_utc() {
        let at: Timestamp = "2025-01-31T14:00:00.25+01:00".parse().unwrap();
        assert_eq!(at.to_string(), "2025-01-31T13:00:00.25Z");
        assert_eq!(format!("{at:?}"), at.to_string());
        for at in [
            Timestamp::MIN,
            Timestamp::MAX,
            Timestamp::from_micros(i64::MIN + 1),
            Timestamp::from_micros(-1),
            Timestamp::EPOCH,
        ] {
            assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
        let refused = "2025-01-31T14:00:00".parse::<Timestamp>().unwrap_err();
        assert_eq!(refused.code(), "FS-W011");
        assert!(refused.to_string().contains("2025-01-31T14:00:00` is not"));
        assert!(std::error::Error::source(&refused).is_some());
    }

    #[test]
    fn people_read_text_and_machines_an_integer() {
        let at = Timestamp::from_secs(1);
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(json, "\"1970-01-01T00:00:01Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
        let bytes = postcard::to_stdvec(&at).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&1_000_000_i64).unwrap());
        assert_eq!(postcard::from_bytes::<Timestamp>(&bytes).unwrap(), at);
    }

    #[test]
    fn other_time_types_convert() {
        let nanosecond_before = jiff::Timestamp::from_nanosecond(-1).unwrap();
        assert_eq!(Timestamp::from(nanosecond_before), Timestamp::from_micros(-1));
        assert!(Timestamp::from(jiff::Timestamp::MIN) < Timestamp::from(jiff::Timestamp::MAX));
        let back = jiff::Timestamp::try_from(Timestamp::from_secs(5)).unwrap();
        assert_eq!(back, jiff::Timestamp::from_second(5).unwrap());
        assert!(jiff::Timestamp::try_from(Timestamp::MAX).is_err());

        let nanosecond = std::time::Duration::from_nanos(1);
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(Timestamp::from(epoch + nanosecond), Timestamp::EPOCH);
        assert_eq!(Timestamp::from(epoch - nanosecond), Timestamp::from_micros(-1));
    }
}
