//! A file system in memory that stops working at a chosen call and then shows what a crash may have left: everything
//! synced, and of the rest nothing, all, or any sectors.

//!
//! ```
//! use firesteel_disk::crashing::{CrashingDisk, Loss};
//! use firesteel_disk::Disk;
//! use std::path::Path;
//!
//! let disk = CrashingDisk::default();
//! let mut file = disk.create(Path::new("log"))?;
//! file.append(b"synced")?;
//! file.sync()?;
//! disk.sync_folder(Path::new(""))?;
//! disk.fail_at(2);
//! file.append(b", not synced")?;
//! assert!(file.sync().is_err(), "it works no more");
//! assert_eq!(disk.after_crash(Loss::All).read(Path::new("log"))?, b"synced");
//! # Ok::<(), firesteel_disk::DiskError>(())
//! ```
//!
//! Reading and listing never fail, and folders need not be made. A sync of a file that fails syncs nothing, and as on Linux
//! what it was to sync counts as written from then on: a later sync succeeds without it, reading shows it, and a crash
//! loses it, unless it is written once more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Disk, DiskError, Growing, Lock, Reading, Result};

const SECTOR: usize = 512;

/// What the crash does to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// All of it is lost.
    All,
    /// Nothing is.
    Nothing,
    /// Each sector and each name is lost or not, by the seed.
    Some(u64),
}

#[derive(Debug, Default, Clone)]
struct Contents {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// The sectors that were written since the last sync, or attempt at one.
    dirty: BTreeSet<usize>,
}

impl Contents {
    /// What a disk holds by itself.
    fn of(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), synced: bytes, dirty: BTreeSet::new() }
    }

    /// Takes note that bytes were written from here to the end.
    fn written_from(&mut self, at: usize) {
        self.dirty.extend(at / SECTOR..self.now.len().div_ceil(SECTOR));
    }

    fn sync(&mut self) {
        self.synced.resize(self.now.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let (from, to) = (sector * SECTOR, self.now.len().min((sector + 1) * SECTOR));
            if from < to {
                self.synced[from..to].copy_from_slice(&self.now[from..to]);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<u64, Contents>,
    /// The names as they are, and as they were when their folder was last synced.
    names: BTreeMap<PathBuf, u64>,
    synced_names: BTreeMap<PathBuf, u64>,
    next: u64,
    calls: u64,
    fail_at: Option<u64>,
    /// Whether it keeps working after the failed call.
    recovers: bool,
    full: bool,
    /// How many bytes can still be written, where that is limited.
    room: Option<u64>,
    locked: BTreeSet<PathBuf>,
}

/// A file system in memory. Clones share it.
#[derive(Debug, Default, Clone)]
pub struct CrashingDisk(Arc<Mutex<Inner>>);

impl Inner {
    fn call(&mut self, path: &Path) -> Result<()> {
        self.calls += 1;
        match self.fail_at {
            Some(at) if self.calls == at || (self.calls > at && !self.recovers) => {
                Err(DiskError::of("use", path)(Error::other("the disk is gone")))
            }
            _ => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> Result<u64> {
        self.names.get(path).copied().ok_or_else(|| DiskError::of("open", path)(ErrorKind::NotFound.into()))
    }
}

impl CrashingDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is passed around.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// From the `at`th call that changes something on, counted from now, nothing works any more.
    pub fn fail_at(&self, at: u64) {
        let mut inner = self.inner();
        inner.calls = 0;
        inner.fail_at = Some(at);
        inner.recovers = false;
    }

    /// Only the `at`th call fails.
    pub fn fail_once(&self, at: u64) {
        self.fail_at(at);
        self.inner().recovers = true;
    }

    /// Whether writes find no room, of which they use up what there is.
    pub fn set_full(&self, full: bool) {
        self.inner().full = full;
    }

    /// Writes find room for this many bytes from now on; one that needs more fails, and uses up what there is.
    pub fn leave_room(&self, bytes: Option<u64>) {
        self.inner().room = bytes;
    }

    /// How many calls that change something there were since the last [`fail_at`](Self::fail_at).
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner().calls
    }

    /// What is there after a crash, in working order.
    #[must_use]
    pub fn after_crash(&self, loss: Loss) -> Self {
        let inner = self.inner();
        let mut seed = match loss {
            Loss::Some(seed) => seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            _ => 0,
        };
        let mut lost = || match loss {
            Loss::All => true,
            Loss::Nothing => false,
            Loss::Some(_) => {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed >> 40 & 1 == 1
            }
        };
        let mut names = inner.synced_names.clone();
        for path in inner.names.keys().chain(inner.synced_names.keys()) {
            if inner.names.get(path) != inner.synced_names.get(path) && !lost() {
                match inner.names.get(path) {
                    Some(file) => _ = names.insert(path.clone(), *file),
                    None => _ = names.remove(path),
                }
            }
        }
        let mut files = BTreeMap::new();
        for file in names.values() {
            let contents = &inner.files[file];
            let mut left = contents.synced.clone();
            // A file is as long as its last sector that got through.
            for (number, sector) in contents.now.chunks(SECTOR).enumerate() {
                let start = number * SECTOR;
                let old = contents.synced.get(start..contents.synced.len().min(start + SECTOR)).unwrap_or_default();
                if sector != old && contents.dirty.contains(&number) && !lost() {
                    left.resize(left.len().max(start + sector.len()), 0);
                    left[start..start + sector.len()].copy_from_slice(sector);
                }
            }
            if contents.now.len() < contents.synced.len() && !lost() {
                left.truncate(contents.now.len());
            }
            files.insert(*file, Contents::of(left));
        }
        let inner = Inner { files, synced_names: names.clone(), names, next: inner.next, ..Inner::default() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// What is there when the process has died and the machine keeps running, in working order: everything, and what
    /// was not synced can still be lost.
    #[must_use]
    pub fn after_exit(&self) -> Self {
        let inner = self.inner();
        let left = Inner {
            files: inner.files.clone(),
            names: inner.names.clone(),
            synced_names: inner.synced_names.clone(),
            next: inner.next,
            ..Inner::default()
        };
        Self(Arc::new(Mutex::new(left)))
    }

    /// Replaces a file's contents, as damage does.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let file = inner.names[path];
        let contents = inner.files.get_mut(&file).expect("every name has a file");
        change(&mut contents.now);
        *contents = Contents::of(std::mem::take(&mut contents.now));
    }

    /// Takes a file away.
    pub fn lose(&self, path: &Path) {
        let mut inner = self.inner();
        inner.names.remove(path);
        inner.synced_names.remove(path);
    }

    /// All files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.inner().names.keys().cloned().collect()
    }

    /// An independent copy.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.after_crash(Loss::Nothing)
    }
}

#[derive(Debug)]
struct Handle {
    disk: CrashingDisk,
    file: u64,
    path: PathBuf,
}

impl Handle {
    fn change(&self, change: impl FnOnce(&mut Contents)) -> Result<()> {
        let mut inner = self.disk.inner();
        inner.call(&self.path)?;
        change(inner.files.entry(self.file).or_default());
        Ok(())
    }

    fn contents<R>(&self, see: impl FnOnce(&mut Contents) -> R) -> R {
        see(self.disk.inner().files.entry(self.file).or_default())
    }
}

impl Growing for Handle {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut inner = self.disk.inner();
        let length = bytes.len();
        let left = inner.room.map_or(length, |room| usize::try_from(room).unwrap_or(length));
        let room = if inner.full { length / 2 } else { left.min(length) };
        // A write that fails may have written a part.
        let called = inner.call(&self.path);
        let written = if called.is_err() { bytes.len() / 3 } else { room };
        let full = room < length;
        inner.room = inner.room.map(|left| left.saturating_sub(written as u64));
        let contents = inner.files.entry(self.file).or_default();
        let at = contents.now.len();
        contents.now.extend_from_slice(&bytes[..written]);
        contents.written_from(at);
        called?;
        if full { Err(DiskError::of("write", &self.path)(ErrorKind::StorageFull.into())) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<()> {
        self.change(Contents::sync).inspect_err(|_| self.contents(|contents| contents.dirty.clear()))
    }

    fn rewrite(&mut self, from: u64) -> Result<()> {
        self.change(|contents| contents.written_from(from as usize))
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        self.change(|contents| contents.now.truncate(length as usize))
    }
}

impl Reading for Handle {
    fn read_at(&mut self, at: u64, bytes: &mut [u8]) -> Result<usize> {
        let inner = self.disk.inner();
        let contents = &inner.files[&self.file].now;
        let rest = usize::try_from(at).ok().and_then(|at| contents.get(at..)).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn length(&mut self) -> Result<u64> {
        Ok(self.disk.inner().files[&self.file].now.len() as u64)
    }
}

/// Unlocks when it is dropped.
struct Held {
    disk: CrashingDisk,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.inner().locked.remove(&self.path);
    }
}

impl Disk for CrashingDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn Growing>> {
        let mut inner = self.inner();
        inner.call(path)?;
        if inner.names.contains_key(path) {
            return Err(DiskError::of("create", path)(ErrorKind::AlreadyExists.into()));
        }
        inner.next += 1;
        let file = inner.next;
        inner.names.insert(path.to_owned(), file);
        inner.files.insert(file, Contents::default());
        Ok(Box::new(Handle { disk: self.clone(), file, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Growing>> {
        let file = self.inner().find(path)?;
        Ok(Box::new(Handle { disk: self.clone(), file, path: path.to_owned() }))
    }

    fn open_to_read(&self, path: &Path) -> Result<Box<dyn Reading>> {
        let file = self.inner().find(path)?;
        Ok(Box::new(Handle { disk: self.clone(), file, path: path.to_owned() }))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.inner().names.contains_key(path))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let inner = self.inner();
        Ok(inner.files[&inner.find(path)?].now.clone())
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        let inner = self.inner();
        let inside = inner.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn folders(&self, folder: &Path) -> Result<Vec<String>> {
        let inner = self.inner();
        let below = inner.names.keys().filter_map(|path| path.strip_prefix(folder).ok());
        let first = |path: &Path| {
            let mut names = path.components();
            let name = names.next()?.as_os_str().to_str()?.to_owned();
            names.next().map(|_| name)
        };
        let folders: BTreeSet<String> = below.filter_map(first).collect();
        Ok(folders.into_iter().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut inner = self.inner();
        inner.call(from)?;
        let file = inner.find(from)?;
        inner.names.remove(from);
        inner.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<bool> {
        if self.inner().names.contains_key(to) {
            return Ok(false);
        }
        self.rename(from, to).map(|()| true)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut inner = self.inner();
        inner.call(path)?;
        inner.names.remove(path);
        Ok(())
    }

    fn make_folder(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        let mut inner = self.inner();
        inner.call(path)?;
        let inside = |name: &PathBuf| name.parent() == Some(path);
        let now: Vec<_> = inner.names.iter().filter(|(name, _)| inside(name)).map(|(n, f)| (n.clone(), *f)).collect();
        inner.synced_names.retain(|name, _| !inside(name));
        inner.synced_names.extend(now);
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Option<Lock>> {
        if !self.exists(path)? {
            drop(self.create(path)?);
        }
        let free = self.inner().locked.insert(path.to_owned());
        Ok(free.then(|| Lock::new(Held { disk: self.clone(), path: path.to_owned() })))
    }
}
