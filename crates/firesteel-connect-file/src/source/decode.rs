//! From a line to a record.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use firesteel_connect::InvalidUtf8;

/// How a line becomes a record. [`Owned`], [`Text`] and [`Bytes`] are all there are.
pub trait Decode: sealed::Sealed + Clone + Send + Sync + 'static {
    /// The record.
    type Item: Send + 'static;

    /// The record of a line, or what is wrong with the line.
    #[doc(hidden)]
    fn decode(&self, line: &[u8], invalid: InvalidUtf8) -> Result<Self::Item, String>;
}

/// The line as text.
#[inline]
fn text(line: &[u8], invalid: InvalidUtf8) -> Result<Cow<'_, str>, String> {
    invalid.text(line).map_err(not_utf8)
}

#[cold]
fn not_utf8(index: usize) -> String {
    format!("byte {index} of the line is not UTF-8; convert the file, or have such bytes replaced")
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
    fn decode(&self, line: &[u8], invalid: InvalidUtf8) -> Result<String, String> {
        text(line, invalid).map(Cow::into_owned)
    }
}

/// Declares what holds a function that decodes lines.
macro_rules! functions {
    ($($(#[$docs:meta])* $name:ident)*) => {$(
        $(#[$docs])*
        pub struct $name<F>(Arc<F>);

        impl<F> $name<F> {
            pub(super) fn new(decode: F) -> Self {
                Self(Arc::new(decode))
            }
        }

        impl<F> Clone for $name<F> {
            fn clone(&self) -> Self {
                Self(Arc::clone(&self.0))
            }
        }

        impl<F> fmt::Debug for $name<F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

functions! {
    /// What a function makes of the line as text, or an error; see [`TextFiles::try_decode`](crate::TextFiles::try_decode).
    Text
    /// What a function makes of the line as bytes, or an error; see
    /// [`TextFiles::try_decode_bytes`](crate::TextFiles::try_decode_bytes).
    Bytes
}

impl<T, E, F> Decode for Text<F>
where
    F: Fn(&str) -> Result<T, E> + Send + Sync + 'static,
    T: Send + 'static,
    E: fmt::Display,
{
    type Item = T;

    #[inline]
    fn decode(&self, line: &[u8], invalid: InvalidUtf8) -> Result<T, String> {
        (self.0)(&text(line, invalid)?).map_err(|error| error.to_string())
    }
}

impl<T, E, F> Decode for Bytes<F>
where
    F: Fn(&[u8]) -> Result<T, E> + Send + Sync + 'static,
    T: Send + 'static,
    E: fmt::Display,
{
    type Item = T;

    #[inline]
    fn decode(&self, line: &[u8], _invalid: InvalidUtf8) -> Result<T, String> {
        (self.0)(line).map_err(|error| error.to_string())
    }
}
