//! Decoders of lines of text.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use firesteel_connect::{Decode, InvalidUtf8, Undecodable};

/// A decoder of lines of text, which need not be UTF-8. [`Owned`], [`Text`] and [`Bytes`] are all there are.
pub trait DecodeText: sealed::Sealed + Decode {
    /// The same decoder, under which this becomes of bytes that are not UTF-8.
    #[doc(hidden)]
    #[must_use]
    fn with_invalid_utf8(self, policy: InvalidUtf8) -> Self;
}

/// The line as text.
#[inline]
fn text(line: &[u8], invalid: InvalidUtf8) -> Result<Cow<'_, str>, Undecodable> {
    invalid.text(line).map_err(not_utf8)
}

#[cold]
fn not_utf8(index: usize) -> Undecodable {
    let reason = format_args!("byte {index} of the line is not UTF-8; convert the file, or have such bytes replaced");
    Undecodable::new(reason).at(index)
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Owned {}
    impl<F> Sealed for super::Text<F> {}
    impl<F> Sealed for super::Bytes<F> {}
}

/// The line itself as a `String`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owned {
    invalid: InvalidUtf8,
}

impl Decode for Owned {
    type Item = String;

    #[inline]
    fn decode(&self, line: &[u8]) -> Result<String, Undecodable> {
        text(line, self.invalid).map(Cow::into_owned)
    }
}

impl DecodeText for Owned {
    fn with_invalid_utf8(self, invalid: InvalidUtf8) -> Self {
        Self { invalid }
    }
}

/// What a function makes of the line as text, or an error; see [`TextFiles::try_decode`](crate::Files::try_decode).
pub struct Text<F> {
    decode: Arc<F>,
    invalid: InvalidUtf8,
}

impl<F> Text<F> {
    pub(super) fn new(decode: F, invalid: InvalidUtf8) -> Self {
        Self { decode: Arc::new(decode), invalid }
    }
}

impl<F> Clone for Text<F> {
    fn clone(&self) -> Self {
        Self { decode: Arc::clone(&self.decode), invalid: self.invalid }
    }
}

impl<F> fmt::Debug for Text<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

impl<T, E, F> Decode for Text<F>
where
    F: Fn(&str) -> Result<T, E> + Send + Sync + 'static,
    T: Send + 'static,
    E: fmt::Display,
{
    type Item = T;

    #[inline]
    fn decode(&self, line: &[u8]) -> Result<T, Undecodable> {
        (self.decode)(&text(line, self.invalid)?).map_err(Undecodable::new)
    }
}

impl<F> DecodeText for Text<F>
where
    Self: Decode,
{
    fn with_invalid_utf8(self, invalid: InvalidUtf8) -> Self {
        Self { invalid, ..self }
    }
}

/// What a function makes of the line as bytes, or an error; see
/// [`TextFiles::try_decode_bytes`](crate::Files::try_decode_bytes).
pub type Bytes<F> = firesteel_connect::Decoding<F>;

impl<F> DecodeText for Bytes<F>
where
    Self: Decode,
{
    fn with_invalid_utf8(self, _: InvalidUtf8) -> Self {
        self
    }
}
