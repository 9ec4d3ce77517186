//! A file system in memory that stops working at a chosen call and then shows what a crash may have left: everything
//! synced, and of the rest nothing, all, or any sectors.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, Growing};
use super::failed;
use crate::error::Result;

const SECTOR: usize = 512;

/// What the crash does to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Loss {
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
    /// Whether it goes on working after the failed call.
    recovers: bool,
    full: bool,
}

/// A file system in memory. Clones share it.
#[derive(Debug, Default, Clone)]
pub(crate) struct CrashingDisk(Arc<Mutex<Inner>>);

impl Inner {
    fn call(&mut self, path: &Path) -> Result<()> {
        self.calls += 1;
        match self.fail_at {
            Some(at) if self.calls == at || (self.calls > at && !self.recovers) => {
                Err(failed("use", path)(Error::other("the disk is gone")))
            }
            _ => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> Result<u64> {
        self.names.get(path).copied().ok_or_else(|| failed("open", path)(ErrorKind::NotFound.into()))
    }
}

impl CrashingDisk {
    pub(crate) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// From the `at`th call that changes something on, counted from now, nothing works any more.
    pub(crate) fn fail_at(&self, at: u64) {
        let mut inner = self.0.lock();
        inner.calls = 0;
        inner.fail_at = Some(at);
        inner.recovers = false;
    }

    /// Only the `at`th call fails.
    pub(crate) fn fail_once(&self, at: u64) {
        self.fail_at(at);
        self.0.lock().recovers = true;
    }

    /// Whether writes find no room, of which they use up what there is.
    pub(crate) fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// What is there after a crash, in working order.
    pub(crate) fn after_crash(&self, loss: Loss) -> Self {
        let inner = self.0.lock();
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
                if sector != old && !lost() {
                    left.resize(left.len().max(start + sector.len()), 0);
                    left[start..start + sector.len()].copy_from_slice(sector);
                }
            }
            if contents.now.len() < contents.synced.len() && !lost() {
                left.truncate(contents.now.len());
            }
            files.insert(*file, Contents { now: left.clone(), synced: left });
        }
        let inner = Inner { files, synced_names: names.clone(), names, next: inner.next, ..Inner::default() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Replaces a file's contents, as damage does.
    pub(crate) fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.0.lock();
        let file = inner.names[path];
        let contents = inner.files.get_mut(&file).expect("every name has a file");
        change(&mut contents.now);
        contents.synced = contents.now.clone();
    }

    /// Takes a file away.
    pub(crate) fn lose(&self, path: &Path) {
        let mut inner = self.0.lock();
        inner.names.remove(path);
        inner.synced_names.remove(path);
    }

    /// All files.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.0.lock().names.keys().cloned().collect()
    }

    /// An independent copy.
    pub(crate) fn copy(&self) -> Self {
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
        let mut inner = self.disk.0.lock();
        inner.call(&self.path)?;
        change(inner.files.entry(self.file).or_default());
        Ok(())
    }
}

impl Growing for Handle {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut inner = self.disk.0.lock();
        let room = if inner.full { bytes.len() / 2 } else { bytes.len() };
        // A write that fails may have written a part.
        let called = inner.call(&self.path);
        let written = if called.is_err() { bytes.len() / 3 } else { room };
        let full = inner.full;
        inner.files.entry(self.file).or_default().now.extend_from_slice(&bytes[..written]);
        called?;
        if full { Err(failed("write", &self.path)(ErrorKind::StorageFull.into())) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<()> {
        self.change(|contents| contents.synced = contents.now.clone())
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        self.change(|contents| contents.now.truncate(length as usize))
    }
}

impl Disk for CrashingDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn Growing>> {
        let mut inner = self.0.lock();
        inner.call(path)?;
        if inner.names.contains_key(path) {
            return Err(failed("create", path)(ErrorKind::AlreadyExists.into()));
        }
        inner.next += 1;
        let file = inner.next;
        inner.names.insert(path.to_owned(), file);
        inner.files.insert(file, Contents::default());
        Ok(Box::new(Handle { disk: self.clone(), file, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Growing>> {
        let file = self.0.lock().find(path)?;
        Ok(Box::new(Handle { disk: self.clone(), file, path: path.to_owned() }))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let inner = self.0.lock();
        Ok(inner.files[&inner.find(path)?].now.clone())
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        let inner = self.0.lock();
        let inside = inner.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut inner = self.0.lock();
        inner.call(from)?;
        let file = inner.find(from)?;
        inner.names.remove(from);
        inner.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut inner = self.0.lock();
        inner.call(path)?;
        inner.names.remove(path);
        Ok(())
    }

    fn make_folder(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        let mut inner = self.0.lock();
        inner.call(path)?;
        let inside = |name: &PathBuf| name.parent() == Some(path);
        let now: Vec<_> = inner.names.iter().filter(|(name, _)| inside(name)).map(|(n, f)| (n.clone(), *f)).collect();
        inner.synced_names.retain(|name, _| !inside(name));
        inner.synced_names.extend(now);
        Ok(())
    }
}
