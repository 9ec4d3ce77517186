//! What is kept of a record that cannot be decoded.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bytes of a record that cannot be decoded: all, or the first [`MOST`](Self::MOST) of them.
///
/// ```
/// use firesteel_connect::Payload;
///
/// let whole = Payload::of(b"caf\xe9");
/// assert_eq!((whole.bytes(), whole.len(), whole.is_cut()), (&b"caf\xe9"[..], 4, false));
/// let cut = Payload::of(&vec![b'x'; 2 * Payload::MOST]);
/// assert_eq!((cut.bytes().len(), cut.len()), (Payload::MOST, 2 * Payload::MOST as u64));
/// assert_eq!(whole.to_string(), "caf\u{fffd}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Payload {
    bytes: Vec<u8>,
    len: u64,
}

impl Payload {
    /// This many bytes are kept at most.
    pub const MOST: usize = 64 << 10;

    /// The payload of a record that is in memory.
    #[must_use]
    pub fn of(record: &[u8]) -> Self {
        Self::beginning(record, record.len() as u64)
    }

    /// The payload of a record of `len` bytes, of which only the beginning is in memory.
    #[must_use]
    pub fn beginning(begin: &[u8], len: u64) -> Self {
        Self { bytes: begin[..begin.len().min(Self::MOST)].to_vec(), len: len.max(begin.len() as u64) }
    }

    /// What is kept: the first bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes the record had.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the record had none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether bytes are missing.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        (self.bytes.len() as u64) < self.len
    }
}

impl fmt::Display for Payload {
    /// As text, where bytes that are not UTF-8 become U+FFFD; it ends with `…` if it is cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))?;
        if self.is_cut() { f.write_str("…") } else { Ok(()) }
    }
}
