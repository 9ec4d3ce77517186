//! One file that is read.

mod later;
mod misfit;
mod noted;
mod origin;
mod packing;
mod rows;

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use firesteel_connect::{ConnectError, PositionUnit, Split, SplitId, SplitNote};
use firesteel_formats::CountRows;
use firesteel_frames::{Compression, Gaps, Met, Misfit, Misfits, TextEncoding, Withheld};
use firesteel_window::Timestamp;

use super::family;
use super::identity::{Print, Stamp};
use super::input;
use super::merged::View;
use super::policy::{Borders, Policy};

/// A file that is read.
#[derive(Debug, Clone)]
pub(crate) struct FileEntry {
    pub(crate) split: SplitId,
    /// Where it was found first, and where it is now.
    pub(crate) home: Arc<Path>,
    pub(crate) path: Arc<Path>,
    /// The symbolic link under which it was found, if it was.
    pub(crate) link: Option<Arc<Path>>,
    /// What it has in common with the other pieces of its log.
    pub(crate) family: Arc<str>,
    pub(crate) stamp: Stamp,
    /// `None` while the file has too few bytes to tell.
    pub(crate) compression: Option<Compression>,
    /// Of its text, as far as it is known.
    pub(crate) text: Print,
    /// Of all bytes of a compressed file.
    pub(crate) packed: Option<Print>,
    /// Of a plain file: the position after the last line that may be read, or after all that may be looked at.
    pub(crate) announced: u64,
    pub(crate) borders: Borders,
    /// How its text is encoded, where that was said.
    pub(crate) encoding: Option<TextEncoding>,
    /// Counts the rows of a table.
    count_rows: Option<CountRows>,
    /// Whether only reading can tell where the last record ends: of a compressed file, and of one that grows in a format
    /// whose records do not end with lines.
    pub(crate) by_reading: bool,
    /// Whether a record at its end may be one that is still being written.
    pub(crate) may_grow: bool,
    /// Where reading it has ended then, once it has.
    pub(crate) end: Arc<OnceLock<End>>,
    /// How far readers have come.
    pub(crate) reached: Arc<AtomicU64>,
    pub(crate) committed: u64,
    /// Up to where the engine has said in this run that nothing is asked for again.
    pub(crate) forgotten: u64,
    /// Whether it could not be removed or archived.
    pub(crate) is_undisposable: bool,
    /// Whether positions may lie within lines.
    pub(crate) was_plain: bool,
    pub(crate) presence: Presence,
    /// Where it stands in another file that was made of it and others.
    pub(crate) view: Option<Arc<View>>,
    /// When it was seen to change last.
    pub(crate) changed_at: Option<Timestamp>,
    /// Whether a newer piece of its log has taken its place.
    pub(crate) is_superseded: bool,
    /// Whether all of it counts, a last line without a newline included.
    pub(crate) is_closed: bool,
    /// Whether what cannot be decompressed is left for later.
    pub(crate) is_patient: bool,
    /// What of this and other files was passed over.
    pub(crate) gaps: Arc<Gaps>,
    /// Whether something of it was, before a restart.
    was_damaged: bool,
    /// What readers of this and other files cannot read for now, if that is left for later; and whether it is left alone.
    pub(crate) met: Option<Met<ConnectError>>,
    pub(crate) withheld: Option<Withheld>,
    /// What readers find of this and other files that does not fit, and whether this one does not.
    pub(crate) misfits: Misfits,
    pub(crate) misfit: Option<Misfit>,
    /// Whether the break where reading it ended has been told.
    pub(crate) is_break_told: bool,
    /// Where it has grown after its last line was read without a newline, in the middle of that line.
    pub(crate) continued_at: Option<u64>,
    /// Whether the checkpoint does not know of it as it is.
    pub(crate) is_unnoted: bool,
    /// Whether the checkpoint knows where reading it has ended.
    is_end_noted: bool,
    /// Whether it is not among the files that are listed: it was put aside.
    pub(crate) is_aside: bool,
    /// Whether what is left of it is lost.
    pub(crate) is_given_up: bool,
    /// What the checkpoint knows of it.
    pub(crate) noted: Option<SplitNote>,
    /// The name of the source, for errors.
    pub(crate) source: Arc<str>,
    /// What the engine was told of it last.
    pub(crate) told: Option<Split>,
}

/// Where reading a compressed file has ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// The position after the last line.
    pub(crate) at: u64,
    /// Why, where it is not the end of the file.
    pub(crate) broken: Option<Broken>,
}

/// Why a compressed file cannot be read further.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    /// It ends in the middle: it may be still being written.
    pub(crate) is_cut: bool,
    pub(crate) reason: Arc<str>,
}

/// Whether a file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    /// It was not found, since then, and something of it has not been read.
    Missing(Timestamp),
    /// It is gone, and all of it was read.
    Gone,
}

/// What came of looking at a file again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    Same,
    Changed,
    /// It is not what it was: cut, or written anew.
    Other,
}

impl FileEntry {
    /// A file that nobody has seen before.
    pub(crate) fn new(split: SplitId, home: &Path, at: &Path, stamp: Stamp) -> Self {
        let path: Arc<Path> = at.into();
        Self {
            split,
            home: if home.as_os_str() == at.as_os_str() { Arc::clone(&path) } else { home.into() },
            path,
            link: None,
            family: family::key(at).into(),
            stamp,
            compression: None,
            text: Print::nothing(),
            packed: None,
            announced: 0,
            borders: Borders::Lines,
            encoding: None,
            count_rows: None,
            by_reading: false,
            may_grow: false,
            end: Arc::default(),
            reached: Arc::default(),
            committed: 0,
            forgotten: 0,
            is_undisposable: false,
            was_plain: false,
            presence: Presence::Here,
            view: None,
            changed_at: None,
            is_superseded: false,
            is_closed: false,
            is_patient: false,
            gaps: Arc::default(),
            was_damaged: false,
            met: None,
            withheld: None,
            misfits: Misfits::default(),
            misfit: None,
            is_break_told: false,
            continued_at: None,
            is_unnoted: true,
            is_end_noted: false,
            is_aside: false,
            is_given_up: false,
            noted: None,
            source: "".into(),
            told: None,
        }
    }

    /// The position after what is known to be there.
    pub(crate) fn available(&self) -> Option<u64> {
        if self.is_misfit() {
            return Some(self.reached());
        }
        if let Some(view) = &self.view {
            return Some(view.stretch.end());
        }
        if self.by_reading { self.end.get().map(|end| end.at) } else { Some(self.announced) }
    }

    /// Whether it can be read from anywhere.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.borders, Borders::Lines | Borders::Records) && self.is_uncompressed()
    }

    /// Says where its records end.
    pub(crate) fn read_by(&mut self, policy: &Policy) {
        (self.borders, self.encoding, self.count_rows) = (policy.borders, policy.encoding, policy.rows);
        if matches!(self.borders, Borders::Packed | Borders::Rows) && self.packed.is_none() {
            // Positions count what is unpacked, and not the bytes of the file.
            if self.compression.is_some() {
                self.end = Arc::new(End { at: self.announced, broken: None }.into());
            } else if self.borders == Borders::Packed && self.text.at > 0 {
                // It is known what it is, and not where its records end: not where its bytes do.
                self.compression = Some(Compression::Plain);
            }
            self.announced = self.text.at;
        }
        self.settle(policy.follow);
    }

    /// Whether nothing has compressed the file as a whole.
    pub(crate) fn is_uncompressed(&self) -> bool {
        matches!(self.compression, None | Some(Compression::Plain))
    }

    /// Decides how it is found out where the last record ends.
    fn settle(&mut self, follow: bool) {
        self.may_grow = follow && !self.is_closed && self.borders != Borders::Lines;
        self.by_reading = self.compression.is_some() && (!self.is_plain() || self.may_grow);
    }

    /// Why it cannot be read further, if so.
    pub(crate) fn broken(&self) -> Option<&Broken> {
        self.end.get().and_then(|end| end.broken.as_ref())
    }

    /// The name for people: that of the split, and where the file is now if that is another place.
    pub(crate) fn place(&self) -> String {
        let now = self.path.display().to_string();
        if self.split.as_str() == now { now } else { format!("{} (in {now})", self.split) }
    }

    /// The error of data that is no longer there.
    pub(crate) fn lost(&self, position: u64, reason: impl Into<String>) -> ConnectError {
        ConnectError::Lost { place: self.place(), position, reason: reason.into() }
    }

    /// Whether readers have come to the end of what is known.
    pub(crate) fn is_read(&self) -> bool {
        self.end_of_all().is_some_and(|end| self.reached() >= end)
    }

    /// Whether its text is in another encoding, and nothing has packed it.
    pub(crate) fn is_decoded(&self) -> bool {
        self.encoding.is_some_and(|encoding| encoding != TextEncoding::Utf8) && self.is_uncompressed()
    }

    /// Its text, from the beginning.
    pub(crate) fn unpacked(&self, file: File, compression: Compression) -> input::Input {
        input::compressed(file, compression).encoded(self.encoding.unwrap_or(TextEncoding::Utf8))
    }

    /// What the engine is told of it.
    pub(crate) fn split(&self, policy: &Policy, now: Timestamp) -> Split {
        let available = match self.presence {
            // What cannot be read must not be asked for.
            Presence::Missing(_) => Some(self.reached()),
            _ if self.is_withheld() => Some(self.reached()),
            _ => self.available(),
        };
        let is_cut = self.broken().is_some_and(|broken| broken.is_cut) && !self.is_silent(now, policy.finish_after);
        let is_table = self.borders == Borders::Rows;
        let is_closable = self.is_plain() || self.is_decoded() || (is_table && self.compression.is_none());
        let is_whole = if is_closable { self.is_closed } else { !is_cut };
        let finished = !policy.follow || self.presence == Presence::Gone || is_whole || self.is_misfit();
        let finished = finished && !self.is_withheld();
        let unit = match (is_table, policy.picks_rows) {
            (false, _) => PositionUnit::Bytes,
            (true, false) => PositionUnit::Records,
            (true, true) => PositionUnit::Sequence,
        };
        let is_divisible = is_table || (self.is_plain() && self.borders == Borders::Lines);
        Split::new(self.split.clone(), unit).available(available).divisible(is_divisible).finished(finished)
    }

    /// Whether it ends with a line without a newline that has not been read.
    pub(crate) fn has_half_line(&self) -> bool {
        let is_half = if self.borders == Borders::Rows {
            self.compression.is_none() && self.stamp.size > 0
        } else {
            self.is_plain() && self.stamp.size > self.available().unwrap_or(0)
        };
        self.presence == Presence::Here && is_half && !self.is_misfit()
    }

    /// Whether all of it that is known has been read and committed.
    pub(crate) fn is_done(&self) -> bool {
        self.end_of_all().is_some_and(|end| self.committed >= end)
    }

    /// The position after all that has to be read before it may go. What comes after the last whole record may be the beginning
    /// of another one, and would be lost without a word.
    pub(crate) fn end_of_all(&self) -> Option<u64> {
        let unfinished = (self.by_reading && self.is_plain() && !self.is_misfit()).then_some(self.stamp.size);
        self.available().map(|available| unfinished.unwrap_or(available))
    }

    /// Whether enough is known of what is in it to know it again.
    pub(crate) fn has_evidence(&self) -> bool {
        self.text.at > 0 || self.packed.is_some()
    }

    /// Takes in how the file is now, which is the same one of the file system, or has the same content.
    pub(crate) fn look_again(&mut self, at: &Path, metadata: &Metadata, follow: bool) -> io::Result<Looked> {
        let stamp = Stamp::of(metadata);
        if stamp == self.stamp && (self.compression.is_some() || follow) {
            self.move_to(at);
            return Ok(Looked::Same);
        }
        let mut file = File::open(at)?;
        if !self.has_content(&mut file, &stamp)? {
            return Ok(Looked::Other);
        }
        self.move_to(at);
        self.announce(&mut file, stamp, follow)?;
        Ok(Looked::Changed)
    }

    /// Whether the file has what is known of the content.
    pub(crate) fn has_content(&self, file: &mut File, stamp: &Stamp) -> io::Result<bool> {
        match self.packed {
            Some(packed) => packed.is_of(file),
            // While it is not known what it is, nothing of it has been read.
            None if self.compression.is_none() => Ok(true),
            None => Ok(stamp.size >= self.announced && self.text.is_of(file)?),
        }
    }

    fn move_to(&mut self, at: &Path) {
        self.presence = Presence::Here;
        if self.path.as_os_str() != at.as_os_str() {
            self.path = at.into();
            self.family = family::key(at).into();
        }
    }

    /// Finds out what may be read of the file as it is now.
    pub(crate) fn announce(&mut self, file: &mut File, stamp: Stamp, follow: bool) -> io::Result<()> {
        self.misfit.iter_mut().for_each(|misfit| misfit.resized(stamp.size));
        if self.compression.is_none() || self.packed.is_some() {
            file.seek(SeekFrom::Start(0))?;
            let mut head = Vec::new();
            file.take(Compression::MAGIC).read_to_end(&mut head)?;
            if let Some(text) = Compression::refused(&head) {
                return Err(io::Error::new(ErrorKind::InvalidData, text));
            }
            if self.encoding.is_none() && self.borders != Borders::Packed && is_utf16(&head) {
                let text = "it begins with a mark of UTF-16: set TextFiles::encoding to TextEncoding::Utf16 (feature \
                            `encodings`), or to Utf8 to read it as it is";
                return Err(io::Error::new(ErrorKind::InvalidData, text));
            }
            self.compression = Compression::of(&head).or_else(|| (!follow).then(|| Compression::of_name(&self.path)));
        }
        if self.borders == Borders::Rows {
            return self.announce_rows(file, stamp, follow);
        }
        if self.compression == Some(Compression::Plain) {
            self.was_plain = true;
            let before = self.announced;
            if std::mem::take(&mut self.is_closed) && stamp.size > before && !ends_line(file, before)? {
                self.continued_at = Some(before);
            }
            let by_lines = self.borders == Borders::Lines;
            if !by_lines && stamp.size != self.stamp.size {
                // What has been added may complete a record.
                (self.end, self.is_break_told) = (Arc::default(), false);
            }
            self.announced = if follow && by_lines { last_line_end(file, before, stamp.size)? } else { stamp.size };
            if self.announced > before || self.text.at < before {
                self.text = Print::of_file(file, self.announced)?;
            }
        } else if self.compression.is_some() {
            if self.packed.is_some_and(|packed| packed.at != stamp.size) || self.broken().is_some() {
                // More of it may follow than where reading it has ended.
                (self.end, self.is_break_told) = (Arc::default(), false);
            }
            self.packed = Some(Print::of_file(file, stamp.size)?);
        }
        self.stamp = stamp;
        self.settle(follow);
        Ok(())
    }

    /// Lets all of it count, also a last line without a newline.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        if self.compression.is_none() && self.stamp.size > 0 {
            self.compression = Some(Compression::Plain);
            self.was_plain = true;
        }
        if self.is_plain() {
            self.announced = self.announced.max(self.stamp.size);
        } else if self.is_decoded() {
            // What it ends with counts now.
            self.end = Arc::default();
        }
        self.settle(true);
    }
}

/// Whether a file begins with the mark of UTF-16.
fn is_utf16(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff")
}

/// Whether a line ends where the first `at` bytes of a file do.
fn ends_line(file: &mut File, at: u64) -> io::Result<bool> {
    let Some(before) = at.checked_sub(1) else { return Ok(true) };
    let mut bytes = [0; 2];
    file.seek(SeekFrom::Start(before))?;
    file.read_exact(&mut bytes)?;
    // What comes next may be the newline itself.
    Ok(bytes.contains(&b'\n'))
}

/// The position after the last newline in `[from, to)`, or `from`.
fn last_line_end(file: &mut File, from: u64, to: u64) -> io::Result<u64> {
    const CHUNK: u64 = 64 << 10;
    let mut buffer = vec![0; usize::try_from(CHUNK.min(to.saturating_sub(from))).unwrap_or(0)];
    let mut end = to;
    while end > from {
        let start = end.saturating_sub(CHUNK).max(from);
        let chunk = &mut buffer[..usize::try_from(end - start).unwrap_or(0)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(chunk)?;
        if let Some(at) = memchr::memrchr(b'\n', chunk) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(from)
}
