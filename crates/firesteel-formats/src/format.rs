//! What a file is made of: where its records end, and what they are.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use firesteel_connect::Undecodable;

use crate::mismatch::Mismatch;
use crate::origin::{FileOrigin, Standing};
use crate::table::{CountRows, ReadAt, Table, TableError};

/// A format of files: framing, that is, where one record ends and the next begins, and decoding.
///
/// A source of files is generic over it. [`begin`](Self::begin) makes what reads one file; the same value begins many of
/// them, on several threads.
pub trait Format: Clone + Send + Sync + 'static {
    /// A record.
    type Item: Send + 'static;
    /// Reads one file.
    type Reading: Reading<Item = Self::Item>;

    /// What it is called in messages: `JSON`.
    fn name(&self) -> &'static str;

    /// Begins a file, or a stretch of one.
    fn begin(&self) -> Self::Reading;

    /// Whether a record ends at every newline, so that a reader may begin anywhere: it skips to the next line. Files of
    /// other formats are read by one task at a time, which resumes where the one before it stopped.
    fn ends_at_newlines(&self) -> bool {
        false
    }

    /// Whether files are text, so that the lines in them have numbers.
    fn is_text(&self) -> bool {
        self.ends_at_newlines()
    }

    /// Whether the beginning of a file says something that is needed for all of its records, as the names of columns.
    /// [`Reading::head`] is given it then, wherever in the file reading begins.
    fn has_head(&self) -> bool {
        false
    }

    /// Whether files hold their records packed, so that they are read from their beginning on only.
    fn is_packed(&self) -> bool {
        false
    }

    /// The bytes in which records are looked for, of a file of which they are [packed](Self::is_packed). Positions count these.
    fn unpack(&self, file: Box<dyn Read + Send>) -> Option<Box<dyn Read + Send>> {
        let _ = file;
        None
    }

    /// Counts the rows of a file, where files are tables: rows that can be read from any of them on, once the file is whole.
    /// Positions count rows then, and files are read by [`table`](Self::table) and not by [`begin`](Self::begin).
    fn rows(&self) -> Option<CountRows> {
        None
    }

    /// Opens a file as a table, where files are tables.
    fn table(&self, file: Arc<dyn ReadAt>) -> Option<Result<Box<dyn Table<Self::Item>>, TableError>> {
        let _ = file;
        None
    }

    /// Whether it leaves out rows of a table that are not wanted, so that positions have gaps.
    fn picks_rows(&self) -> bool {
        false
    }

    /// Whether what it makes of a record depends on which file that is in: on its path, or on when it was changed. Sources ask
    /// [`of_file`](Self::of_file) then.
    fn looks_at_files(&self) -> bool {
        false
    }

    /// The same for this file.
    ///
    /// # Errors
    /// What the file has not, or has instead.
    fn of_file(&self, file: &Arc<FileOrigin>) -> Result<Self, Mismatch> {
        let _ = file;
        Ok(self.clone())
    }

    /// Looks at its own settings, before anything is read.
    ///
    /// # Errors
    /// The setting, and why it is not usable.
    fn check(&self) -> Result<(), BadFormat> {
        Ok(())
    }
}

/// A setting of a format that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFormat {
    /// The setting.
    pub setting: &'static str,
    /// Why not, and what would be accepted.
    pub reason: String,
}

/// Finds and decodes the records of one file.
///
/// The source holds the buffer. It calls [`head`](Self::head) where the format has one, then [`find`](Self::find) and
/// [`decode`](Self::decode) in turn. What is found does not depend on how many bytes come at a time.
pub trait Reading: Send + 'static {
    /// A record.
    type Item;

    /// Whether it [wants to know](Self::stands) where records stand: the lines are counted then.
    const WANTS_PLACES: bool = false;

    /// Told before [`decode`](Self::decode) where the record stands, if it wants to know.
    fn stands(&mut self, at: Standing) {
        let _ = at;
    }

    /// Told, before it is used for another stretch of its file, what is known of that now. Tells whether it may be used so; if not,
    /// it is read from its
    /// beginning by another one.
    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        let _ = file;
        true
    }

    /// Looks at the beginning of the file. After [`Head::More`] it is called again with the same bytes and more. `ended`
    /// says that nothing follows.
    ///
    /// # Errors
    /// When the file is not what the program expects.
    fn head(&mut self, bytes: &[u8], ended: bool) -> Result<Head, Mismatch> {
        let _ = (bytes, ended);
        Ok(Head::Length(0))
    }

    /// Looks for the next record in `bytes`, which begin where the record before it ended. After [`Found::More`] it is
    /// called again with the same bytes and more, so that an implementation need not look twice at what it has seen.
    /// `ended` says that nothing follows: the answer is not `More` then.
    fn find(&mut self, bytes: &[u8], ended: bool) -> Found;

    /// The same as [`find`](Self::find) where a record ends in `bytes` and that is quick to see: where the record ends, which
    /// begins with the bytes, and where the next one begins. `None` says to call `find`, and changes nothing. Only formats of
    /// very short records need it.
    #[inline]
    fn find_quickly(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        let _ = bytes;
        None
    }

    /// Told after a [`Found::More`] that the record is too long to be held. Returns how many of the bytes that it has seen
    /// are of no use for finding the end of the record: `find` is called with what follows them.
    fn pass(&mut self) -> usize;

    /// The record of the bytes that were [found](Found::Record) last.
    ///
    /// # Errors
    /// What is wrong with it.
    fn decode(&mut self, record: &[u8]) -> Result<Self::Item, Undecodable>;

    /// Told when all records of a file that does not grow have been read.
    ///
    /// # Errors
    /// When the file should not have ended here: it is cut off.
    fn end(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// What is said of a record of more bytes than allowed.
    fn too_long(&self, longest: usize) -> String {
        format!("a record of more than {longest} bytes; allow longer ones with `longest_record`")
    }
}

/// The beginning of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Its length in bytes; the first record follows.
    Length(usize),
    /// More bytes are needed to tell.
    More,
}

/// What is found next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A record, and how many bytes after the beginning of `bytes` the next one begins.
    Record {
        /// The record's own bytes.
        record: Range<usize>,
        /// What is done with after it.
        after: usize,
    },
    /// This many bytes belong to no record: blank lines.
    Skip(usize),
    /// The record does not end here. It has this many bytes at least, so that one that is too long is known in time.
    More(usize),
    /// Bytes that cannot be made out to be a record.
    Broken {
        /// This many; reading resumes after them.
        after: usize,
        /// What is wrong with them.
        reason: String,
    },
}

/// A format in which a sink writes files.
pub trait WriteFormat<T>: Send + Sync + 'static {
    /// Writes one file.
    type Writing: Writing<T>;

    /// How names of files end, without the dot: `ndjson`.
    fn extension(&self) -> &'static str;

    /// What it is called in messages: `JSON`.
    fn name(&self) -> &'static str;

    /// Whether a sink may compress the files as a whole: not where readers need them as they are, since they begin anywhere.
    fn may_be_compressed(&self) -> bool {
        true
    }

    /// Whether small files may become a large one by a [`Joiner`](crate::Joiner) that knows no more of them than how their names end.
    fn may_be_joined(&self) -> bool {
        false
    }

    /// Begins a file.
    fn begin(&self) -> Self::Writing;
}

/// Writes one file.
pub trait Writing<T> {
    /// Appends a record, and before the first one what a file begins with. `out` is empty before.
    ///
    /// # Errors
    /// When the format has no form for a value of the record.
    fn write(&mut self, record: &T, out: &mut Vec<u8>) -> Result<(), firesteel_connect::Unencodable>;

    /// Appends what a file ends with. `out` is empty before.
    ///
    /// # Errors
    /// When the format cannot end a file here.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), firesteel_connect::Unencodable> {
        let _ = out;
        Ok(())
    }
}
