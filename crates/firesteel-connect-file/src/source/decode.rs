//! From a line to a record.

use std::fmt;
use std::sync::Arc;

use firesteel_connect::InvalidUtf8;

/// How a line becomes a record. [`Owned`], [`Text`] and [`Bytes`] are all there are.
pub trait Decode: sealed::Sealed + Clone + Send + Sync + 'static {
    /// The record.
    type Item: Send + 'static;

    /// The record of a line, or the index of the first byte that is not UTF-8.
    #[doc(hidden)]
    fn decode(&self, line: &[u8], invalid: InvalidUtf8) -> Result<Self::Item, usize>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Owned {}
    impl<F> Sealed for super::Text<F> {}
    impl<F> Sealed for super::Bytes<F> {}
}

/// The line itself as a `String`.
#[derive(Debug, Clone, Copy)]
pub struct Owned;

impl Decode for Owned {
    type Item = String;

    #[inline]
    fn decode(&self, line: &[u8], invalid: InvalidUtf8) -> Result<String, usize> {
        invalid.text(line).map(|text| text.into_owned())
    }
}

/// What a function makes of the line as text; see [`TextFiles::decode`](crate::TextFiles::decode).
pub struct Text<F>(Arc<F>);

/// What a function makes of the line as bytes; see [`TextFiles::decode_bytes`](crate::TextFiles::decode_bytes).
pub struct Bytes<F>(Arc<F>);

impl<F> Text<F> {
    pub(super) fn new(decode: F) -> Self {
        Self(Arc::new(decode))
    }
}

impl<F> Bytes<F> {
    pub(super) fn new(decode: F) -> Self {
        Self(Arc::new(decode))
    }
}

impl<T, F> Decode for Text<F>
where
    F: Fn(&str) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = T;

    #[inline]
    fn decode(&self, line: &[u8], invalid: InvalidUtf8) -> Result<T, usize> {
        invalid.text(line).map(|text| (self.0)(&text))
    }
}

impl<T, F> Decode for Bytes<F>
where
    F: Fn(&[u8]) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = T;

    #[inline]
    fn decode(&self, line: &[u8], _invalid: InvalidUtf8) -> Result<T, usize> {
        Ok((self.0)(line))
    }
}

impl<F> Clone for Text<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> Clone for Bytes<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for Text<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

impl<F> fmt::Debug for Bytes<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bytes")
    }
}
