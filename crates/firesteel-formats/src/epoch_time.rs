//! Times as numbers.
//!
//! A [`Timestamp`] is read and written as text, `2025-01-31T12:00:00Z`, in formats for people. Where a field is a number of
//! seconds, milliseconds or microseconds since 1970 instead, `serde`'s `with` says so:
//!
//! ```
//! use firesteel_connect::Decode;
//! use firesteel_formats::{Json, epoch_time};
//! use firesteel_window::Timestamp;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Reading {
//!     #[serde(with = "epoch_time::millis")]
//!     at: Timestamp,
//! }
//!
//! let reading = Json::<Reading>::new().decode(br#"{"at": 1738324800250}"#).unwrap();
//! assert_eq!(reading.at.to_string(), "2025-01-31T12:00:00.25Z");
//! ```
//!
//! What does not fit is refused: a number beyond the range of times, and, when written, a time with a fraction of the unit.

use std::fmt;

use firesteel_window::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Error as _, Serializer};

/// Declares a module for a unit of this many microseconds.
macro_rules! units {
    ($($(#[$docs:meta])* $name:ident $unit:ident $micros:literal;)*) => {$(
        $(#[$docs])*
        pub mod $name {
            use super::{Deserializer, Serializer, Timestamp};

            /// Reads a number.
            ///
            /// # Errors
            /// When it is no integer, or beyond the range of times.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
                super::read(deserializer, super::$unit, $micros)
            }

            /// Writes a number.
            ///
            /// # Errors
            /// When the time has a fraction of the unit.
            pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
                super::write(*at, serializer, super::$unit, $micros, stringify!($name))
            }
        }
    )*};
}

units! {
    /// Seconds since 1970-01-01T00:00:00Z.
    seconds SECONDS 1_000_000;
    /// Milliseconds since 1970-01-01T00:00:00Z.
    millis MILLIS 1_000;
    /// Microseconds since 1970-01-01T00:00:00Z; what Avro calls `timestamp-micros`.
    micros MICROS 1;
}

/// The names under which a format for people is told that a number is a time: one that has times of its own gives them in this
/// unit, whatever its own is. To all others they are numbers.
const SECONDS: &str = "firesteel::epoch_time::seconds";
const MILLIS: &str = "firesteel::epoch_time::millis";
const MICROS: &str = "firesteel::epoch_time::micros";

/// How many microseconds the unit has that a newtype's name stands for; `None` where it is none of these times.
#[cfg(any(feature = "avro", feature = "parquet"))]
#[inline]
pub(crate) fn micros_per_unit(name: &str) -> Option<i64> {
    match name {
        SECONDS => Some(1_000_000),
        MILLIS => Some(1_000),
        MICROS => Some(1),
        _ => None,
    }
}

struct Number;

impl<'de> Visitor<'de> for Number {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as a number")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<i64, D::Error> {
        i64::deserialize(deserializer)
    }
}

fn read<'de, D: Deserializer<'de>>(deserializer: D, name: &'static str, unit: i64) -> Result<Timestamp, D::Error> {
    let number = if deserializer.is_human_readable() {
        deserializer.deserialize_newtype_struct(name, Number)?
    } else {
        i64::deserialize(deserializer)?
    };
    let micros = number.checked_mul(unit).ok_or_else(|| D::Error::custom("the time is out of range"))?;
    Ok(Timestamp::from_micros(micros))
}

fn write<S: Serializer>(
    at: Timestamp,
    serializer: S,
    name: &'static str,
    unit: i64,
    called: &str,
) -> Result<S::Ok, S::Error> {
    let micros = at.as_micros();
    if micros % unit != 0 {
        return Err(S::Error::custom(format_args!(
            "{at} is no whole number of {called}: take a smaller unit, or round it"
        )));
    }
    if serializer.is_human_readable() {
        serializer.serialize_newtype_struct(name, &(micros / unit))
    } else {
        serializer.serialize_i64(micros / unit)
    }
}
