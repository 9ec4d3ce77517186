//! The reader of a range of one file.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::atomic::Ordering;

use firesteel_connect::{ConnectError, Payload, ReadRange, Result, SourceReader};

use super::LineSettings;
use super::catalog;
use super::compression::{Compression, Input};
use super::decode::Decode;
use super::entry::{Broken, End, FileEntry};
use super::identity::Stamp;
use super::lines::{Found, Lines};
use crate::path;

/// Read at once, of the text.
const BUFFER: u64 = 256 << 10;
/// The smallest buffer, for small ranges.
const SMALL_BUFFER: u64 = 8 << 10;

/// Reads lines of a range of one file.
///
/// After a [`ConnectError::Malformed`] it stands after the line at fault, as all readers do.
pub struct TextFileReader<D> {
    file: FileEntry,
    /// `None` when there is nothing more to read.
    lines: Option<Lines>,
    /// The decoder of a compressed file, after the end of the range: it can only be read from its start, so the reader of what
    /// comes next begins with this one.
    rest: Option<Lines>,
    settings: LineSettings,
    decode: D,
    /// Whether the range starts inside a line, or may do so: that line belongs to the range before.
    inside_line: bool,
    /// The position to stop before.
    stop: u64,
    records_left: u64,
    bytes_left: u64,
    position: u64,
    last: u64,
}

impl<D: Decode> TextFileReader<D> {
    pub(super) fn open(
        file: FileEntry,
        range: &ReadRange,
        settings: LineSettings,
        decode: D,
        rest: Option<Lines>,
    ) -> Result<Self> {
        let mut reader = Self {
            lines: None,
            rest: rest.filter(|lines| lines.position() <= range.from),
            settings,
            decode,
            inside_line: file.was_plain && range.from > 0,
            stop: range.to.unwrap_or(u64::MAX),
            records_left: range.max_records.unwrap_or(u64::MAX),
            bytes_left: range.max_bytes.unwrap_or(u64::MAX).max(1),
            position: range.from,
            last: range.from,
            file,
        };
        if let Some(available) = reader.file.available() {
            let beyond = [Some(range.from), range.to].into_iter().flatten().find(|position| *position > available);
            if let Some(position) = beyond {
                return Err(reader.file.lost(position, ends_at(available)));
            }
        }
        if range.from < reader.stop && Some(range.from) != reader.file.available() {
            reader.lines = Some(match reader.file.compression {
                Some(compression) if compression != Compression::Plain => reader.compressed(compression)?,
                _ => reader.plain()?,
            });
        }
        Ok(reader)
    }

    fn plain(&self) -> Result<Lines> {
        let end = self.file.announced;
        // One byte before tells whether a line begins here.
        let begin = self.position.saturating_sub(1);
        let wanted = self.stop.min(end) - begin;
        let input = Input::plain(self.open_file(end)?, begin, end).map_err(path::failed("read", &self.file.path))?;
        let capacity = wanted.min(self.bytes_left).clamp(SMALL_BUFFER, BUFFER);
        Ok(Lines::new(input, begin, capacity as usize))
    }

    fn compressed(&mut self, compression: Compression) -> Result<Lines> {
        let mut lines = match self.rest.take() {
            Some(lines) => lines,
            None => {
                let file = self.open_file(self.file.stamp.size)?;
                Lines::new(Input::compressed(file, compression), 0, BUFFER as usize)
            }
        };
        // What was a plain file may have been cut into ranges anywhere.
        let target = self.position - u64::from(self.inside_line);
        self.inside_line &= lines.position() < self.position;
        if lines.position() < target {
            let was_plain = self.inside_line;
            let mut skip = || Ok((lines.skip_to(target)?, was_plain || lines.is_dry()?));
            match skip().map_err(|error| self.broken(lines.position(), error))? {
                (None, _) => return Err(self.file.lost(self.position, ends_at(lines.position()))),
                (Some(b'\n'), _) | (_, true) => {}
                (Some(_), false) => {
                    let reason =
                        "no line begins there: it is another file than before; start without the old positions";
                    return Err(self.file.lost(self.position, reason));
                }
            }
        }
        Ok(lines)
    }

    /// Opens the file and makes sure that it is the one that was found, with this many bytes at least.
    fn open_file(&self, bytes: u64) -> Result<File> {
        let file = match File::open(&self.file.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(catalog::vanished(&self.file, self.position));
            }
            Err(error) => return Err(path::failed("open", &self.file.path)(error)),
        };
        let metadata = file.metadata().map_err(path::failed("read", &self.file.path))?;
        if !Stamp::of(&metadata).is_same_file(&self.file.stamp) {
            let reason = "another file has taken its name; put the old one back, or start without the old positions";
            return Err(self.file.lost(self.position, reason));
        }
        if metadata.len() < bytes {
            let reason = format!("the file was cut to {} bytes; start without the old positions", metadata.len());
            return Err(self.file.lost(self.position, reason));
        }
        Ok(file)
    }

    /// The next line, as a stretch of the buffer.
    #[inline]
    fn advance(&mut self) -> Result<Option<Range<usize>>> {
        if self.inside_line {
            self.leave_line()?;
        }
        let Some(lines) = &mut self.lines else { return Ok(None) };
        let at = lines.position();
        if at >= self.stop || self.records_left == 0 || self.bytes_left == 0 {
            self.finish();
            return Ok(None);
        }
        let found = lines.next(self.settings.longest);
        let after = lines.position();
        match found {
            Ok(Found::Line(line)) => {
                self.count(at, after);
                Ok(Some(if at == 0 { self.without_mark(line) } else { line }))
            }
            Ok(Found::TooLong) => {
                self.count(at, after);
                let longest = self.settings.longest;
                let payload = Payload::beginning(self.lines.as_ref().map_or(&[], Lines::too_long), after - at);
                Err(self.malformed(at, format!("a line of more than {longest} bytes; allow longer lines"), payload))
            }
            Ok(Found::End) => self.end().map(|()| None),
            Err(error) => {
                self.lines = None;
                if !self.file.is_plain() && self.file.is_patient && self.stop == u64::MAX {
                    self.break_off(&error);
                    return Ok(None);
                }
                Err(self.broken(after, error))
            }
        }
    }

    /// Ends where a compressed file cannot be read further, after the last line that could be.
    #[cold]
    fn break_off(&mut self, error: &io::Error) {
        let is_cut = error.kind() == ErrorKind::UnexpectedEof;
        let reason = self.broken(self.position, io::Error::new(error.kind(), error.to_string())).to_string();
        let broken = Some(Broken { is_cut, reason: reason.into() });
        self.file.end.get_or_init(|| End { at: self.position, broken });
        self.file.reached.fetch_max(self.position, Ordering::Relaxed);
    }

    /// The first line of a file without the mark that says how it is encoded.
    #[cold]
    fn without_mark(&self, line: Range<usize>) -> Range<usize> {
        let bytes = self.lines.as_ref().map_or(&[][..], |lines| lines.bytes(line.clone()));
        if bytes.starts_with("\u{feff}".as_bytes()) { line.start + 3..line.end } else { line }
    }

    #[inline]
    fn count(&mut self, at: u64, after: u64) {
        self.last = at;
        self.position = after;
        self.records_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(after - at);
    }

    /// Skips the rest of the line that the range starts in.
    #[cold]
    fn leave_line(&mut self) -> Result<()> {
        self.inside_line = false;
        if let Some(lines) = &mut self.lines {
            let skipped = lines.skip_past_newline(self.stop);
            let position = lines.position();
            skipped.map_err(|error| self.broken(position, error))?;
        }
        Ok(())
    }

    /// Ends at the range's end or at a limit.
    fn finish(&mut self) {
        let Some(lines) = self.lines.take() else { return };
        if lines.position() >= self.stop {
            self.position = self.position.max(self.stop);
        }
        self.file.reached.fetch_max(self.position, Ordering::Relaxed);
        self.keep(lines);
    }

    /// Ends at the end of the data.
    #[cold]
    fn end(&mut self) -> Result<()> {
        let Some(lines) = self.lines.take() else { return Ok(()) };
        let (end, due) = (lines.position(), if self.file.is_plain() { self.file.announced } else { 0 });
        if !self.file.is_plain() {
            // Whoever finds the end first notes it; the others find the same.
            self.file.end.get_or_init(|| End { at: end, broken: None });
        }
        let asked = if self.stop == u64::MAX { 0 } else { self.stop };
        if end < due.max(asked) {
            return Err(self.file.lost(due.max(asked), ends_at(end)));
        }
        self.position = end;
        self.file.reached.fetch_max(end, Ordering::Relaxed);
        Ok(())
    }

    fn record(&self, line: Range<usize>) -> Result<D::Item> {
        let bytes = self.lines.as_ref().map_or(&[][..], |lines| lines.bytes(line));
        let decoded = self.decode.decode(bytes, self.settings.invalid_utf8);
        decoded.map_err(|reason| self.malformed(self.last, reason, Payload::of(bytes)))
    }

    #[cold]
    fn malformed(&self, position: u64, reason: String, payload: Payload) -> ConnectError {
        let place = self.file.place();
        ConnectError::Malformed { place, position, reason, payload: Some(Box::new(payload)) }
    }

    /// The error of a file that cannot be read or decompressed further.
    fn broken(&self, position: u64, error: io::Error) -> ConnectError {
        if self.file.is_plain() {
            return path::failed("read", &self.file.path)(error);
        }
        let advice = if error.kind() == ErrorKind::UnexpectedEof {
            "it ends in the middle: was it complete when it was put here?"
        } else {
            "restore it from its origin"
        };
        let text = format!("{error}, after {position} bytes of text; {advice}");
        path::failed("decompress", &self.file.path)(io::Error::new(error.kind(), text))
    }
}

fn ends_at(end: u64) -> String {
    format!("it ends at {end}; was the file replaced? Start without the old positions")
}

impl<D> TextFileReader<D> {
    /// Keeps the decoder of a compressed file for the next reader.
    fn keep(&mut self, lines: Lines) {
        if lines.input().compression() != Compression::Plain {
            self.rest = Some(lines);
        }
    }

    /// What the reader of the next range begins with.
    pub(super) fn into_rest(self) -> Option<Lines> {
        self.rest
    }
}

impl<D: Decode> SourceReader for TextFileReader<D> {
    type Item = D::Item;

    #[inline]
    fn next_record(&mut self) -> Result<Option<D::Item>> {
        match self.advance()? {
            Some(line) => self.record(line).map(Some),
            None => Ok(None),
        }
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn last_position(&self) -> u64 {
        self.last
    }

    fn is_reusable(&self) -> bool {
        self.rest.is_some()
    }

    fn at_end(&self) -> bool {
        self.file.available().is_some_and(|available| self.position >= available)
    }
}

impl<D> fmt::Debug for TextFileReader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextFileReader")
            .field("file", &self.file.path)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
