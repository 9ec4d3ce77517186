//! From a record to a line of text.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use firesteel_connect::{Encode, Unencodable};

/// The record's `Display`.
#[derive(Debug, Clone, Copy)]
pub struct Displayed;

impl<T: Display> Encode<T> for Displayed {
    #[inline]
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        write!(Appending(out), "{record}").map_err(|_| Unencodable::new("the record's Display fails"))
    }
}

/// Takes text into bytes.
struct Appending<'a>(&'a mut Vec<u8>);

impl Write for Appending<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// What a function makes of it; see [`TextFileSink::format`](crate::FileSink::format).
pub struct Formatted<F>(Arc<F>);

impl<F> Formatted<F> {
    pub(super) fn new(format: F) -> Self {
        Self(Arc::new(format))
    }
}

impl<T, F> Encode<T> for Formatted<F>
where
    F: Fn(&T, &mut String) + Send + Sync + 'static,
{
    #[inline]
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        // The function appends to a text: what is there already is one, as a rule nothing.
        match String::from_utf8(std::mem::take(out)) {
            Ok(mut text) => {
                (self.0)(record, &mut text);
                *out = text.into_bytes();
            }
            Err(bytes) => {
                *out = bytes.into_bytes();
                let mut text = String::new();
                (self.0)(record, &mut text);
                out.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }
}

impl<F> Clone for Formatted<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for Formatted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Formatted")
    }
}
