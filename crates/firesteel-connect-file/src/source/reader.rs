//! The reader of a range of one file.

mod rest;
mod table;

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

use firesteel_connect::{ConnectError, Payload, ReadRange, Result, SourceReader, Undecodable};
use firesteel_formats::{FileOrigin, Format, Reading};
use firesteel_frames::{Compression, Next};

use super::catalog;
use super::entry::{Broken, End, FileEntry};
use super::identity::Stamp;
use super::input::{self, FileFrames};
use super::line_count::LineCount;
use super::merged::Shift;
use super::policy::Borders;
use super::rows::OpenTable;
use crate::path;
pub(super) use rest::{Rest, Spares};

/// Read at once, of the text.
const BUFFER: u64 = 256 << 10;
/// The smallest buffer, for small ranges.
const SMALL_BUFFER: u64 = 8 << 10;

/// Reads the records of a range of one file.
///
/// After a [`ConnectError::Malformed`] it stands after the record at fault, as all readers do.
pub struct FileReader<P: Reading> {
    file: FileEntry,
    /// Where it is a part of another file, which `file` and all positions are of then.
    shift: Option<Shift>,
    /// `None` when there is nothing more to read.
    frames: Option<FileFrames<P>>,
    /// The rows of a file that is a table.
    table: Option<OpenTable<P::Item>>,
    /// What the reader of what comes next begins with.
    rest: Option<Rest<P>>,
    spares: Arc<Spares<P>>,
    longest: usize,
    /// Whether the range starts inside a line, or may do so: that line belongs to the range before.
    inside_line: bool,
    /// Whether a record ends at every newline.
    by_lines: bool,
    /// Whether the file is text, so that lines in it have numbers.
    is_text: bool,
    /// The position to stop before.
    stop: u64,
    records_left: u64,
    bytes_left: u64,
    position: u64,
    last: u64,
    /// What is known of the lines of the file, for messages.
    counted: Option<Box<LineCount>>,
}

impl<P: Reading> FileReader<P> {
    pub(super) fn open<F: Format<Reading = P, Item = P::Item>>(
        file: FileEntry,
        range: &ReadRange,
        longest: usize,
        format: &F,
        rest: Option<Rest<P>>,
        spares: &Arc<Spares<P>>,
    ) -> Result<Self> {
        if let Some(available) = file.available() {
            let beyond = [Some(range.from), range.to].into_iter().flatten().find(|position| *position > available);
            if let Some(position) = beyond {
                return Err(file.lost(position, ends_at(available)));
            }
        }
        let through = file.through(range);
        let origin = format.looks_at_files().then(|| {
            let origin = file.origin();
            Arc::new(through.iter().fold(origin, |origin, (_, _, shift)| shift.told_in(origin)))
        });
        let (file, range, shift) = match through {
            Some((merged, there, shift)) => (merged, &there.clone(), Some(shift)),
            None => (file, range, None),
        };
        let by_lines = format.ends_at_newlines();
        let of = shift.as_ref().map(|shift| &*shift.path);
        let mut rest = rest.filter(|rest| rest.is_of_use(range.from, of));
        let of_file;
        let format = if let Some(origin) = &origin {
            rest = rest.and_then(|rest| rest.moved(origin));
            of_file = format.of_file(origin).map_err(|mismatch| file.mismatch(mismatch))?;
            &of_file
        } else {
            format
        };
        let mut reader = Self {
            frames: None,
            table: None,
            rest,
            spares: Arc::clone(spares),
            longest,
            inside_line: by_lines && file.was_plain && range.from > 0,
            by_lines,
            is_text: format.is_text(),
            stop: range.to.unwrap_or(u64::MAX),
            records_left: range.max_records.unwrap_or(u64::MAX),
            bytes_left: range.max_bytes.unwrap_or(u64::MAX).max(1),
            position: range.from,
            last: range.from,
            counted: None,
            file,
            shift,
        };
        if range.from < reader.stop && Some(range.from) != reader.file.available() {
            if reader.file.borders == Borders::Rows {
                return reader.open_table(format);
            }
            let compression = reader.file.compression.unwrap_or(Compression::Plain);
            reader.frames = if reader.file.is_plain() {
                reader.plain(format)?
            } else {
                Some(reader.compressed(compression, format, origin.as_ref())?)
            };
            if reader.frames.is_none() {
                reader.file.end.get_or_init(|| End { at: range.from, broken: None });
            }
        }
        Ok(reader)
    }

    /// Of a plain file. `None` while it has only a part of what the format wants to see first.
    fn plain<F: Format<Reading = P>>(&mut self, format: &F) -> Result<Option<FileFrames<P>>> {
        let end = self.file.announced;
        // One byte before tells whether a line begins here.
        let mut begin = self.position.saturating_sub(u64::from(self.by_lines));
        let mut reading = format.begin();
        if format.has_head() && self.position > 0 {
            let mut head = self.stretch(reading, 0, end, SMALL_BUFFER)?;
            if !self.head(&mut head)? {
                return Ok(None);
            }
            if head.position() > begin {
                (begin, self.inside_line) = (head.position().min(end), false);
            }
            reading = head.into_reading();
        }
        let wanted = self.stop.min(end).saturating_sub(begin);
        let capacity = wanted.min(self.bytes_left).clamp(SMALL_BUFFER, BUFFER);
        let mut frames = self.stretch(reading, begin, end, capacity)?;
        let is_whole = !format.has_head() || self.position > 0 || self.head(&mut frames)?;
        Ok(is_whole.then_some(frames))
    }

    /// What stands in `[begin, end)` of a plain file.
    fn stretch(&self, reading: P, begin: u64, end: u64, capacity: u64) -> Result<FileFrames<P>> {
        let input = input::plain(self.open_file(end)?, begin, end).map_err(path::failed("read", &self.file.path))?;
        Ok(FileFrames::new(input, reading, begin, capacity as usize).growing(self.file.by_reading))
    }

    /// Reads what the file begins with. Tells whether it is all there.
    fn head(&self, frames: &mut FileFrames<P>) -> Result<bool> {
        match frames.head(self.longest).map_err(|error| self.broken(frames.position(), error))? {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(mismatch)) => Err(self.file.mismatch(mismatch)),
        }
    }

    fn compressed<F: Format<Reading = P>>(
        &mut self,
        compression: Compression,
        format: &F,
        origin: Option<&Arc<FileOrigin>>,
    ) -> Result<FileFrames<P>> {
        let spare = || {
            let frames = self.spares.take(&self.shift.as_ref()?.path, self.position)?;
            let rest = Rest::Frames { frames, of: None };
            match origin {
                Some(origin) => rest.moved(origin),
                None => Some(rest),
            }
        };
        let mut frames = match self.rest.take().or_else(spare) {
            Some(Rest::Frames { frames, .. }) => frames,
            _ => {
                let file = self.open_file(self.file.stamp.size)?;
                let mut frames = FileFrames::new(
                    self.file.unpacked(file, compression).unpacked_by(format),
                    format.begin(),
                    0,
                    BUFFER as usize,
                );
                if self.file.is_decoded() {
                    frames = frames.growing(self.file.may_grow);
                }
                if format.has_head() {
                    self.head(&mut frames)?;
                }
                frames
            }
        };
        if format.is_packed() {
            while frames.position() < self.position {
                if frames.next(self.longest).map_err(|error| self.broken(frames.position(), error))? == Next::End {
                    return Err(self.file.lost(self.position, ends_at(frames.position())));
                }
            }
        }
        // What was a plain file may have been cut into ranges anywhere.
        let target = self.position - u64::from(self.inside_line);
        self.inside_line &= frames.position() < self.position;
        if frames.position() < target {
            let was_plain = self.inside_line;
            let mut skip = || Ok((frames.skip_to(target)?, was_plain || frames.is_dry()?));
            match skip().map_err(|error| self.broken(frames.position(), error))? {
                (None, _) => return Err(self.file.lost(self.position, ends_at(frames.position()))),
                (Some(b'\n'), _) | (_, true) => {}
                (Some(_), false) if !self.by_lines => {}
                (Some(_), false) => {
                    let reason =
                        "no line begins there: it is another file than before; start without the old positions";
                    return Err(self.file.lost(self.position, reason));
                }
            }
        }
        Ok(frames)
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

    /// The next record, as a stretch of the buffer.
    #[inline]
    fn advance(&mut self) -> Result<Option<Range<usize>>> {
        if self.inside_line {
            self.leave_line()?;
        }
        loop {
            let Some(frames) = &mut self.frames else { return Ok(None) };
            let at = frames.position();
            if at >= self.stop || self.records_left == 0 || self.bytes_left == 0 {
                return self.finish().map(|()| None);
            }
            let found = frames.next(self.longest);
            let after = frames.position();
            match found {
                Ok(Next::Record(record)) => {
                    self.count(at, after);
                    return Ok(Some(if at == 0 { self.without_mark(record) } else { record }));
                }
                Ok(Next::Skipped) => self.position = after,
                Ok(Next::End) => return self.end().map(|()| None),
                Ok(other) => {
                    self.count(at, after);
                    return Err(self.unreadable(other, after - at));
                }
                Err(error) => {
                    self.frames = None;
                    if !self.file.is_plain() && self.file.is_patient && self.stop == u64::MAX {
                        self.break_off(&error);
                        return Ok(None);
                    }
                    return Err(self.broken(after, error));
                }
            }
        }
    }

    /// Ends where a compressed file cannot be read further, after the last record that could be.
    #[cold]
    fn break_off(&mut self, error: &io::Error) {
        let is_cut = error.kind() == ErrorKind::UnexpectedEof;
        let reason = self.broken(self.position, io::Error::new(error.kind(), error.to_string())).to_string();
        let broken = Some(Broken { is_cut, reason: reason.into() });
        self.file.end.get_or_init(|| End { at: self.position, broken });
        self.reach(self.position);
    }

    /// The first record of a file without the mark that says how its text is encoded.
    #[cold]
    fn without_mark(&self, record: Range<usize>) -> Range<usize> {
        let bytes = self.frames.as_ref().map_or(&[][..], |frames| frames.bytes(record.clone()));
        let is_marked = self.file.borders != Borders::Packed && bytes.starts_with("\u{feff}".as_bytes());
        if is_marked { record.start + 3..record.end } else { record }
    }

    /// The error of a record of this many bytes that cannot be held, or cannot be found.
    #[cold]
    fn unreadable(&mut self, next: Next, bytes: u64) -> ConnectError {
        let longest = self.longest;
        let told = |frames: &FileFrames<P>| match next {
            Next::Broken(record, reason) => (reason, Payload::beginning(frames.bytes(record), bytes)),
            _ => (frames.reading().too_long(longest), Payload::beginning(frames.too_long(), bytes)),
        };
        let (reason, payload) = self.frames.as_ref().map_or_else(|| (String::new(), Payload::of(&[])), told);
        self.malformed(&Undecodable::new(reason), payload, self.last)
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
        if let Some(frames) = &mut self.frames {
            let skipped = frames.skip_past_newline(self.stop);
            let position = frames.position();
            skipped.map_err(|error| self.broken(position, error))?;
        }
        Ok(())
    }

    /// Ends at the range's end or at a limit.
    fn finish(&mut self) -> Result<()> {
        let Some(mut frames) = self.frames.take() else { return Ok(()) };
        if frames.position() >= self.stop {
            self.position = self.position.max(self.stop);
        }
        self.reach(self.position);
        self.check_end(&mut frames)?;
        self.keep(frames);
        Ok(())
    }

    /// Makes sure that the file may end where it does, if it does here.
    fn check_end(&self, frames: &mut FileFrames<P>) -> Result<()> {
        let position = frames.position();
        if self.file.available().is_none_or(|end| position < end) {
            return Ok(());
        }
        let path = || self.file.path.to_path_buf();
        frames.check_end().map_err(|reason| ConnectError::Damaged { path: path(), position, reason })
    }

    /// Ends at the end of the data.
    #[cold]
    fn end(&mut self) -> Result<()> {
        let Some(mut frames) = self.frames.take() else { return Ok(()) };
        let (end, due) = (frames.position(), if self.file.by_reading { 0 } else { self.file.announced });
        if self.file.by_reading {
            // Whoever finds the end first notes it; the others find the same.
            self.file.end.get_or_init(|| End { at: end, broken: None });
        }
        // Of a file in which only the end of the range was reached, the end is not known.
        if end >= self.file.available().unwrap_or(u64::MAX)
            && let Err(reason) = frames.check_end()
        {
            return Err(ConnectError::Damaged { path: self.file.path.to_path_buf(), position: end, reason });
        }
        self.check_end(&mut frames)?;
        let asked = if self.stop == u64::MAX { 0 } else { self.stop };
        if end < due.max(asked) {
            return Err(self.file.lost(due.max(asked), ends_at(end)));
        }
        self.position = end;
        self.reach(end);
        Ok(())
    }

    #[inline]
    fn record(&mut self, record: Range<usize>) -> Result<Option<P::Item>> {
        let Some(frames) = &mut self.frames else { return Ok(None) };
        match frames.decode(record.clone()) {
            Ok(item) => Ok(Some(item)),
            Err(undecodable) => {
                if let Some(outage) = undecodable.outage() {
                    return Err(outage);
                }
                let (payload, begin) = (Payload::of(frames.bytes(record.clone())), frames.begins_at(&record));
                Err(self.malformed(&undecodable, payload, begin))
            }
        }
    }

    /// The error of the last record, whose own bytes begin at this position.
    #[cold]
    fn malformed(&mut self, undecodable: &Undecodable, payload: Payload, begin: u64) -> ConnectError {
        // In a merged file lines would be counted from another beginning.
        let has_lines = self.is_text && self.shift.is_none();
        let known = self.frames.as_ref().and_then(FileFrames::line).filter(|_| has_lines);
        let count = || has_lines.then(|| LineCount::of(&mut self.counted, &self.file, begin)).flatten();
        let line = known.or_else(count);
        ConnectError::Malformed {
            place: self.file.place(),
            position: self.own(self.last),
            line,
            reason: undecodable.reason().to_owned(),
            payload: Some(Box::new(payload)),
        }
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

impl<P: Reading> SourceReader for FileReader<P> {
    type Item = P::Item;

    #[inline]
    fn next_record(&mut self) -> Result<Option<P::Item>> {
        match self.advance()? {
            Some(record) => self.record(record),
            None => self.next_row(),
        }
    }

    fn position(&self) -> u64 {
        self.own(self.position)
    }

    fn last_position(&self) -> u64 {
        self.own(self.last)
    }

    fn is_reusable(&self) -> bool {
        self.rest.is_some()
    }

    fn at_end(&self) -> bool {
        if let Some(shift) = &self.shift {
            return shift.is_at_end(self.position);
        }
        self.file.available().is_some_and(|available| self.position >= available)
    }
}

impl<P: Reading> fmt::Debug for FileReader<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader")
            .field("file", &self.file.path)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
