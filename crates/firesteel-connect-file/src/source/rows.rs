//! Rows of a file that is a table.

use std::fs::File;
use std::io;

use bytes::Bytes;
use firesteel_formats::{ReadAt, Table};

use super::identity::Stamp;

/// A table, and the file that it is of.
pub(crate) struct OpenTable<T> {
    pub(crate) table: Box<dyn Table<T>>,
    pub(crate) stamp: Stamp,
}

/// A file, read at any place.
pub(crate) struct Stretches {
    file: File,
    length: u64,
}

impl Stretches {
    /// The first `length` bytes of the file.
    pub(crate) fn of(file: File, length: u64) -> Self {
        Self { file, length }
    }
}

impl ReadAt for Stretches {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        read_exact_at(&self.file, &mut bytes, from)?;
        Ok(bytes.into())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], from: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, from)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut from: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, from)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => (bytes, from) = (&mut bytes[count..], from + count as u64),
        }
    }
    Ok(())
}
