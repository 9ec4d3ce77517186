//! Files that are tables: rows that can be read from anywhere, once the file is whole.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use firesteel_connect::Undecodable;

use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;

/// A file of which any stretch can be read.
///
/// A table asks for the end of the file first, and then for stretches of a page each (some kilobytes to a megabyte): ascending
/// within a column, and by turns of the columns. Where each call is a request to another machine, an implementation reads more at
/// once, and keeps it.
pub trait ReadAt: Send + Sync + 'static {
    /// How many bytes it has. It does not change.
    fn len(&self) -> u64;

    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes `[from, from + length)`.
    ///
    /// # Errors
    /// Those of the place where the file is; [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where it has not as many bytes.
    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes>;
}

impl ReadAt for Bytes {
    fn len(&self) -> u64 {
        Bytes::len(self) as u64
    }

    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes> {
        let end = usize::try_from(from).ok().and_then(|from| from.checked_add(length));
        match end.filter(|end| *end <= Bytes::len(self)) {
            Some(end) => Ok(self.slice(end - length..end)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The rows of one file, by their numbers.
///
/// What is at a row does not depend on where reading begins: a task reads `[from, to)`, and others the rest.
pub trait Table<T>: Send {
    /// How many rows the file has.
    fn rows(&self) -> u64;

    /// How many bytes a row has in the file, on average; 1 at least.
    fn bytes_per_row(&self) -> u64;

    /// The first row in `[from, to)` that is wanted, if there is one. Rows are decoded many at a time: it is quick where `from`
    /// follows the row before, and seeks where it does not.
    ///
    /// # Errors
    /// What concerns the file, and not one row. After [`TableError::Rows`], the table may be asked for what comes after these.
    fn row(&mut self, from: u64, to: u64) -> Result<Option<Row<T>>, TableError>;

    /// Told, before it is used for another stretch of its file, what is known of that now. Tells whether it may be used so; if not,
    /// the file is opened again.
    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        let _ = file;
        true
    }
}

/// A row of a table.
#[derive(Debug)]
pub struct Row<T> {
    /// Its number, counted from 0.
    pub at: u64,
    /// The record, or why there is none.
    pub item: Result<T, Box<RefusedRow>>,
}

/// A row of which no record can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// What is wrong with it.
    pub undecodable: Undecodable,
    /// What is in it, as far as the type asks for it, as JSON.
    pub payload: Vec<u8>,
}

/// Why a file cannot be read as a table: what a source makes an error of its own of.
#[derive(Debug)]
#[non_exhaustive]
pub enum TableError {
    /// Its bytes cannot be read.
    Io(io::Error),
    /// It does not end as such a file does: it is still being written, or cut off, or none.
    Unfinished(String),
    /// What is in it makes no sense.
    Damaged(String),
    /// Some of its rows cannot be read, the first of which was asked for; those after them may be. Which rows these are does not depend
    /// on which are asked for.
    Rows {
        /// Their numbers.
        rows: Range<u64>,
        /// What is wrong.
        reason: String,
    },
    /// It is not what the program expects.
    Mismatch(Mismatch),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Unfinished(reason) | Self::Damaged(reason) => f.write_str(reason),
            Self::Rows { rows, reason } => write!(f, "rows {} to {} are damaged: {reason}", rows.start, rows.end - 1),
            Self::Mismatch(mismatch) => write!(f, "it {}", mismatch.clone().into_reason()),
        }
    }
}

/// Counts the rows of a file: what is known of it before anybody reads it.
pub type CountRows = fn(Arc<dyn ReadAt>) -> Result<u64, TableError>;
