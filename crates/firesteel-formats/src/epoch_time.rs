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

use firesteel_window::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};

/// Declares a module for a unit of this many microseconds.
macro_rules! units {
    ($($(#[$docs:meta])* $name:ident $micros:literal;)*) => {$(
        $(#[$docs])*
        pub mod $name {
            use super::{Deserializer, Serializer, Timestamp};

            /// Reads a number.
            ///
            /// # Errors
            /// When it is no integer, or beyond the range of times.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
                super::read(deserializer, $micros)
            }

            /// Writes a number.
            ///
            /// # Errors
            /// When the time has a fraction of the unit.
            pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
                super::write(*at, serializer, $micros, stringify!($name))
            }
        }
    )*};
}

units! {
    /// Seconds since 1970-01-01T00:00:00Z.
    seconds 1_000_000;
    /// Milliseconds since 1970-01-01T00:00:00Z.
    millis 1_000;
    /// Microseconds since 1970-01-01T00:00:00Z; what Avro calls `timestamp-micros`.
    micros 1;
}

fn read<'de, D: Deserializer<'de>>(deserializer: D, unit: i64) -> Result<Timestamp, D::Error> {
    let number = i64::deserialize(deserializer)?;
    let micros = number.checked_mul(unit).ok_or_else(|| D::Error::custom("the time is out of range"))?;
    Ok(Timestamp::from_micros(micros))
}

fn write<S: Serializer>(at: Timestamp, serializer: S, unit: i64, name: &str) -> Result<S::Ok, S::Error> {
    let micros = at.as_micros();
    if micros % unit != 0 {
        return Err(S::Error::custom(format_args!(
            "{at} is no whole number of {name}: take a smaller unit, or round it"
        )));
    }
    serializer.serialize_i64(micros / unit)
}
