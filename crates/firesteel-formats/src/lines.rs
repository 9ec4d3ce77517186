//! Records that are lines.

use std::ops::Range;
use std::sync::Arc;

use firesteel_connect::{Decode, Encode, Undecodable, Unencodable};
use memchr::memchr;

use crate::by_path::{ByPath, LooksAtPath, OnBoth};
use crate::format::{BadFormat, Format, Found, Reading, WriteFormat, Writing};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;

/// A file whose lines are records, each made by a decoder. Lines end with `\n` or `\r\n`.
///
/// ```
/// use firesteel_connect::Decoding;
/// use firesteel_formats::{Format, Found, Lines, Reading};
///
/// let lengths = Lines::of(Decoding::new(|line: &[u8]| Ok::<_, &str>(line.len())));
/// let mut reading = lengths.begin();
/// assert_eq!(reading.find(b"one\r\ntwo", false), Found::Record { record: 0..3, after: 5 });
/// assert_eq!(reading.decode(b"one"), Ok(3));
/// ```
#[derive(Debug, Clone)]
pub struct Lines<D> {
    decode: D,
    name: &'static str,
    blank: Blank,
    /// Looks at the settings of the decoder, where it has some.
    check: Option<fn(&D) -> Result<(), BadFormat>>,
    /// How the decoder looks at the path of a file, where it can.
    by_path: Option<LooksAtPath<D>>,
    /// The file whose records they are, where the decoder does.
    file: Option<Arc<FileOrigin>>,
}

/// What a line is that has nothing in it but spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blank {
    Record,
    Nothing,
}

impl<D: Decode> Lines<D> {
    /// All lines, also empty ones.
    #[must_use]
    pub fn of(decode: D) -> Self {
        Self { decode, name: "text", blank: Blank::Record, check: None, by_path: None, file: None }
    }

    /// Those lines in which there is something. `name` is the format's, for messages.
    pub(crate) fn written(decode: D, name: &'static str) -> Self {
        Self { decode, name, blank: Blank::Nothing, check: None, by_path: None, file: None }
    }

    /// The same, of which the decoder is looked at before anything is read.
    #[cfg(feature = "pattern")]
    pub(crate) fn checked(self, check: fn(&D) -> Result<(), BadFormat>) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The same, whose decoder is told of paths if it wants to be.
    pub(crate) fn by_path(self) -> Self
    where
        D: ByPath,
    {
        Self { by_path: Some(LooksAtPath::new()), ..self }
    }

    /// What makes the records.
    #[must_use]
    pub fn decoder(&self) -> &D {
        &self.decode
    }

    /// The same with another way to make records.
    #[must_use]
    pub fn with<E: Decode>(self, change: impl FnOnce(D) -> E) -> Lines<E> {
        Lines {
            decode: change(self.decode),
            name: self.name,
            blank: self.blank,
            check: None,
            by_path: None,
            file: None,
        }
    }
}

impl<D: Decode> Format for Lines<D> {
    type Item = D::Item;
    type Reading = ReadingLines<D>;

    fn name(&self) -> &'static str {
        self.name
    }

    fn begin(&self) -> ReadingLines<D> {
        ReadingLines { lines: ByLine::new(self.blank), decode: self.decode.clone(), file: self.file.clone() }
    }

    fn ends_at_newlines(&self) -> bool {
        true
    }

    fn looks_at_files(&self) -> bool {
        self.by_path.as_ref().is_some_and(|by_path| by_path.is_told(&self.decode))
    }

    fn of_file(&self, file: &Arc<FileOrigin>) -> Result<Self, Mismatch> {
        let mut lines = self.clone();
        if let Some(by_path) = &self.by_path {
            (lines.decode, lines.file) = (by_path.of_path(&self.decode, file)?, Some(Arc::clone(file)));
        }
        Ok(lines)
    }

    fn check(&self) -> Result<(), BadFormat> {
        self.check.map_or(Ok(()), |check| check(&self.decode))
    }
}

impl<D: Decode + ByPath> ByPath for Lines<D> {
    fn with_path_columns(self, both: OnBoth) -> Self {
        Self { decode: self.decode.with_path_columns(both), ..self }.by_path()
    }

    fn takes_path_columns(&self) -> bool {
        self.decode.takes_path_columns()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        Ok(Self { decode: self.decode.of_path(file)?, ..self.clone() })
    }
}

/// Reads lines.
#[derive(Debug)]
pub struct ReadingLines<D> {
    lines: ByLine,
    decode: D,
    /// The file that the decoder is for, where it looks at its path.
    file: Option<Arc<FileOrigin>>,
}

impl<D: Decode> Reading for ReadingLines<D> {
    type Item = D::Item;

    #[inline]
    fn find_quickly(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        self.lines.find_quickly(bytes)
    }

    #[inline]
    fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        self.lines.find(bytes, ended)
    }

    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.file.as_ref().is_none_or(|known| known.columns().eq(file.columns()))
    }

    fn pass(&mut self) -> usize {
        self.lines.pass()
    }

    #[inline]
    fn decode(&mut self, record: &[u8]) -> Result<D::Item, Undecodable> {
        self.decode.decode(record)
    }

    fn too_long(&self, longest: usize) -> String {
        format!("a line of more than {longest} bytes; allow longer lines")
    }
}

/// Finds lines.
#[derive(Debug)]
pub(crate) struct ByLine {
    blank: Blank,
    /// How many bytes of the line have been looked at.
    seen: usize,
}

impl ByLine {
    pub(crate) fn new(blank: Blank) -> Self {
        Self { blank, seen: 0 }
    }

    #[inline]
    pub(crate) fn find_quickly(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        let newline = memchr(b'\n', bytes)?;
        let end = without_return(bytes, newline).end;
        if self.seen > 0 || self.blank == Blank::Nothing && is_blank(&bytes[..end]) {
            return None;
        }
        Some((end, newline + 1))
    }

    #[inline]
    pub(crate) fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        match memchr(b'\n', &bytes[self.seen..]) {
            Some(at) => {
                let end = self.seen + at;
                self.seen = 0;
                let line = without_return(bytes, end);
                if self.blank == Blank::Nothing && is_blank(&bytes[line.clone()]) {
                    return Found::Skip(end + 1);
                }
                Found::Record { record: line, after: end + 1 }
            }
            None => self.unfinished(bytes, ended),
        }
    }

    #[cold]
    fn unfinished(&mut self, bytes: &[u8], ended: bool) -> Found {
        self.seen = 0;
        if !ended {
            self.seen = bytes.len();
            // A carriage return at the end may belong to the line's end.
            return Found::More(bytes.len() - usize::from(bytes.ends_with(b"\r")));
        }
        if self.blank == Blank::Nothing && is_blank(bytes) {
            return Found::Skip(bytes.len());
        }
        Found::Record { record: 0..bytes.len(), after: bytes.len() }
    }

    pub(crate) fn pass(&mut self) -> usize {
        std::mem::take(&mut self.seen)
    }
}

/// The line that ends with the newline at `end`.
#[inline]
fn without_return(bytes: &[u8], end: usize) -> Range<usize> {
    0..if end > 0 && bytes[end - 1] == b'\r' { end - 1 } else { end }
}

#[inline]
fn is_blank(line: &[u8]) -> bool {
    match line.first() {
        None => true,
        Some(first) => first.is_ascii_whitespace() && line.trim_ascii().is_empty(),
    }
}

/// Writes each record as a line; the newline is added.
#[derive(Debug, Clone)]
pub struct WriteLines<E> {
    encode: E,
    extension: &'static str,
    name: &'static str,
}

impl<E> WriteLines<E> {
    /// Lines of text, in files whose names end with `txt`.
    #[must_use]
    pub fn of(encode: E) -> Self {
        Self { encode, extension: "txt", name: "text" }
    }

    pub(crate) fn named(encode: E, extension: &'static str, name: &'static str) -> Self {
        Self { encode, extension, name }
    }
}

impl<T, E: Encode<T>> WriteFormat<T> for WriteLines<E> {
    type Writing = WritingLines<E>;

    fn may_be_joined(&self) -> bool {
        true
    }

    fn extension(&self) -> &'static str {
        self.extension
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn begin(&self) -> WritingLines<E> {
        WritingLines(self.encode.clone())
    }
}

/// Writes lines.
#[derive(Debug)]
pub struct WritingLines<E>(E);

impl<T, E: Encode<T>> Writing<T> for WritingLines<E> {
    #[inline]
    fn write(&mut self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        self.0.encode(record, out)?;
        out.push(b'\n');
        Ok(())
    }
}
