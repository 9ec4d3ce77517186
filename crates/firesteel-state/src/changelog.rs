//! The changelog: one record per epoch, on disk before anything of the epoch is visible outside.
//!
//! A record holds where the epoch's micro-batches began and ended in each input, the watermarks, and what changed in
//! each key group. [`prepare`](Changelog::prepare) appends it and syncs; then sinks may commit; then
//! [`mark`](Changelog::mark) notes that they did, which is written with the next record. After a restart, records from
//! the last snapshot on bring the state back, and the last record tells whether its epoch was committed.
//!
//! ```
//! use firesteel_state::changelog::{Changelog, ChangelogOptions, EpochRecord};
//! # let folder = std::env::temp_dir().join(format!("firesteel-changelog-{}", std::process::id()));
//!
//! let mut log = Changelog::open(&folder, ChangelogOptions::default())?;
//! log.prepare(&EpochRecord { epoch: 1, ..EpochRecord::default() })?;
//! log.mark(1)?;
//! log.prepare(&EpochRecord { epoch: 2, ..EpochRecord::default() })?;
//! drop(log);
//!
//! let log = Changelog::open(&folder, ChangelogOptions::default())?;
//! assert_eq!(log.last_epoch(), Some(2));
//! assert_eq!(log.committed(), 1);
//! let epochs: Vec<u64> = log.records(1).map(|record| record.map(|record| record.epoch)).collect::<Result<_, _>>()?;
//! assert_eq!(epochs, [1, 2]);
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), firesteel_state::StateError>(())
//! ```
//!
//! # Damage
//!
//! Every append is synced before the next one, so a crash can only harm the end of the last segment. What is missing
//! there, bytes or whole sectors that read as zeros, is a torn write: it was never acknowledged and is cut off.
//! Anything else that does not match its checksum is damage, and an error. Two things look like a torn write and are
//! not told apart from one here: a file that was cut inside its last record, and a last record with a sector of zeros
//! in which a bit has flipped. Who knows of a later epoch, be it a snapshot, a backend or a sink, must compare.
//!
//! The files are described in `docs/formats.md`. Nothing here compacts: what a snapshot makes superfluous is removed
//! by the segment, with [`truncate`](Changelog::truncate).

mod commit_log;
mod inspect;
mod reader;
mod record;
mod segment;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_disk::{Disk, Growing, OsDisk};
use firesteel_faults::{FAIL_POINTS, alterable, fail_point};

pub use self::commit_log::CommitLog;
pub use self::inspect::{RecordReport, SegmentReport, inspect};
pub use self::reader::{ChangelogReader, EpochLog};
use self::reader::{Found, read};
pub use self::record::{BatchBoundary, EpochRecord, InputRange, OperatorWatermark};
#[cfg(any(test, feature = "fuzzing"))]
use self::segment::Content;
use self::segment::Located;
use crate::error::{Result, StateError};
use crate::lock::taken_away;

/// Settings of a changelog. None of them is part of the format.
#[derive(Debug, Clone)]
pub struct ChangelogOptions {
    segment_bytes: u64,
    compress: bool,
    threads: usize,
}

impl Default for ChangelogOptions {
    /// Segments of 64 MiB, compressed where it pays.
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, compress: true, threads: 1 }
    }
}

impl ChangelogOptions {
    /// A segment that has this many bytes gets no further record. The unit of what can be removed.
    #[must_use]
    pub fn segment_bytes(self, bytes: u64) -> Self {
        Self { segment_bytes: bytes, ..self }
    }

    /// Whether records are compressed with lz4 if a sample of them shrinks by a fifth.
    #[must_use]
    pub fn compress(self, compress: bool) -> Self {
        Self { compress, ..self }
    }

    /// How many threads look through the segments when the changelog is opened, four at most; one unless set. Each
    /// holds a segment in memory.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }
}

/// A segment: a file with records of ascending epochs, without gaps.
#[derive(Debug, Clone)]
struct Segment {
    path: PathBuf,
    /// The epoch of its first record, which is also its name.
    first: u64,
    records: Vec<Located>,
    /// Where the next record goes.
    end: u64,
}

/// The changelog of a checkpoint, open for writing. See the [module](self).
#[derive(Debug)]
pub struct Changelog {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    options: ChangelogOptions,
    /// Ascending and without gaps; the last one is written to.
    segments: Vec<Segment>,
    file: Option<Box<dyn Growing>>,
    committed: u64,
    /// The committed epoch that is on disk.
    marked: u64,
    state: Writing,
    buffer: Vec<u8>,
}

/// Whether the end of the file is known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Writing {
    Sound,
    /// A write failed and may have left a part behind: it is cut off before the next one.
    Ragged,
    /// A sync failed: what is on disk is not known until the file is read again.
    Unknown,
}

impl Changelog {
    /// Opens the changelog in a folder, or begins one, and cuts off a torn write.
    ///
    /// Whoever opens it must be alone: see [`CheckpointLock`](crate::CheckpointLock).
    ///
    /// # Errors
    /// [`StateError::Damaged`], [`StateError::Gap`] or [`StateError::Version`] when the records cannot be trusted;
    /// [`StateError::File`] when the folder cannot be used.
    pub fn open(folder: &Path, options: ChangelogOptions) -> Result<Self> {
        Self::open_on(OsDisk::shared(), folder, options)
    }

    /// [Opens](Self::open) it on a disk of the caller's choice, such as one that crashes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: Arc<dyn Disk>, folder: &Path, options: ChangelogOptions) -> Result<Self> {
        disk.make_folder(folder)?;
        let found = Found::look(&*disk, folder, options.threads)?;
        Self::of(disk, folder, found, options)
    }

    /// Opens what a reader has looked at, without reading it again. Nobody may have written to it since.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn resume(reader: &ChangelogReader, options: ChangelogOptions) -> Result<Self> {
        let ChangelogReader { disk, folder, found } = reader;
        disk.make_folder(folder)?;
        Self::of(disk.clone(), folder, found.clone(), options)
    }

    fn of(disk: Arc<dyn Disk>, folder: &Path, found: Found, options: ChangelogOptions) -> Result<Self> {
        let mut log = Self {
            disk: alterable("changelog.disk", disk),
            folder: folder.to_owned(),
            options,
            segments: found.segments,
            file: None,
            committed: found.committed,
            marked: found.committed,
            state: Writing::Sound,
            buffer: Vec::new(),
        };
        for path in found.not_begun {
            log.disk.remove(&path)?;
            log.disk.sync_folder(&log.folder)?;
        }
        if let Some(last) = log.segments.last() {
            let mut file = log.disk.open(&last.path)?;
            fail_point!("changelog.found");
            if found.torn.is_some() {
                fail_point!("changelog.torn");
                file.cut(last.end)?;
                fail_point!("changelog.mended");
            }
            // What was read may be in the cache only: a crash of the process alone leaves unsynced records behind.
            file.sync()?;
            log.file = Some(file);
            log.disk.sync_folder(&log.folder)?;
        }
        Ok(log)
    }

    /// The last epoch that was prepared; `None` if there is no record.
    #[must_use]
    pub fn last_epoch(&self) -> Option<u64> {
        self.segments.iter().rev().find_map(|segment| segment.records.last()).map(|record| record.epoch)
    }

    /// The first epoch of which there is a record.
    #[must_use]
    pub fn first_epoch(&self) -> Option<u64> {
        self.segments.iter().find_map(|segment| segment.records.first()).map(|record| record.epoch)
    }

    /// The last epoch that is known to be committed; 0 if none is. The truth may be ahead by one epoch, since marks
    /// are written late: the sinks know.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).sum()
    }

    /// Appends the epoch's record and syncs it: on return, the epoch is prepared.
    ///
    /// # Errors
    /// [`StateError::InvalidState`] unless the epoch follows the last one. [`StateError::File`] when writing fails: the
    /// epoch is not prepared then, and where there was no room, the call may be repeated. After a failed sync, every
    /// further call fails until the changelog is opened again.
    pub fn prepare(&mut self, record: &EpochRecord) -> Result<()> {
        if let Some(last) = self.last_epoch()
            && record.epoch != last + 1
        {
            return Err(self.out_of_turn("preparing", record.epoch, format!("epoch {} comes next", last + 1)));
        }
        self.mend()?;
        if let Some(segment) = self.segments.last()
            && !self.disk.exists(&segment.path)?
        {
            // Whoever writes on writes into a file without a name, and nothing of it is found again.
            return Err(taken_away(&segment.path));
        }
        let full = self.segments.last().is_none_or(|segment| {
            segment.end >= self.options.segment_bytes || (segment.records.is_empty() && segment.first != record.epoch)
        });
        if full {
            self.rotate(record.epoch)?;
        }
        let bytes = segment::Record::of(record, self.committed, self.options.compress)?;
        let length = bytes.length();
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.append(length, |out| bytes.write(&mut buffer, out));
        self.buffer = buffer;
        written?;
        self.marked = self.committed;
        if let Some(segment) = self.segments.last_mut() {
            segment.records.push(Located { epoch: record.epoch, at: segment.end });
            segment.end += length;
        }
        Ok(())
    }

    /// Notes that the epoch is committed. It is written with the next record, or by [`sync_mark`](Self::sync_mark).
    ///
    /// # Errors
    /// [`StateError::InvalidState`] if it was not prepared.
    pub fn mark(&mut self, epoch: u64) -> Result<()> {
        if self.last_epoch().is_none_or(|last| epoch > last) {
            return Err(self.out_of_turn("marking", epoch, "it was not prepared".into()));
        }
        self.committed = self.committed.max(epoch);
        Ok(())
    }

    /// Writes the last mark now, and syncs: at the end of a job, or when there is nothing else to do. Without it, the
    /// next start asks the sinks.
    ///
    /// # Errors
    /// [`StateError::File`] when writing fails.
    pub fn sync_mark(&mut self) -> Result<()> {
        let Some(last) = self.last_epoch().filter(|_| self.marked < self.committed) else { return Ok(()) };
        self.mend()?;
        let mut buffer = vec![];
        segment::encode_mark(last, self.committed, &mut buffer);
        fail_point!("changelog.mark");
        self.append(buffer.len() as u64, |out| out(&buffer))?;
        fail_point!("changelog.marked");
        self.marked = self.committed;
        if let Some(segment) = self.segments.last_mut() {
            segment.end += buffer.len() as u64;
        }
        Ok(())
    }

    /// Rolls back the last record, of an epoch that was prepared but that no sink has committed.
    ///
    /// # Errors
    /// [`StateError::InvalidState`] if there is no record, or its epoch is marked; [`StateError::File`] when cutting
    /// fails.
    pub fn drop_last(&mut self) -> Result<()> {
        let last = self.last_epoch().unwrap_or(0);
        if last == 0 || last <= self.committed {
            return Err(self.out_of_turn("dropping", last, "only an epoch that is not committed can be".into()));
        }
        self.mend()?;
        // A new segment that has no record yet stands after the one to be cut.
        while let Some(empty) = self.segments.pop_if(|segment| segment.records.is_empty()) {
            self.file = None;
            self.disk.remove(&empty.path)?;
            self.disk.sync_folder(&self.folder)?;
        }
        let Some((segment, at)) = self.segments.last_mut().and_then(|segment| {
            let at = segment.records.last()?.at;
            Some((segment, at))
        }) else {
            return Ok(());
        };
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.disk.open(&segment.path)?,
        };
        self.state = Writing::Unknown;
        fail_point!("changelog.drop");
        file.cut(at)?;
        fail_point!("changelog.drop.cut");
        file.sync()?;
        fail_point!("changelog.dropped");
        segment.records.pop();
        segment.end = at;
        self.file = Some(file);
        self.state = Writing::Sound;
        // A mark may have been cut off with the record.
        self.marked = 0;
        Ok(())
    }

    /// Removes the segments of which every epoch is before `durable`, and committed: what snapshots and backends hold
    /// for good.
    ///
    /// For snapshots, that is what [`Snapshots::retain`](crate::Snapshots::retain) returns; for a backend, the smallest
    /// marker of all shards at its last flush, if every shard that ever changed has one.
    ///
    /// # Errors
    /// [`StateError::File`] when a segment cannot be removed.
    pub fn truncate(&mut self, durable: u64) -> Result<()> {
        // The record of the last durable epoch stays: it tells how far the changelog has come, whatever is dropped.
        let durable = durable.min(self.committed);
        let superfluous = |pair: &[Segment]| pair[1].first <= durable;
        let count = self.segments.windows(2).take_while(|pair| superfluous(pair)).count();
        // From the front, one by one: what is left has no gap, whenever this ends.
        for _ in 0..count {
            fail_point!("changelog.truncate");
            self.disk.remove(&self.segments[0].path)?;
            fail_point!("changelog.truncate.removed");
            self.disk.sync_folder(&self.folder)?;
            self.segments.remove(0);
        }
        Ok(())
    }

    /// The records from `epoch` on, read from disk one segment at a time.
    pub fn records(&self, epoch: u64) -> impl Iterator<Item = Result<EpochRecord>> + use<> {
        read(self.disk.clone(), self.segments.clone(), epoch)
    }

    fn out_of_turn(&self, doing: &str, epoch: u64, reason: String) -> StateError {
        StateError::InvalidState { what: format!("{doing} epoch {epoch} in {}", self.folder.display()), reason }
    }

    /// Cuts off what a failed write left behind.
    fn mend(&mut self) -> Result<()> {
        match (self.state, self.segments.last(), &mut self.file) {
            (Writing::Sound, ..) => Ok(()),
            (Writing::Ragged, Some(segment), Some(file)) => {
                file.cut(segment.end)?;
                // Synced, so that a crash during the next write cannot leave a mixture of both.
                self.state = Writing::Unknown;
                file.sync()?;
                self.state = Writing::Sound;
                Ok(())
            }
            _ => Err(StateError::InvalidState {
                what: format!("writing to {}", self.folder.display()),
                reason: "it failed before, and what is on disk is not known: open the changelog again".into(),
            }),
        }
    }

    /// Appends this many bytes, which `write` hands over in chunks, and syncs them.
    fn append(
        &mut self,
        length: u64,
        write: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let file = match (&mut self.file, self.segments.last()) {
            (Some(file), _) => file,
            (None, Some(segment)) => self.file.insert(self.disk.open(&segment.path)?),
            (None, None) => return Err(self.out_of_turn("writing", 0, "there is no segment".into())),
        };
        fail_point!("changelog.append");
        self.state = Writing::Ragged;
        // Where a test may look, a write can be cut off in its middle.
        let half = if FAIL_POINTS && cfg!(not(test)) { length / 2 } else { 0 };
        let (mut written, mut halved) = (0, false);
        write(&mut |mut chunk| {
            if !halved && written + chunk.len() as u64 >= half {
                let (before, after) = chunk.split_at((half - written) as usize);
                if !before.is_empty() {
                    file.append(before)?;
                }
                fail_point!("changelog.append.half");
                (chunk, halved) = (after, true);
                written += before.len() as u64;
            }
            written += chunk.len() as u64;
            Ok(file.append(chunk)?)
        })?;
        debug_assert_eq!(written, length);
        fail_point!("changelog.appended");
        self.state = Writing::Unknown;
        file.sync()?;
        fail_point!("changelog.synced");
        self.state = Writing::Sound;
        Ok(())
    }

    /// Begins a segment whose first record will be that of `epoch`.
    fn rotate(&mut self, epoch: u64) -> Result<()> {
        if let Some(empty) = self.segments.pop_if(|segment| segment.records.is_empty()) {
            self.file = None;
            self.disk.remove(&empty.path)?;
        }
        let path = self.folder.join(segment::name(epoch));
        // One may be left of an attempt that failed.
        self.disk.remove(&path)?;
        let mut file = self.disk.create(&path)?;
        let header = segment::header();
        fail_point!("changelog.rotate.created");
        file.append(&header)?;
        fail_point!("changelog.rotate.written");
        file.sync()?;
        self.disk.sync_folder(&self.folder)?;
        fail_point!("changelog.rotated");
        self.file = Some(file);
        self.segments.push(Segment { path, first: epoch, records: vec![], end: header.len() as u64 });
        Ok(())
    }
}

/// Decodes a record's payload, for fuzzing.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn decode_payload(flags: u8, payload: &[u8]) {
    // Refusing the bytes is as good as taking them.
    _ = segment::decode_payload(Path::new("fuzz"), 0, flags, 1, 1 << 20, payload);
}

/// Looks through a segment and decodes what is in it, for fuzzing.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn look_through(path: &Path, bytes: &[u8], last: bool) {
    if let Ok(Some(content)) = Content::of(path, bytes, last) {
        assert!(content.end <= bytes.len() as u64);
        for record in content.records {
            // Refusing the bytes is as good as taking them.
            _ = segment::decode(path, bytes, record.at);
        }
    }
}
