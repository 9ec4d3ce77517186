//! A file as the library reads it.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::table::{ReadAt, TableError};

/// Read at once where it is not known how much is needed: headers of pages.
const STRETCH: u64 = 8 << 10;

#[derive(Clone)]
pub(super) struct Chunks {
    pub(super) file: Arc<dyn ReadAt>,
    /// What kept it from being read last: the library may make an error of its own of it.
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl Chunks {
    pub(super) fn of(file: Arc<dyn ReadAt>) -> Self {
        Self { file, failure: Arc::default() }
    }

    /// An error of reading, where the library says that something is damaged and it only could not be read.
    pub(super) fn honest(&self, error: TableError) -> TableError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(error, TableError::Io)
    }

    /// Whatever kept it from being read does not matter.
    pub(super) fn forget(&self) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn note(&self, error: io::Error) -> io::Error {
        let same = io::Error::new(error.kind(), error.to_string());
        if error.kind() != io::ErrorKind::UnexpectedEof {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        same
    }

    /// What is there of a stretch must be within the file: so no length that a file invents is ever reserved.
    fn bytes(&self, from: u64, length: u64) -> io::Result<Bytes> {
        match from.checked_add(length) {
            Some(end) if end <= self.file.len() => {
                let length = usize::try_from(length).map_err(io::Error::other)?;
                self.file.read_at(from, length).map_err(|error| self.note(error))
            }
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl ChunkReader for Chunks {
    type T = Stretch;

    fn get_read(&self, start: u64) -> Result<Stretch, ParquetError> {
        Ok(Stretch { chunks: self.clone(), at: start, ready: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.bytes(start, length as u64).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// A file from a place on.
pub(super) struct Stretch {
    chunks: Chunks,
    at: u64,
    ready: Bytes,
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            let left = self.chunks.file.len().saturating_sub(self.at);
            self.ready = self.chunks.bytes(self.at, left.min(STRETCH))?;
            self.at += self.ready.len() as u64;
        }
        let count = buffer.len().min(self.ready.len());
        self.ready.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// What the message of a panic of the library begins with.
pub(super) const GIVES_UP: &str = "the library gives up";

/// Calls the library. What it makes of a file that makes no sense may be a panic, which is an error like others.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, TableError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(told),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panics");
            Err(TableError::Damaged(format!("{GIVES_UP}: {text}")))
        }
    }
}

/// An error of reading stays one; all others are about what was read.
fn told(error: ParquetError) -> TableError {
    if let ParquetError::External(inner) = error {
        return match inner.downcast::<io::Error>() {
            Ok(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                TableError::Damaged("it points beyond its end".to_owned())
            }
            Ok(error) => TableError::Io(*error),
            Err(other) => TableError::Damaged(other.to_string()),
        };
    }
    TableError::Damaged(error.to_string())
}
