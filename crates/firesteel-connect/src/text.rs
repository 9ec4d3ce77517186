//! What connectors of text share.

use std::borrow::Cow;

/// What becomes of bytes that are not UTF-8 in a line of text.
///
/// ```
/// use firesteel_connect::InvalidUtf8;
/// assert_eq!(InvalidUtf8::Fail.text(b"caf\xe9"), Err(3));
/// assert_eq!(InvalidUtf8::Replace.text(b"caf\xe9"), Ok("caf\u{fffd}".into()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum InvalidUtf8 {
    /// The line is an error that concerns one record. The default: data is never changed in silence.
    #[default]
    Fail,
    /// Each of them becomes U+FFFD, the replacement character.
    Replace,
}

impl InvalidUtf8 {
    /// The line as text; nothing is copied unless bytes are replaced.
    ///
    /// # Errors
    /// The index of the first byte that is not UTF-8, under [`InvalidUtf8::Fail`].
    pub fn text(self, line: &[u8]) -> Result<Cow<'_, str>, usize> {
        match simdutf8::basic::from_utf8(line) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => self.invalid(line),
        }
    }

    /// What becomes of a line of which it is known that it is not UTF-8. It is looked through once more: what finds the
    /// place is slower than what tells that there is one.
    #[cold]
    fn invalid(self, line: &[u8]) -> Result<Cow<'_, str>, usize> {
        match self {
            Self::Fail => Err(std::str::from_utf8(line).map_or_else(|error| error.valid_up_to(), str::len)),
            Self::Replace => Ok(String::from_utf8_lossy(line)),
        }
    }
}
