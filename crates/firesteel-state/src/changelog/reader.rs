//! Finding and reading what a changelog holds.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use firesteel_disk::{Disk, OsDisk};

use super::segment::{self, Content};
use super::{Changelog, EpochRecord, Segment};
use crate::error::{Result, StateError};
use crate::parallel;

/// What a [recovery](crate::snapshot::recover) reads of a log of epochs, whether that is open for writing or not.
pub trait EpochLog: std::fmt::Debug {
    /// The first epoch of which there is a record.
    fn first_epoch(&self) -> Option<u64>;

    /// The last epoch of which there is a record.
    fn last_epoch(&self) -> Option<u64>;

    /// The last epoch that is known to be committed; 0 if none is. The truth may be ahead by one epoch, since marks
    /// are written late: the sinks know.
    fn committed(&self) -> u64;

    /// The records from `epoch` on.
    fn records_from(&self, epoch: u64) -> Box<dyn Iterator<Item = Result<EpochRecord>> + Send>;

    /// The records from `epoch` on, perhaps without their frames: what is wanted are boundaries, watermarks and what
    /// the engine has noted.
    fn heads_from(&self, epoch: u64) -> Box<dyn Iterator<Item = Result<EpochRecord>> + Send> {
        self.records_from(epoch)
    }
}

impl EpochLog for Changelog {
    fn first_epoch(&self) -> Option<u64> {
        self.first_epoch()
    }

    fn last_epoch(&self) -> Option<u64> {
        self.last_epoch()
    }

    fn committed(&self) -> u64 {
        self.committed()
    }

    fn records_from(&self, epoch: u64) -> Box<dyn Iterator<Item = Result<EpochRecord>> + Send> {
        Box::new(self.records(epoch))
    }

    fn heads_from(&self, epoch: u64) -> Box<dyn Iterator<Item = Result<EpochRecord>> + Send> {
        Box::new(read_heads(self.disk.clone(), self.segments.clone(), epoch))
    }
}

impl EpochLog for ChangelogReader {
    fn first_epoch(&self) -> Option<u64> {
        self.epochs().next()
    }

    fn last_epoch(&self) -> Option<u64> {
        self.epochs().last()
    }

    fn committed(&self) -> u64 {
        self.committed()
    }

    fn records_from(&self, epoch: u64) -> Box<dyn Iterator<Item = Result<EpochRecord>> + Send> {
        Box::new(self.records(epoch))
    }

    fn heads_from(&self, epoch: u64) -> Box<dyn Iterator<Item = Result<EpochRecord>> + Send> {
        Box::new(read_heads(self.disk.clone(), self.found.segments.clone(), epoch))
    }
}

/// A changelog for tools, and for who looks before he writes: read, never changed.
#[derive(Debug, Clone)]
pub struct ChangelogReader {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
    pub(super) found: Found,
}

impl ChangelogReader {
    /// Looks at the changelog in a folder, also while it is written to.
    ///
    /// # Errors
    /// As [`Changelog::open`](super::Changelog::open).
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_with(folder, 1)
    }

    /// [Opens](Self::open) it with this many threads, four at most, each of which holds a segment in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(folder: &Path, threads: usize) -> Result<Self> {
        let disk = OsDisk::shared();
        let found = Found::look(&*disk, folder, threads)?;
        Ok(Self { disk, folder: folder.to_owned(), found })
    }

    /// The epochs of all records.
    pub fn epochs(&self) -> impl Iterator<Item = u64> {
        self.found.segments.iter().flat_map(|segment| &segment.records).map(|record| record.epoch)
    }

    /// The last epoch that is known to be committed; 0 if none is.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.found.committed
    }

    /// The file and the byte at which an unfinished write begins, if there is one.
    #[must_use]
    pub fn torn(&self) -> Option<(&Path, u64)> {
        self.found.torn.as_ref().map(|(path, at)| (path.as_path(), *at))
    }

    /// The records from `epoch` on.
    pub fn records(&self, epoch: u64) -> impl Iterator<Item = Result<EpochRecord>> + use<> {
        read(self.disk.clone(), self.found.segments.clone(), epoch)
    }
}

/// More threads do not look through segments at once, each of which is in memory as a whole.
const MOST_THREADS: usize = 4;

/// What is in a folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) segments: Vec<Segment>,
    pub(super) committed: u64,
    pub(super) torn: Option<(PathBuf, u64)>,
    /// Segments whose header was not written to its end.
    pub(super) not_begun: Vec<PathBuf>,
}

impl Found {
    pub(super) fn look(disk: &dyn Disk, folder: &Path, threads: usize) -> Result<Self> {
        let names: Vec<(u64, String)> =
            disk.list(folder)?.into_iter().filter_map(|name| Some((segment::parse_name(&name)?, name))).collect();
        let last = names.len().saturating_sub(1);
        let seen: Vec<(usize, u64, PathBuf, OnceLock<Option<Content>>)> = (names.into_iter().enumerate())
            .map(|(number, (first, name))| (number, first, folder.join(name), OnceLock::new()))
            .collect();
        parallel::each(threads.min(MOST_THREADS), &seen, |(number, _, path, content)| {
            let found = Content::of(path, &disk.read(path)?, *number == last)?;
            content.get_or_init(|| found);
            Ok(())
        })?;
        let mut found = Self::default();
        let mut next = None;
        for (_, first, path, content) in seen {
            let Some(content) = content.into_inner().flatten() else {
                found.not_begun.push(path);
                continue;
            };
            let begins = content.records.first().map_or(first, |record| record.epoch);
            let expected = next.unwrap_or(first);
            if begins != first || begins != expected {
                let place = path.display().to_string();
                return Err(StateError::Gap { place, expected, found: format!("epoch {begins}") });
            }
            next = Some(content.records.last().map_or(first, |record| record.epoch + 1));
            found.committed = found.committed.max(content.committed);
            if let Some(at) = content.torn {
                found.torn = Some((path.clone(), at));
            }
            found.segments.push(Segment { path, first, records: content.records, end: content.end });
        }
        Ok(found)
    }
}

/// The records from an epoch on. A segment is read as a whole when its first record is wanted.
pub(super) fn read(
    disk: Arc<dyn Disk>,
    segments: Vec<Segment>,
    from: u64,
) -> impl Iterator<Item = Result<EpochRecord>> {
    let open = move |path: &Path| Ok(disk.read(path)?);
    read_with(segments, from, open, |path, bytes, at| segment::decode(path, bytes, at))
}

/// The records from an epoch on, without their frames, of which as little as possible is read.
fn read_heads(
    disk: Arc<dyn Disk>,
    segments: Vec<Segment>,
    from: u64,
) -> impl Iterator<Item = Result<EpochRecord>> + Send {
    let open = move |path: &Path| Ok(disk.open_to_read(path)?);
    read_with(segments, from, open, |path, file, at| segment::decode_head(path, file.as_mut(), at))
}

/// The records from an epoch on: `open` is called once for each segment, and `decode` for each record in it.
fn read_with<T>(
    segments: Vec<Segment>,
    from: u64,
    open: impl Fn(&Path) -> Result<T>,
    decode: impl Fn(&Path, &mut T, u64) -> Result<EpochRecord> + Copy,
) -> impl Iterator<Item = Result<EpochRecord>> {
    segments.into_iter().filter(move |segment| segment.records.last().is_some_and(|last| last.epoch >= from)).flat_map(
        move |segment| {
            let (mut opened, error) = match open(&segment.path) {
                Ok(opened) => (Some(opened), None),
                Err(error) => (None, Some(Err(error))),
            };
            let wanted = segment.records.into_iter().filter(move |record| record.epoch >= from);
            let path = segment.path;
            let records = wanted.filter_map(move |record| Some(decode(&path, opened.as_mut()?, record.at)));
            error.into_iter().chain(records)
        },
    )
}
