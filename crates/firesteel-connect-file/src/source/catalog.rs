//! What is known of the files, from look to look.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use firesteel_connect::{ConnectError, Result, SplitId};
use firesteel_formats::Format;

use super::compression::Compression;
use super::fingerprint::Fingerprint;
use super::listing::{Listed, Listing};
use crate::path;

/// A file that is read.
#[derive(Debug, Clone)]
pub(crate) struct FileEntry {
    pub(crate) split: SplitId,
    pub(crate) path: PathBuf,
    pub(crate) fingerprint: Fingerprint,
    /// `None` while the file has too few bytes to tell.
    pub(crate) compression: Option<Compression>,
    /// Of a plain file: the position after the last line that may be read, or after all that may be looked at.
    pub(crate) announced: u64,
    /// Whether only reading can tell where the last record ends: of a compressed file, and of one that grows in a format
    /// whose records do not end with lines.
    pub(crate) by_reading: bool,
    /// Whether the format packs records, so that the file is read as a compressed one is.
    pub(crate) is_packed: bool,
    /// The position after its last record then, once a reader has found it.
    pub(crate) end: Arc<OnceLock<u64>>,
    committed: u64,
}

impl FileEntry {
    /// The position after what is known to be there.
    pub(crate) fn available(&self) -> Option<u64> {
        if self.by_reading { self.end.get().copied() } else { Some(self.announced) }
    }

    pub(crate) fn is_plain(&self) -> bool {
        !self.is_packed && matches!(self.compression, None | Some(Compression::Plain))
    }

    /// The error of data that is no longer there.
    pub(crate) fn lost(&self, position: u64, reason: impl Into<String>) -> ConnectError {
        ConnectError::Lost { place: self.path.display().to_string(), position, reason: reason.into() }
    }

    fn is_done(&self) -> bool {
        // What comes after the last whole record may be the beginning of another one, and would be lost without a word.
        let unfinished = (self.by_reading && self.is_plain()).then(|| self.fingerprint.size());
        self.available().is_some_and(|available| self.committed >= unfinished.unwrap_or(available))
    }
}

/// Where records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Borders {
    /// At every newline.
    Lines,
    /// Where the format says.
    Records,
    /// Within what has to be unpacked.
    Packed,
}

impl Borders {
    pub(crate) fn of(format: &impl Format) -> Self {
        if format.is_packed() {
            Self::Packed
        } else if format.ends_at_newlines() {
            Self::Lines
        } else {
            Self::Records
        }
    }
}

/// The files, in the order in which they are read.
#[derive(Debug)]
pub(crate) struct Catalog {
    listing: Listing,
    follow: bool,
    borders: Borders,
    looked: bool,
    files: Vec<FileEntry>,
    index: HashMap<SplitId, usize>,
}

impl Catalog {
    pub(crate) fn new(paths: Vec<PathBuf>, follow: bool, borders: Borders) -> Self {
        let listing = Listing::new(paths, follow);
        Self { listing, follow, borders, looked: false, files: Vec::new(), index: HashMap::new() }
    }

    pub(crate) fn has_looked(&self) -> bool {
        self.looked
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.files.iter()
    }

    pub(crate) fn file(&self, split: &SplitId) -> Option<&FileEntry> {
        self.index.get(split).map(|index| &self.files[*index])
    }

    pub(crate) fn committed(&mut self, positions: &[(SplitId, u64)]) {
        for (split, position) in positions {
            // A file that was read to its end and removed may still be mentioned.
            if let Some(index) = self.index.get(split) {
                self.files[*index].committed = *position;
            }
        }
    }

    /// Looks for files. Unless they are followed, the first look is the only one.
    pub(crate) fn look(&mut self) -> Result<()> {
        if self.looked && !self.follow {
            return Ok(());
        }
        let listed = self.listing.look()?;
        // Nothing is changed before the look has succeeded: it may be repeated.
        let mut files = Vec::with_capacity(listed.len());
        for file in listed {
            let split = SplitId::new(path::text(&file.path)?);
            let entry = match self.file(&split) {
                Some(known) => self.look_again(known.clone())?,
                None => self.look_first(split, file)?,
            };
            files.extend(entry);
        }
        let index: HashMap<SplitId, usize> =
            files.iter().enumerate().map(|(index, file)| (file.split.clone(), index)).collect();
        if let Some(gone) = self.files.iter().find(|file| !index.contains_key(&file.split) && !file.is_done()) {
            return Err(vanished(gone, gone.committed));
        }
        (self.files, self.index, self.looked) = (files, index, true);
        Ok(())
    }

    fn look_first(&self, split: SplitId, listed: Listed) -> Result<Option<FileEntry>> {
        let Listed { path, bytes } = listed;
        let fingerprint = match Fingerprint::of(&path) {
            Ok(fingerprint) => fingerprint,
            // It came and went between two looks, and was never one of ours.
            Err(error) if error.kind() == ErrorKind::NotFound && self.follow && bytes.is_none() => return Ok(None),
            Err(error) => return Err(path::failed("read", &path)(error)),
        };
        let mut entry = FileEntry {
            split,
            path,
            fingerprint,
            compression: None,
            announced: 0,
            by_reading: false,
            is_packed: self.borders == Borders::Packed,
            end: Arc::new(OnceLock::new()),
            committed: 0,
        };
        if let Some(bytes) = bytes.filter(|bytes| *bytes != entry.fingerprint.size()) {
            let size = entry.fingerprint.size();
            return Err(entry.lost(size, format!("the manifest says {bytes} bytes, the file has {size}; restore it")));
        }
        self.announce(&mut entry)?;
        Ok(Some(entry))
    }

    /// `None` for a file that is gone; whether that is an error is decided once all files are known.
    fn look_again(&self, mut entry: FileEntry) -> Result<Option<FileEntry>> {
        let now = match std::fs::metadata(&entry.path) {
            Ok(now) => now,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(path::failed("read", &entry.path)(error)),
        };
        if entry.fingerprint.is_untouched(&now) {
            return Ok(Some(entry));
        }
        let fingerprint = match Fingerprint::of(&entry.path) {
            Ok(fingerprint) => fingerprint,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(path::failed("read", &entry.path)(error)),
        };
        let (before, size) = (entry.fingerprint.size(), fingerprint.size());
        if entry.is_plain() && size < entry.announced {
            let reason = format!("the file was cut to {size} bytes; start without the old positions");
            return Err(entry.lost(entry.announced, reason));
        }
        if !entry.fingerprint.may_have_become(&fingerprint) {
            let reason = "another file has taken its name, or it was rewritten; give each piece of a rotated log a \
                          name of its own, and start without the old positions";
            return Err(entry.lost(entry.committed, reason));
        }
        if !entry.is_plain() && size != before {
            let reason = format!(
                "a compressed file cannot be followed while it grows, and it went from {before} to {size} bytes; \
                 write it elsewhere and move it here when it is complete"
            );
            return Err(entry.lost(entry.committed, reason));
        }
        entry.fingerprint = fingerprint;
        self.announce(&mut entry)?;
        Ok(Some(entry))
    }

    /// Finds out what may be read of the file.
    fn announce(&self, entry: &mut FileEntry) -> Result<()> {
        let by_bytes = entry.compression.or_else(|| Compression::of(entry.fingerprint.head()));
        let by_name = || (!self.follow).then(|| Compression::of_name(&entry.path));
        entry.compression = by_bytes.or_else(by_name);
        if entry.compression == Some(Compression::Plain) {
            let size = entry.fingerprint.size();
            if self.follow && self.borders != Borders::Lines {
                // What has been added may complete a record.
                entry.end = Arc::new(OnceLock::new());
            }
            entry.announced = if self.follow && self.borders == Borders::Lines {
                let line_end = last_line_end(&entry.path, entry.announced, size);
                line_end.map_err(path::failed("read", &entry.path))?
            } else {
                size
            };
        }
        entry.by_reading = !entry.is_plain() || (self.follow && self.borders != Borders::Lines);
        Ok(())
    }
}

/// The error of a file that is gone.
pub(crate) fn vanished(file: &FileEntry, position: u64) -> ConnectError {
    file.lost(position, "the file is gone; put it back, or start without the old positions")
}

/// The position after the last newline in `[from, to)`, or `from`.
fn last_line_end(path: &Path, from: u64, to: u64) -> io::Result<u64> {
    const CHUNK: u64 = 64 << 10;
    let mut file = File::open(path)?;
    let mut buffer = vec![0; usize::try_from(CHUNK.min(to - from)).unwrap_or(0)];
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
