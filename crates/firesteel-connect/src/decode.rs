//! From bytes to a record, and back.

use std::fmt;
use std::sync::Arc;

use crate::ConnectError;

/// Makes a record of the bytes that a source has read: of a line, a message, a row.
///
/// The bytes are those of the source's own buffer, so that nothing is copied before the record exists. What is needed of them
/// is taken over into the record. [`Decoding`] makes a decoder of a function; `firesteel-formats` has those of the usual
/// formats.
///
/// ```
/// use firesteel_connect::{Decode, Undecodable};
///
/// #[derive(Clone)]
/// struct Temperature;
///
/// impl Decode for Temperature {
///     type Item = f64;
///
///     fn decode(&self, bytes: &[u8]) -> Result<f64, Undecodable> {
///         let text = std::str::from_utf8(bytes).map_err(|error| Undecodable::new("not UTF-8").at(error.valid_up_to()))?;
///         text.trim().parse().map_err(Undecodable::new)
///     }
/// }
///
/// assert_eq!(Temperature.decode(b" 21.5").unwrap(), 21.5);
/// assert_eq!(Temperature.decode(b"cold").unwrap_err().to_string(), "invalid float literal");
/// assert_eq!(Temperature.decode(b"1\xff").unwrap_err().offset(), Some(1));
/// ```
pub trait Decode: Clone + Send + Sync + 'static {
    /// The record.
    type Item: Send + 'static;

    /// The record of the bytes. The same bytes yield the same record, or the same error.
    ///
    /// # Errors
    /// What is wrong with the bytes. It concerns this record alone: a job stops, or sets it aside. Or that what the decoder needs
    /// [cannot be reached](Undecodable::unreachable).
    fn decode(&self, bytes: &[u8]) -> Result<Self::Item, Undecodable>;
}

/// Appends a record to the bytes that a sink writes.
///
/// ```
/// use firesteel_connect::{Encode, Unencodable};
///
/// #[derive(Clone)]
/// struct Plain;
///
/// impl Encode<u32> for Plain {
///     fn encode(&self, record: &u32, out: &mut Vec<u8>) -> Result<(), Unencodable> {
///         out.extend_from_slice(record.to_string().as_bytes());
///         Ok(())
///     }
/// }
///
/// let mut out = vec![];
/// Plain.encode(&42, &mut out).unwrap();
/// assert_eq!(out, b"42");
/// ```
pub trait Encode<T>: Clone + Send + Sync + 'static {
    /// Appends the record. What stood in `out` before stays as it is.
    ///
    /// # Errors
    /// When the format has no form for a value of the record. What was appended until then is dropped.
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable>;
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    at: Option<usize>,
    reason: Box<str>,
    /// Who does not answer, where that is why.
    unreachable: Option<Box<str>>,
}

impl Undecodable {
    /// What is wrong, and what was expected.
    #[must_use]
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { at: None, reason: reason.to_string().into(), unreachable: None }
    }

    /// It is no fault of the record: who knows what the decoder needs does not answer. A source makes an error of it that is retried, and
    /// nothing is refused.
    ///
    /// ```
    /// use firesteel_connect::{Class, Undecodable};
    ///
    /// let outage = Undecodable::unreachable("http://registry:8081", "connection refused");
    /// assert_eq!(outage.outage().unwrap().class(), Class::Retryable);
    /// assert!(Undecodable::new("cut off").outage().is_none());
    /// ```
    #[must_use]
    pub fn unreachable(peer: impl Into<Box<str>>, reason: impl fmt::Display) -> Self {
        Self { unreachable: Some(peer.into()), ..Self::new(reason) }
    }

    /// The error of a reader, where it is no fault of the record.
    #[must_use]
    pub fn outage(&self) -> Option<ConnectError> {
        let peer = self.unreachable.as_ref()?;
        Some(ConnectError::Unreachable { peer: peer.to_string(), source: self.reason().into() })
    }

    /// Says which of the record's bytes is the first that is wrong, counting from 0.
    #[must_use]
    pub fn at(self, byte: usize) -> Self {
        Self { at: Some(byte), ..self }
    }

    /// Which byte of the record is the first that is wrong, if that is known.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.at
    }

    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Why a record cannot be written in a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unencodable {
    reason: Box<str>,
}

impl Unencodable {
    /// Which value has no form, where it stands in the record, and what can be done.
    #[must_use]
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string().into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A function as a decoder: it borrows from the bytes what it looks at, and returns what it keeps.
///
/// ```
/// use firesteel_connect::{Decode, Decoding};
///
/// let decoder = Decoding::new(|bytes: &[u8]| <[u8; 4]>::try_from(bytes).map(u32::from_be_bytes));
/// assert_eq!(decoder.decode(&[0, 0, 1, 0]).unwrap(), 256);
/// assert!(decoder.decode(&[1]).is_err());
/// ```
pub struct Decoding<F>(Arc<F>);

impl<F> Decoding<F> {
    /// Decodes with the function.
    pub fn new<T, E>(decode: F) -> Self
    where
        F: Fn(&[u8]) -> Result<T, E>,
    {
        Self(Arc::new(decode))
    }
}

impl<T, E, F> Decode for Decoding<F>
where
    F: Fn(&[u8]) -> Result<T, E> + Send + Sync + 'static,
    T: Send + 'static,
    E: fmt::Display,
{
    type Item = T;

    #[inline]
    fn decode(&self, bytes: &[u8]) -> Result<T, Undecodable> {
        (self.0)(bytes).map_err(Undecodable::new)
    }
}

impl<F> Clone for Decoding<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for Decoding<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoding")
    }
}
