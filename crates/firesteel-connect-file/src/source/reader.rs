//! The reader of a range of one file.

mod damage;
mod rest;
mod table;

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{ConnectError, Payload, ReadRange, Result, SourceReader};
use firesteel_formats::{FileOrigin, Format, Reading};
use firesteel_frames::{Compression, Fault, Next, RangeFrames, RangeRows};
use firesteel_results::Shift;

use super::catalog;
use super::entry::{Broken, End, FileEntry};
use super::identity::Stamp;
use super::input::{self, FileFrames, Input};
use super::line_count::LineCount;
use super::policy::Borders;
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
    shift: Option<Shift<Arc<Path>>>,
    range: RangeFrames<P, Input>,
    /// The rows of a file that is a table.
    rows: Option<RangeRows<P::Item>>,
    /// What the reader of what comes next begins with.
    rest: Option<Rest<P>>,
    spares: Arc<Spares<P>>,
    longest: usize,
    /// Whether a record ends at every newline.
    by_lines: bool,
    /// Whether the file is text, so that lines in it have numbers.
    is_text: bool,
    /// The position to stop before.
    stop: u64,
    /// Whether what is damaged is passed over, where it is known what comes after it.
    bears_damage: bool,
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
        let bears_damage = file.is_patient;
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
        let of = shift.as_ref().map(|shift| &*shift.merged);
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
            range: RangeFrames::nothing(range),
            rows: None,
            rest,
            spares: Arc::clone(spares),
            longest,
            by_lines,
            is_text: format.is_text(),
            stop: range.to.unwrap_or(u64::MAX),
            counted: None,
            bears_damage,
            file,
            shift,
        };
        if range.from >= reader.stop || Some(range.from) == reader.file.available() {
            return Ok(reader);
        }
        if reader.file.borders == Borders::Rows {
            return reader.open_table(format, range);
        }
        let compression = reader.file.compression.unwrap_or(Compression::Plain);
        let opened = if reader.file.is_plain() {
            reader.plain(format, range)
        } else {
            reader.compressed(compression, format, range.from, origin.as_ref()).map(Some)
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return reader.bear(error).map(|()| reader),
        };
        match opened {
            Some((frames, inside_line)) => {
                let frames = RangeFrames::new(frames, range, longest, inside_line);
                let is_unpacked = reader.file.borders == Borders::Packed;
                reader.range = if is_unpacked { frames.of_unpacked() } else { frames };
            }
            None => _ = reader.file.end.get_or_init(|| End { at: range.from, broken: None }),
        }
        Ok(reader)
    }

    /// Whether the file has been found to be what the program expects.
    pub(super) fn is_compared(&self) -> bool {
        self.rows.is_some() || self.range.has_more()
    }

    /// Whether a range that begins here begins inside a line, or may do so: that line belongs to the range before.
    fn may_begin_inside_line(&self, from: u64) -> bool {
        self.by_lines && self.file.was_plain && from > 0
    }

    /// Of a plain file, with whether it stands inside a line. `None` while it has only a part of what the format wants to see first.
    fn plain<F: Format<Reading = P>>(
        &mut self,
        format: &F,
        range: &ReadRange,
    ) -> Result<Option<(FileFrames<P>, bool)>> {
        let (end, from) = (self.file.announced, range.from);
        let mut inside_line = self.may_begin_inside_line(from);
        // One byte before tells whether a line begins here.
        let mut begin = from.saturating_sub(u64::from(self.by_lines));
        let mut reading = format.begin();
        if format.has_head() && from > 0 {
            let mut head = self.stretch(reading, 0, end, SMALL_BUFFER)?;
            if !self.head(&mut head)? {
                return Ok(None);
            }
            if head.position() > begin {
                (begin, inside_line) = (head.position().min(end), false);
            }
            reading = head.into_reading();
        }
        let wanted = self.stop.min(end).saturating_sub(begin);
        let capacity = wanted.min(range.max_bytes.unwrap_or(BUFFER)).clamp(SMALL_BUFFER, BUFFER);
        let mut frames = self.stretch(reading, begin, end, capacity)?;
        let is_whole = !format.has_head() || from > 0 || self.head(&mut frames)?;
        Ok(is_whole.then_some((frames, inside_line)))
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

    /// Of a compressed file, with whether it stands inside a line.
    fn compressed<F: Format<Reading = P>>(
        &mut self,
        compression: Compression,
        format: &F,
        from: u64,
        origin: Option<&Arc<FileOrigin>>,
    ) -> Result<(FileFrames<P>, bool)> {
        let mut inside_line = self.may_begin_inside_line(from);
        let spare = || {
            let frames = self.spares.take(&self.shift.as_ref()?.merged, from)?;
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
            while frames.position() < from {
                if frames.next(self.longest).map_err(|error| self.broken(frames.position(), error))? == Next::End {
                    return Err(self.file.lost(from, ends_at(frames.position())));
                }
            }
        }
        // What was a plain file may have been cut into ranges anywhere.
        let target = from - u64::from(inside_line);
        inside_line &= frames.position() < from;
        if frames.position() < target {
            let was_plain = inside_line;
            let mut skip = || Ok((frames.skip_to(target)?, was_plain || frames.is_dry()?));
            match skip().map_err(|error| self.broken(frames.position(), error))? {
                (None, _) => return Err(self.file.lost(from, ends_at(frames.position()))),
                (Some(b'\n'), _) | (_, true) => {}
                (Some(_), false) if !self.by_lines => {}
                (Some(_), false) => {
                    let reason =
                        "no line begins there: it is another file than before; start without the old positions";
                    return Err(self.file.lost(from, reason));
                }
            }
        }
        Ok((frames, inside_line))
    }

    /// Opens the file and makes sure that it is the one that was found, with this many bytes at least.
    fn open_file(&self, bytes: u64) -> Result<File> {
        let file = match File::open(&self.file.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(catalog::vanished(&self.file, self.there()));
            }
            Err(error) => return Err(path::failed("open", &self.file.path)(error)),
        };
        let metadata = file.metadata().map_err(path::failed("read", &self.file.path))?;
        if !Stamp::of(&metadata).is_same_file(&self.file.stamp) {
            let reason = "another file has taken its name; put the old one back, or start without the old positions";
            return Err(self.file.lost(self.there(), reason));
        }
        if metadata.len() < bytes && self.shift.is_some() {
            let (path, reason) = (self.file.path.to_path_buf(), "it ends there; restore it from its origin".into());
            return Err(ConnectError::Damaged { path, position: metadata.len(), reason });
        }
        if metadata.len() < bytes {
            let reason = format!("the file was cut to {} bytes; start without the old positions", metadata.len());
            return Err(self.file.lost(self.there(), reason));
        }
        Ok(file)
    }

    /// There is no more in the range, or within its limits.
    #[cold]
    fn finished(&mut self) -> Result<()> {
        if let Some(end) = self.range.end() {
            return self.ended(end, None);
        }
        let Some(mut frames) = self.range.take_frames() else { return Ok(()) };
        self.reach(self.there());
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

    /// Ends at the end of the data; `cut_off` is why it should not have ended there.
    #[cold]
    fn ended(&mut self, end: u64, cut_off: Option<String>) -> Result<()> {
        let due = if self.file.by_reading { 0 } else { self.file.announced };
        if self.file.by_reading {
            // Whoever finds the end first notes it; the others find the same.
            self.file.end.get_or_init(|| End { at: end, broken: None });
        }
        // Of a file in which only the end of the range was reached, the end is not known.
        if end >= self.file.available().unwrap_or(u64::MAX)
            && let Some(reason) = cut_off
        {
            return Err(ConnectError::Damaged { path: self.file.path.to_path_buf(), position: end, reason });
        }
        let asked = if self.stop == u64::MAX { 0 } else { self.stop };
        if end < due.max(asked) {
            return Err(self.file.lost(due.max(asked), ends_at(end)));
        }
        self.reach(end);
        Ok(())
    }

    #[cold]
    fn fault(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Record { reason, payload, begin } => Err(self.malformed(reason, payload, begin)),
            Fault::Outage(outage) => Err(outage),
            Fault::Input(error) if is_in_the_way(&error) && self.file.met.is_some() => {
                let error = path::failed("read", &self.file.path)(error);
                Err(self.stuck(error))
            }
            Fault::Input(error) => {
                let after = self.range.take_frames().map_or(self.there(), |frames| frames.position());
                if !self.file.is_plain() && self.file.is_patient && self.stop == u64::MAX {
                    self.break_off(&error);
                    return Ok(());
                }
                let error = self.broken(after, error);
                self.bear(error)
            }
            Fault::CutOff(reason) => {
                let end = self.range.take_frames().map_or(self.there(), |frames| frames.position());
                self.range.end_at(end);
                self.ended(end, Some(reason))
            }
        }
    }

    /// The error of the last record, whose own bytes begin at this position.
    #[cold]
    fn malformed(&mut self, reason: String, payload: Payload, begin: u64) -> ConnectError {
        // In a merged file lines would be counted from another beginning.
        let has_lines = self.is_text && self.shift.is_none();
        let known = self.range.line().filter(|_| has_lines);
        let count = || has_lines.then(|| LineCount::of(&mut self.counted, &self.file, begin)).flatten();
        let line = known.or_else(count);
        let (place, position) = (self.file.place(), self.last_position());
        ConnectError::Malformed { place, position, line, reason, payload: Some(Box::new(payload)) }
    }
}

/// Whether an error says nothing of what is in the file.
fn is_in_the_way(error: &io::Error) -> bool {
    !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

fn ends_at(end: u64) -> String {
    format!("it ends at {end}; was the file replaced? Start without the old positions")
}

impl<P: Reading> SourceReader for FileReader<P> {
    type Item = P::Item;

    #[inline]
    fn next_record(&mut self) -> Result<Option<P::Item>> {
        if self.rows.is_some() {
            return self.next_row();
        }
        match self.range.next_record() {
            Ok(Some(record)) => Ok(Some(record)),
            Ok(None) => self.finished().map(|()| None),
            Err(fault) => self.fault(fault).map(|()| None),
        }
    }

    fn position(&self) -> u64 {
        self.own(self.there())
    }

    fn last_position(&self) -> u64 {
        self.own(self.rows.as_ref().map_or_else(|| self.range.last_position(), RangeRows::last_position))
    }

    fn is_reusable(&self) -> bool {
        self.rest.is_some()
    }

    fn at_end(&self) -> bool {
        if let Some(shift) = &self.shift {
            return shift.is_at_end(self.there());
        }
        self.file.available().is_some_and(|available| self.there() >= available)
    }
}

impl<P: Reading> fmt::Debug for FileReader<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader")
            .field("file", &self.file.path)
            .field("position", &self.there())
            .finish_non_exhaustive()
    }
}
