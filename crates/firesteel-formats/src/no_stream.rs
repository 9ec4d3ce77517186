//! What a table is read as from its beginning on: nothing.

use std::fmt;
use std::marker::PhantomData;

use firesteel_connect::Undecodable;

use crate::format::{Found, Reading};

/// The [`Reading`] of a format whose files are tables: they are not read from their beginning on.
pub struct NoStream<T>(PhantomData<fn() -> T>);

impl<T> NoStream<T> {
    /// What a format of tables begins with, and nobody asks for.
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for NoStream<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send + 'static> Reading for NoStream<T> {
    type Item = T;

    fn find(&mut self, bytes: &[u8], _: bool) -> Found {
        Found::Broken { after: bytes.len(), reason: "such files are read as tables, and not as a stream".to_owned() }
    }

    fn pass(&mut self) -> usize {
        0
    }

    fn decode(&mut self, _: &[u8]) -> Result<T, Undecodable> {
        Err(Undecodable::new("such files are read as tables, and not as a stream"))
    }
}

impl<T> fmt::Debug for NoStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoStream")
    }
}
