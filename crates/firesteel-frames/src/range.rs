//! The records of a range.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

use firesteel_connect::{ConnectError, Payload, ReadRange};
use firesteel_formats::Reading;

use crate::frames::{Frames, Next};

/// Reads the records of a range out of [`Frames`]: from its beginning, or the first record after it, to its end and within its limits.
///
/// After [`Fault::Record`] it stands after the record at fault.
pub struct RangeFrames<P, R> {
    /// `None` when there is nothing more to read.
    frames: Option<Frames<P, R>>,
    longest: usize,
    /// Whether the range begins inside a line, or may do so: that line belongs to the range before.
    inside_line: bool,
    /// Whether the first record may begin with the mark of its encoding.
    may_be_marked: bool,
    stop: u64,
    records_left: u64,
    bytes_left: u64,
    position: u64,
    last: u64,
    end: Option<u64>,
}

/// What keeps a reader from handing out a record.
#[derive(Debug)]
pub enum Fault {
    /// The input.
    Input(io::Error),
    /// A record that cannot be decoded, found or held.
    Record {
        /// What is wrong with it.
        reason: String,
        /// Its bytes.
        payload: Payload,
        /// Where its own bytes begin, after what was passed over before it.
        begin: u64,
    },
    /// It is no fault of the record: what its decoder needs does not answer.
    Outage(ConnectError),
    /// The data should not have ended here: why.
    CutOff(String),
}

impl<P: Reading, R: Read> RangeFrames<P, R> {
    /// The records of the range. `frames` stand where it begins or before; where records are lines that may have been cut anywhere
    /// (`inside_line`), one byte before it.
    #[must_use]
    pub fn new(frames: Frames<P, R>, range: &ReadRange, longest: usize, inside_line: bool) -> Self {
        Self { frames: Some(frames), longest, inside_line, ..Self::nothing(range) }
    }

    /// A range in which nothing is.
    #[must_use]
    pub fn nothing(range: &ReadRange) -> Self {
        Self {
            frames: None,
            longest: 0,
            inside_line: false,
            may_be_marked: true,
            stop: range.to.unwrap_or(u64::MAX),
            records_left: range.max_records.unwrap_or(u64::MAX),
            bytes_left: range.max_bytes.unwrap_or(u64::MAX).max(1),
            position: range.from,
            last: range.from,
            end: None,
        }
    }

    /// The bytes are those that a format has unpacked, so that no mark of an encoding stands before them.
    #[must_use]
    pub fn of_unpacked(self) -> Self {
        Self { may_be_marked: false, ..self }
    }

    /// The next record.
    ///
    /// # Errors
    /// Why there is none.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<P::Item>, Fault> {
        let Some(record) = self.advance()? else { return Ok(None) };
        let Some(frames) = &mut self.frames else { return Ok(None) };
        match frames.decode(record.clone()) {
            Ok(item) => Ok(Some(item)),
            Err(undecodable) => {
                if let Some(outage) = undecodable.outage() {
                    return Err(Fault::Outage(outage));
                }
                let (payload, begin) = (Payload::of(frames.bytes(record.clone())), frames.begins_at(&record));
                Err(Fault::Record { reason: undecodable.reason().to_owned(), payload, begin })
            }
        }
    }

    #[inline]
    fn advance(&mut self) -> Result<Option<Range<usize>>, Fault> {
        if self.inside_line {
            self.leave_line()?;
        }
        loop {
            let Some(frames) = &mut self.frames else { return Ok(None) };
            let at = frames.position();
            if at >= self.stop || self.records_left == 0 || self.bytes_left == 0 {
                self.position = if at >= self.stop { self.position.max(self.stop) } else { self.position };
                return Ok(None);
            }
            let found = frames.next(self.longest).map_err(Fault::Input)?;
            let after = frames.position();
            match found {
                Next::Record(record) => {
                    self.count(at, after);
                    return Ok(Some(if at == 0 { self.without_mark(record) } else { record }));
                }
                Next::Skipped => self.position = after,
                Next::End => return self.ended().map(|()| None),
                other => {
                    self.count(at, after);
                    return Err(self.unreadable(other, after - at));
                }
            }
        }
    }

    /// Skips the rest of the line that the range begins in.
    #[cold]
    fn leave_line(&mut self) -> Result<(), Fault> {
        self.inside_line = false;
        match &mut self.frames {
            Some(frames) => frames.skip_past_newline(self.stop).map_err(Fault::Input),
            None => Ok(()),
        }
    }

    #[inline]
    fn count(&mut self, at: u64, after: u64) {
        self.last = at;
        self.position = after;
        self.records_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(after - at);
    }

    #[cold]
    fn ended(&mut self) -> Result<(), Fault> {
        let Some(frames) = &mut self.frames else { return Ok(()) };
        let end = frames.position();
        frames.check_end().map_err(Fault::CutOff)?;
        self.end_at(end);
        Ok(())
    }

    #[cold]
    fn without_mark(&self, record: Range<usize>) -> Range<usize> {
        let bytes = self.frames.as_ref().map_or(&[][..], |frames| frames.bytes(record.clone()));
        let is_marked = self.may_be_marked && bytes.starts_with("\u{feff}".as_bytes());
        if is_marked { record.start + 3..record.end } else { record }
    }

    #[cold]
    fn unreadable(&self, next: Next, bytes: u64) -> Fault {
        let Some(frames) = &self.frames else { return Fault::CutOff(String::new()) };
        let (reason, payload) = match next {
            Next::Broken(record, reason) => (reason, Payload::beginning(frames.bytes(record), bytes)),
            _ => (frames.reading().too_long(self.longest), Payload::beginning(frames.too_long(), bytes)),
        };
        Fault::Record { reason, payload, begin: self.last }
    }

    /// The line on which the last record begins, if it was counted.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.frames.as_ref().and_then(Frames::line)
    }

    /// The position after the last record that was handed out or passed over; at least the end of the range, where that was reached.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The position of that record.
    #[must_use]
    pub fn last_position(&self) -> u64 {
        self.last
    }

    /// Where the data ends, if its end was found.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.end
    }

    /// What it reads from, to read the next range with; `None` where nothing more is there.
    #[must_use]
    pub fn into_frames(self) -> Option<Frames<P, R>> {
        self.frames
    }

    /// Takes away what it reads from: there is nothing more to read then.
    pub fn take_frames(&mut self) -> Option<Frames<P, R>> {
        self.frames.take()
    }

    /// Ends here, also where the data should not have ended.
    pub fn end_at(&mut self, end: u64) {
        self.frames = None;
        (self.position, self.end) = (end.max(self.position), Some(end));
    }

    /// Whether there may be more after the range.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.frames.is_some()
    }
}

impl<P, R> fmt::Debug for RangeFrames<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeFrames")
            .field("position", &self.position)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}
