//! Errors of what is read, apart from those of what is in it.

use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// What a stream has failed with, for who reads what a decompressor makes of it: that one may tell it as if the bytes were at fault.
#[derive(Default, Clone)]
pub(crate) struct SourceError(Arc<Mutex<Option<io::Error>>>);

impl SourceError {
    /// The stream, whose error is kept here.
    pub(crate) fn of<R: Read>(&self, stream: R) -> Watched<R> {
        Watched { stream, error: self.clone(), failed: None }
    }

    fn keep(&self, error: io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// The error of the stream, if it has failed; otherwise that of the decompressor.
    pub(crate) fn instead_of(&self, error: io::Error) -> io::Error {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }
}

/// A stream whose error is kept. It stays failed: what comes after a hole is no continuation.
pub(crate) struct Watched<R> {
    stream: R,
    error: SourceError,
    failed: Option<ErrorKind>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        match self.stream.read(buffer) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                let kind = error.kind();
                self.failed = Some(kind);
                self.error.keep(error);
                Err(kind.into())
            }
            read => read,
        }
    }
}
