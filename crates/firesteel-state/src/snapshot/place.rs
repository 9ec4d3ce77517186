//! Where snapshots are kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_disk::{Disk, OsDisk, write_new};

use super::name::RunId;
use crate::error::{Result, StateError};

/// A place for files that are created once and never changed: a folder, or a bucket of an object store.
pub trait SnapshotStore: Send + Sync + 'static {
    /// What it is and where, for messages.
    fn describe(&self) -> String;

    /// Stores a file of a name that none has. On return it survives a crash; it is there as a whole or not at all. Of
    /// several calls for one name, one succeeds, whoever makes them: what is there is never replaced.
    ///
    /// # Errors
    /// [`StateError::Exists`] when there is one, also if that came of a call that failed before it was told of its success;
    /// others when it cannot be stored.
    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// The contents of a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    fn get(&self, name: &str) -> Result<Vec<u8>>;

    /// A part of a file: `length` bytes from byte `from` on, fewer where the file ends before. Several threads read
    /// parts at once when a job resumes.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn get_part(&self, name: &str, from: u64, length: u64) -> Result<Vec<u8>> {
        Ok(part_of(self.get(name)?, from, length))
    }

    /// The names of all files.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn list(&self) -> Result<Vec<String>>;

    /// Removes a file; nothing happens if there is none.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn delete(&self, name: &str) -> Result<()>;
}

/// A part of a whole file, as [`SnapshotStore::get_part`] cuts it: `length` bytes from byte `from` on, fewer where the
/// file ends before.
#[must_use]
pub fn part_of(mut file: Vec<u8>, from: u64, length: u64) -> Vec<u8> {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(file.len());
    let (from, to) = (place(from), place(from.saturating_add(length)));
    file.truncate(to);
    file.split_off(from)
}

/// Snapshots in a local folder.
#[derive(Debug)]
pub struct FolderStore {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    run: RunId,
    count: AtomicU64,
}

impl FolderStore {
    /// A folder, which is made if need be.
    ///
    /// # Errors
    /// [`StateError::File`](crate::StateError::File) when it cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_on(OsDisk::shared(), folder)
    }

    /// [Opens](Self::open) it on a disk of the caller's choice, such as one that crashes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self> {
        disk.make_folder(folder)?;
        Ok(Self::at(disk, folder))
    }

    /// A folder that is only read: it need not be there.
    pub(super) fn look_in(folder: &Path) -> Self {
        Self::at(OsDisk::shared(), folder)
    }

    fn at(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        Self { disk, folder: folder.to_owned(), run: RunId::random(), count: AtomicU64::new(0) }
    }
}

impl SnapshotStore for FolderStore {
    fn describe(&self) -> String {
        self.folder.display().to_string()
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        // Several may write to one name: each has a name of its own for what is not whole yet.
        let ending = format!(".{:016x}-{}.tmp", self.run.0, self.count.fetch_add(1, Ordering::Relaxed));
        if write_new(&*self.disk, &self.folder.join(name), &ending, bytes)? {
            return Ok(());
        }
        Err(StateError::Exists { place: self.describe(), name: name.to_owned() })
    }

    fn get(&self, name: &str) -> Result<Vec<u8>> {
        Ok(self.disk.read(&self.folder.join(name))?)
    }

    fn get_part(&self, name: &str, from: u64, length: u64) -> Result<Vec<u8>> {
        let mut file = self.disk.open_to_read(&self.folder.join(name))?;
        // What is claimed of a damaged file may be far more than there is.
        let length = length.min(file.length()?.saturating_sub(from));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = file.read_at(from, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn list(&self) -> Result<Vec<String>> {
        Ok(self.disk.list(&self.folder)?)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.disk.remove(&self.folder.join(name))?;
        Ok(self.disk.sync_folder(&self.folder)?)
    }
}
