//! The reader of a range of one object.

mod damage;
mod table;

use std::fmt;
use std::io::{self, Chain, Cursor, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use firesteel_connect::{Class, ConnectError, ReadRange, Result, SourceReader};
use firesteel_formats::{FileOrigin, Format, Reading, Table};
use firesteel_frames::{Compression, Fault, Frames, RangeFrames, RangeRows, Unpacked};
use firesteel_object_store::{Bucket, Pin, Stretch, is_missing};
use firesteel_results::Shift;

use super::catalog::vanished;
use super::entry::Object;
use crate::error::io_failed;

/// Read at once, of the text.
const BUFFER: u64 = 256 << 10;
/// The smallest buffer, for small ranges.
const SMALL_BUFFER: u64 = 8 << 10;

/// The bytes of an object: those that were read to see how it is compressed, and the others.
type Input = Unpacked<Chain<Cursor<Vec<u8>>, Stretch>>;

pub(super) type ObjectFrames<P> = Frames<P, Input>;

/// Reads the records of a range of one object.
///
/// After a [`ConnectError::Malformed`] it stands after the record at fault, as all readers do.
pub struct ObjectReader<P: Reading> {
    bucket: Bucket,
    source: String,
    object: Object,
    /// Where it is a part of another object, which `object` and the positions of what is below are of then.
    shift: Option<Shift<()>>,
    frames: RangeFrames<P, Input>,
    /// The rows of an object that is a table.
    rows: Option<RangeRows<P::Item>>,
    /// Whether damage ends the object and not the job.
    bears_damage: bool,
    /// Whether that it is gone does.
    bears_loss: bool,
    /// Where the range was cut by the caller: what is there after it is another's.
    stop: Option<u64>,
    /// Whether the object is text, so that lines in it have numbers.
    is_text: bool,
    /// Whether it is a table, so that positions are numbers of rows.
    is_table: bool,
}

/// What a reader leaves for the one of the range after it.
pub(super) struct Rest<P: Reading> {
    /// The object that was read, which may have been merged into another one since.
    of: Pin,
    kind: Kind<P>,
}

enum Kind<P: Reading> {
    Frames(Box<ObjectFrames<P>>),
    Table(Box<dyn Table<P::Item>>),
}

impl<P: Reading> Rest<P> {
    /// The same for an object of which this is known now, if it may be used for that.
    fn moved(mut self, object: &Arc<FileOrigin>) -> Option<Self> {
        let may_be_used = match &mut self.kind {
            Kind::Frames(frames) => frames.moved(object),
            Kind::Table(table) => table.moved(object),
        };
        may_be_used.then_some(self)
    }
}

/// What a reader needs to know of its source.
pub(super) struct Settings<'a, F> {
    pub(super) bucket: &'a Bucket,
    pub(super) source: &'a str,
    pub(super) format: &'a F,
    pub(super) longest: usize,
    pub(super) bears_damage: bool,
    pub(super) bears_loss: bool,
}

/// The records of a range, out of frames that stand at its beginning.
fn ranged<F: Format<Reading = P>, P: Reading>(
    frames: ObjectFrames<P>,
    range: &ReadRange,
    settings: &Settings<'_, F>,
    inside_line: bool,
) -> RangeFrames<P, Input> {
    let frames = RangeFrames::new(frames, range, settings.longest, inside_line);
    if settings.format.is_packed() { frames.of_unpacked() } else { frames }
}

impl<P: Reading> ObjectReader<P> {
    pub(super) fn open<F: Format<Reading = P, Item = P::Item>>(
        object: Object,
        range: &ReadRange,
        settings: &Settings<'_, F>,
        rest: Option<Rest<P>>,
    ) -> Result<Self> {
        let Settings { bucket, source, bears_damage, bears_loss, longest, .. } = *settings;
        let end = object.end.get().copied();
        let through = object.through(range);
        let origin_of = object.clone();
        let is_ended = end == Some(range.from);
        let beyond = end.and_then(|end| {
            let positions = [Some(range.from), range.to].into_iter().flatten();
            positions.filter(|position| *position > end).map(|position| (position, end)).next()
        });
        let (object, range, shift) = match through {
            Some((merged, there, shift)) => (merged, &there.clone(), Some(shift)),
            None => (object, range, None),
        };
        let of_object = origin_of.format(settings.format, shift.as_ref())?;
        let mut rest = rest.filter(|rest| rest.of == object.pin);
        if let Some((origin, _)) = &of_object {
            rest = rest.and_then(|rest| rest.moved(origin));
        }
        let format = of_object.as_ref().map_or(settings.format, |(_, format)| format);
        let settings = &Settings { bucket, source, format, longest, bears_damage, bears_loss };
        let mut reader = Self {
            bucket: bucket.clone(),
            source: source.to_owned(),
            frames: RangeFrames::nothing(range),
            rows: None,
            object,
            bears_damage,
            shift,
            bears_loss,
            stop: range.to,
            is_text: settings.format.is_text(),
            is_table: settings.format.rows().is_some(),
        };
        if let Some((position, end)) = beyond {
            return Err(reader.lost(position, end));
        }
        if range.to.is_some_and(|to| to <= range.from) || is_ended {
            return Ok(reader);
        }
        let opened = match rest.map(|rest| rest.kind) {
            Some(Kind::Table(table)) => {
                reader.rows = Some(RangeRows::new(table, range));
                Ok(())
            }
            Some(Kind::Frames(mut rest)) if rest.position() == range.from => {
                if !rest.input().is_sequential() {
                    // Who opens the object for this range knows no numbers.
                    rest.forget_numbers();
                }
                reader.frames = ranged(*rest, range, settings, false);
                Ok(())
            }
            _ if settings.format.rows().is_some() => reader.open_table(range, settings),
            _ => reader.begun(range, settings).map(|frames| reader.frames = frames),
        };
        match opened {
            Ok(()) => {}
            Err(error) => reader.damaged(error, range.from)?,
        }
        Ok(reader)
    }

    /// Whether the object has been found to be what the program expects.
    pub(super) fn is_compared(&self) -> bool {
        self.rows.is_some() || self.frames.has_more()
    }

    fn begun<F: Format<Reading = P>>(
        &self,
        range: &ReadRange,
        settings: &Settings<'_, F>,
    ) -> Result<RangeFrames<P, Input>> {
        let (format, size) = (settings.format, self.object.pin.size);
        let (compression, head) = self.compression(range.from)?;
        let by_lines = format.ends_at_newlines();
        let is_plain = compression == Compression::Plain && !format.is_packed();
        if is_plain && self.shift.is_some() && range.to.is_some_and(|to| to > size) {
            let (path, reason) =
                (self.object.pin.key.as_ref().into(), "it ends there; restore it from its origin".into());
            return Err(ConnectError::Damaged { path, position: size, reason });
        }
        let wanted = range.to.unwrap_or(size).min(size);
        let mut reading = format.begin();
        // One byte before tells whether a line begins here.
        let mut begin = if is_plain { range.from.saturating_sub(u64::from(by_lines)) } else { 0 };
        let mut inside_line = is_plain && by_lines && range.from > 0;
        if is_plain && format.has_head() && range.from > 0 {
            let input = Unpacked::of(Cursor::new(vec![]).chain(self.stretch(0, 0)), Compression::Plain);
            let mut frames = Frames::new(input, reading, 0, SMALL_BUFFER as usize);
            self.head(&mut frames, settings)?;
            if frames.position() > begin {
                (begin, inside_line) = (frames.position().min(size), false);
            }
            reading = frames.into_reading();
        }
        // The head of an object that is read from its beginning need not be read twice.
        let mut head = if begin == 0 { head } else { vec![] };
        let expected = if is_plain { wanted } else { size };
        if head.is_empty() && begin < size && self.object.is_result {
            // Whether it has been merged meanwhile comes to light now.
            let to = expected.clamp(begin + 1, begin + BUFFER).min(size);
            let part = self.bucket.begin_part(&self.object.pin, begin, to);
            head = part.wait().map_err(|error| self.failed(error.into(), range.from))?.to_vec();
        }
        let capacity = wanted.saturating_sub(begin).min(range.max_bytes.unwrap_or(BUFFER)).clamp(SMALL_BUFFER, BUFFER);
        let stretch = self.stretch(begin + head.len() as u64, expected);
        let input = Unpacked::of(Cursor::new(head).chain(stretch), compression).unpacked_by(format);
        let mut frames = Frames::new(input, reading, begin, capacity as usize);
        if format.has_head() && begin == 0 {
            self.head(&mut frames, settings)?;
        }
        if !is_plain {
            self.skip(&mut frames, range.from, settings)?;
        }
        Ok(ranged(frames, range, settings, inside_line))
    }

    /// The bytes from here to the end of the object, of which those up to `expected` are fetched ahead.
    fn stretch(&self, from: u64, expected: u64) -> Stretch {
        Stretch::of(&self.bucket, &self.object.pin, from, self.object.pin.size).expecting(expected)
    }

    /// How the object is compressed, and what was read to see it.
    fn compression(&self, from: u64) -> Result<(Compression, Vec<u8>)> {
        let known = &self.object.compression;
        if let Some(compression) = known.get().copied() {
            return Ok((compression, vec![]));
        }
        let pin = &self.object.pin;
        let most = if from == 0 { BUFFER } else { Compression::MAGIC };
        let head = self.bucket.begin_part(pin, 0, pin.size.min(most)).wait();
        let head = head.map_err(|error| self.failed(error.into(), from))?;
        if let Some(reason) = Compression::refused(&head) {
            return Err(ConnectError::Damaged { path: pin.key.as_ref().into(), position: 0, reason });
        }
        let compression =
            Compression::of(&head).unwrap_or_else(|| Compression::of_name(std::path::Path::new(pin.key.as_ref())));
        known.get_or_init(|| compression);
        Ok((compression, head.to_vec()))
    }

    /// Reads what the object begins with.
    fn head<F>(&self, frames: &mut ObjectFrames<P>, settings: &Settings<'_, F>) -> Result<()> {
        match frames.head(settings.longest).map_err(|error| self.failed(error, frames.position()))? {
            Some(Err(mismatch)) => Err(self.object.mismatch(mismatch)),
            _ => Ok(()),
        }
    }

    /// Passes over what was read before.
    fn skip<F: Format<Reading = P>>(
        &self,
        frames: &mut ObjectFrames<P>,
        target: u64,
        settings: &Settings<'_, F>,
    ) -> Result<()> {
        let at = frames.position();
        if at >= target {
            return Ok(());
        }
        if settings.format.is_packed() {
            while frames.position() < target {
                let next = frames.next(settings.longest).map_err(|error| self.failed(error, at))?;
                if next == firesteel_frames::Next::End {
                    return Err(self.lost(target, frames.position()));
                }
            }
            return Ok(());
        }
        let skipped = frames.skip_to(target).map_err(|error| self.failed(error, at))?;
        skipped.map(|_| ()).ok_or_else(|| self.lost(target, frames.position()))
    }

    fn lost(&self, position: u64, end: u64) -> ConnectError {
        let reason = format!("it ends at {end}; start without the old positions");
        ConnectError::Lost { place: self.object.pin.key.to_string(), position, reason }
    }

    /// The error of an object that cannot be read or decompressed further.
    fn failed(&self, error: io::Error, position: u64) -> ConnectError {
        let key = &self.object.pin.key;
        if is_missing(&error) && self.object.is_result {
            self.object.is_missed.store(true, Ordering::Relaxed);
            // Who opens it next looks where it is now.
            let (context, class) = (format!("reading {key} ({})", self.bucket), Class::Retryable);
            return ConnectError::Other { context, class, source: "it may have been merged meanwhile".into() };
        }
        if is_missing(&error) {
            return vanished(&self.source, &self.object, true);
        }
        match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                let reason = format!("{error}; restore it from its origin");
                ConnectError::Damaged { path: key.as_ref().into(), position, reason }
            }
            _ => self.for_now(io_failed(&self.bucket, || format!("reading {key}"), error), position),
        }
    }

    #[cold]
    fn fault(&mut self, fault: Fault) -> Result<()> {
        let (position, key) = (self.position(), self.object.pin.key.to_string());
        let damaged = match fault {
            Fault::Record { reason, payload, .. } => {
                let (position, payload) = (self.last_position(), Some(Box::new(payload)));
                // In a merged object lines would be counted from another beginning.
                let line = self.frames.line().filter(|_| self.is_text && self.shift.is_none());
                return Err(ConnectError::Malformed { place: key, position, line, reason, payload });
            }
            Fault::Outage(outage) => return Err(outage),
            Fault::Input(error) => self.failed(error, position),
            Fault::CutOff(reason) => ConnectError::Damaged { path: key.into(), position, reason },
        };
        self.damaged(damaged, position)
    }

    #[cold]
    fn ended(&mut self) -> Result<()> {
        if let Some(end) = self.frames.end() {
            let known = *self.object.end.get_or_init(|| end);
            if end < known {
                return Err(self.lost(known, end));
            }
        }
        self.reach();
        Ok(())
    }

    /// Takes note of how far it has come.
    fn reach(&self) {
        match &self.shift {
            Some(shift) => shift.reach(self.there()),
            None => _ = self.object.reached.fetch_max(self.there(), Ordering::Relaxed),
        }
    }

    /// The position in the object that is read.
    fn there(&self) -> u64 {
        self.rows.as_ref().map_or_else(|| self.frames.position(), RangeRows::position)
    }

    fn own(&self, position: u64) -> u64 {
        self.shift.as_ref().map_or(position, |shift| shift.own(position))
    }

    /// What the reader of the next range begins with.
    pub(super) fn into_rest(self) -> Option<Rest<P>> {
        let kind = match self.rows {
            Some(mut rows) => Kind::Table(rows.take_table()?),
            None => Kind::Frames(Box::new(self.frames.into_frames()?)),
        };
        Some(Rest { of: self.object.pin, kind })
    }
}

impl<P: Reading> SourceReader for ObjectReader<P> {
    type Item = P::Item;

    #[inline]
    fn next_record(&mut self) -> Result<Option<P::Item>> {
        if self.rows.is_some() {
            return self.next_row();
        }
        match self.frames.next_record() {
            Ok(Some(record)) => Ok(Some(record)),
            Ok(None) => self.ended().map(|()| None),
            Err(fault) => self.fault(fault).map(|()| None),
        }
    }

    fn position(&self) -> u64 {
        self.own(self.there())
    }

    fn last_position(&self) -> u64 {
        self.own(self.rows.as_ref().map_or_else(|| self.frames.last_position(), RangeRows::last_position))
    }

    fn at_end(&self) -> bool {
        if let Some(shift) = &self.shift {
            return shift.is_at_end(self.there());
        }
        self.object.end.get().is_some_and(|end| self.position() >= *end)
    }

    fn is_reusable(&self) -> bool {
        self.rows.is_some() || self.frames.has_more()
    }
}

impl<P: Reading> fmt::Debug for ObjectReader<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader").field("object", &self.object.pin.key).finish_non_exhaustive()
    }
}
