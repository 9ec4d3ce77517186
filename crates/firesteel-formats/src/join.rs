//! Whole files that become one, whatever the type of their records is.
//!
//! What a file begins with (a header, a schema) is there once afterwards, and the records stand one after the other as they were. Where each
//! file stands in the whole is told in positions as readers count them.

#[cfg(feature = "avro")]
mod avro;
#[cfg(feature = "csv")]
mod csv;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;

use std::fmt;
use std::io::{self, Read, Write};

/// A file that is read from its beginning, twice if need be: unpacked, where something has packed it as a whole.
pub type Opener<'a> = &'a dyn Fn() -> io::Result<Box<dyn Read + Send>>;

/// Where a file stands in the one that it was joined to. All are positions as readers count them: bytes of text, or rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Where its first record stands in the whole.
    pub at: u64,
    /// How much of the whole is its.
    pub length: u64,
    /// Where its first record stands in the file itself.
    pub begin: u64,
}

/// Why a file was not joined. Nothing of it is in the whole then, but after an error of reading or writing.
#[derive(Debug)]
pub enum NotJoined {
    /// It has other columns than those before it: it begins another whole.
    Differs(String),
    /// It cannot become a part of any whole without being changed.
    Unfit(String),
    /// It is not what it should be.
    Damaged(String),
    /// It cannot be read.
    Read(io::Error),
    /// The whole cannot be written.
    Write(io::Error),
}

/// Joins files of one format: those that our sinks write.
#[derive(Debug)]
pub struct Joiner(Kind);

#[derive(Debug)]
enum Kind {
    Lines(lines::Lines),
    #[cfg(feature = "csv")]
    Csv(csv::Rows),
    #[cfg(feature = "avro")]
    Avro(avro::Container),
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet::Table>),
}

impl Joiner {
    /// Joins files whose names end like this: `txt`, `ndjson`, `pb`, and with the features for them `csv`, `avro` and `parquet`. `None` where
    /// nothing here does.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        Some(Self(match extension {
            "txt" | "ndjson" => Kind::Lines(lines::Lines::of_lines()),
            "pb" => Kind::Lines(lines::Lines::of_bytes()),
            #[cfg(feature = "csv")]
            "csv" => Kind::Csv(csv::Rows::default()),
            #[cfg(feature = "avro")]
            "avro" => Kind::Avro(avro::Container::default()),
            #[cfg(feature = "parquet")]
            "parquet" => Kind::Parquet(Box::default()),
            _ => return None,
        }))
    }

    /// Appends a file that has this many records.
    ///
    /// # Errors
    /// [`NotJoined`]: why it was not.
    pub fn add(&mut self, file: Opener<'_>, records: u64, out: &mut dyn Write) -> Result<Joined, NotJoined> {
        let _ = records;
        match &mut self.0 {
            Kind::Lines(lines) => lines.add(file, out),
            #[cfg(feature = "csv")]
            Kind::Csv(rows) => rows.add(file, records, out),
            #[cfg(feature = "avro")]
            Kind::Avro(container) => container.add(file, records, out),
            #[cfg(feature = "parquet")]
            Kind::Parquet(table) => table.add(file, records, out),
        }
    }

    /// Appends what the whole ends with.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn end(&mut self, out: &mut dyn Write) -> Result<(), NotJoined> {
        let _ = &out;
        match &mut self.0 {
            #[cfg(feature = "parquet")]
            Kind::Parquet(table) => table.end(out),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for NotJoined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(reason) | Self::Unfit(reason) | Self::Damaged(reason) => f.write_str(reason),
            Self::Read(error) | Self::Write(error) => error.fmt(f),
        }
    }
}

/// The mark that text in UTF-8 may begin with, which readers pass over there and nowhere else.
const MARK: &[u8] = "\u{feff}".as_bytes();
/// Copied at once.
const CHUNK: usize = 64 << 10;

/// Copies what is left of a text; tells how long it is, and its last byte.
fn copy(text: &mut dyn Read, buffer: &mut Vec<u8>, out: &mut dyn Write) -> Result<(u64, Option<u8>), NotJoined> {
    buffer.resize(CHUNK, 0);
    let (mut length, mut last) = (0, None);
    loop {
        match text.read(buffer) {
            Ok(0) => return Ok((length, last)),
            Ok(count) => {
                out.write_all(&buffer[..count]).map_err(NotJoined::Write)?;
                (length, last) = (length + count as u64, buffer[..count].last().copied());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(NotJoined::Read(error)),
        }
    }
}

/// Fills as much of a buffer as there is.
fn fill(text: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, NotJoined> {
    let mut filled = 0;
    while filled < buffer.len() {
        match text.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(NotJoined::Read(error)),
        }
    }
    Ok(filled)
}
