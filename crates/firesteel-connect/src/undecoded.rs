//! What a receiver got and could not decode.

use std::fmt;

use firesteel_error::Class;
use serde::{Deserialize, Serialize};

use crate::{ConnectError, Payload};

/// A record that a receiver could not decode: it takes the place of the record in the store, so that the job that reads it
/// decides what becomes of it, as with the records of any source. A receiver that ended for it would give up all that comes
/// after it.
///
/// ```
/// use firesteel_connect::{Payload, Undecoded};
///
/// let undecoded = Undecoded::new("byte 3 is not UTF-8", Payload::of(b"caf\xe9"));
/// assert_eq!(undecoded.reason(), "byte 3 is not UTF-8");
/// assert_eq!(undecoded.payload().bytes(), b"caf\xe9");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Undecoded(Box<(String, Payload)>);

/// A record, or what is known of one that could not be decoded.
pub type Decoded<T> = std::result::Result<T, Undecoded>;

impl Undecoded {
    /// A record of these bytes, and what is wrong with them.
    #[must_use]
    pub fn new(reason: impl Into<String>, payload: Payload) -> Self {
        Self(Box::new((reason.into(), payload)))
    }

    /// What is wrong with it, and what can be done.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.0
    }

    /// Its bytes.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.0.1
    }

    /// The error of a reader that meets it at this position of this place, of [`Class::Record`].
    #[must_use]
    pub fn into_error(self, place: impl Into<String>, position: u64) -> ConnectError {
        let (reason, payload) = *self.0;
        let payload = Some(Box::new(payload));
        let error = ConnectError::Malformed { place: place.into(), position, line: None, reason, payload };
        debug_assert_eq!(error.class(), Class::Record);
        error
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn size(&self) -> u64 {
        (size_of::<(String, Payload)>() + self.reason().len() + self.payload().bytes().len()) as u64
    }
}

impl fmt::Debug for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undecoded").field("reason", &self.reason()).field("payload", self.payload()).finish()
    }
}
