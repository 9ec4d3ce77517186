//! The machine's own file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Disk, DiskError, Growing, Lock, Reading, Result};

/// The machine's own file system.
#[derive(Debug, Clone, Copy)]
pub struct OsDisk;

impl OsDisk {
    /// As it is passed around.
    #[must_use]
    pub fn shared() -> Arc<dyn Disk> {
        Arc::new(Self)
    }
}

#[derive(Debug)]
struct OsFile {
    file: File,
    path: PathBuf,
}

impl Growing for OsFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(DiskError::of("write", &self.path))
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(DiskError::of("sync", &self.path))
    }

    fn rewrite(&mut self, from: u64) -> Result<()> {
        let mut reader = File::open(&self.path).map_err(DiskError::of("open", &self.path))?;
        reader.seek(SeekFrom::Start(from)).map_err(DiskError::of("seek in", &self.path))?;
        self.file.seek(SeekFrom::Start(from)).map_err(DiskError::of("seek in", &self.path))?;
        std::io::copy(&mut reader, &mut self.file).map_err(DiskError::of("write", &self.path))?;
        Ok(())
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(DiskError::of("cut", &self.path))?;
        self.file.seek(SeekFrom::End(0)).map_err(DiskError::of("seek in", &self.path))?;
        Ok(())
    }
}

impl Reading for OsFile {
    fn read_at(&mut self, at: u64, bytes: &mut [u8]) -> Result<usize> {
        self.file.seek(SeekFrom::Start(at)).map_err(DiskError::of("seek in", &self.path))?;
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::of("read", &self.path)(error)),
            }
        }
        Ok(filled)
    }

    fn length(&mut self) -> Result<u64> {
        Ok(self.file.metadata().map_err(DiskError::of("inspect", &self.path))?.len())
    }
}

/// The names in a folder for which `counts` holds, in ascending order.
fn names(folder: &Path, counts: impl Fn(&fs::DirEntry) -> std::io::Result<bool>) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(DiskError::of("list", folder)(error)),
    };
    let mut names = vec![];
    for entry in entries {
        let entry = entry.map_err(DiskError::of("list", folder))?;
        if counts(&entry).map_err(DiskError::of("list", folder))?
            // Names that are no text are not ours.
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn Growing>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(DiskError::of("create", path))?;
        Ok(Box::new(OsFile { file, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Growing>> {
        let mut file = OpenOptions::new().write(true).open(path).map_err(DiskError::of("open", path))?;
        file.seek(SeekFrom::End(0)).map_err(DiskError::of("seek in", path))?;
        Ok(Box::new(OsFile { file, path: path.to_owned() }))
    }

    fn open_to_read(&self, path: &Path) -> Result<Box<dyn Reading>> {
        let file = File::open(path).map_err(DiskError::of("open", path))?;
        Ok(Box::new(OsFile { file, path: path.to_owned() }))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        path.try_exists().map_err(DiskError::of("look for", path))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = vec![];
        let mut file = File::open(path).map_err(DiskError::of("open", path))?;
        file.read_to_end(&mut bytes).map_err(DiskError::of("read", path))?;
        Ok(bytes)
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        names(folder, |_| Ok(true))
    }

    fn folders(&self, folder: &Path) -> Result<Vec<String>> {
        names(folder, |entry| Ok(entry.file_type()?.is_dir()))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(DiskError::of("rename", from))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<bool> {
        // A rename would replace what is there; a second name is only given where there is none.
        match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from).map(|()| true).map_err(DiskError::of("rename", from)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // A file system without second names, as on cards and many network drives: there one writer at a time is safe.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                if self.exists(to)? { Ok(false) } else { self.rename(from, to).map(|()| true) }
            }
            Err(error) => Err(DiskError::of("rename", from)(error)),
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(DiskError::of("remove", path)(error)),
            _ => Ok(()),
        }
    }

    fn make_folder(&self, path: &Path) -> Result<()> {
        // A relative path has the empty one above it, which stands for the folder the process is in.
        if path.is_dir() || path.as_os_str().is_empty() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_folder(parent)?;
        }
        match fs::create_dir(path) {
            // Somebody else may have made it meanwhile; a file in its place is no folder.
            Err(error) if error.kind() != ErrorKind::AlreadyExists || !path.is_dir() => {
                return Err(DiskError::of("create", path)(error));
            }
            _ => {}
        }
        sync_folder(path.parent().unwrap_or(Path::new("")))
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        sync_folder(path)
    }

    fn lock(&self, path: &Path) -> Result<Option<Lock>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(DiskError::of("open", path))?;
        match LockedFile::try_new(file) {
            Ok(file) => Ok(Some(Lock::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(DiskError::of("lock", path)(source)),
        }
    }
}

/// A file that is locked until this is dropped, or the process ends in any way.
///
/// Closing the file would not do. A process that any thread starts has all open files of this one for a moment, until its
/// own program runs; on a busy machine that moment is long enough for the next start to find a lock that nobody holds.
#[derive(Debug)]
pub struct LockedFile(File);

impl LockedFile {
    /// Locks an open file, if nobody else has it.
    ///
    /// # Errors
    /// [`WouldBlock`](TryLockError::WouldBlock) while another process, or another part of this one, has the lock;
    /// otherwise what the operating system says.
    pub fn try_new(file: File) -> std::result::Result<Self, TryLockError> {
        file.try_lock().map(|()| Self(file))
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // It is closed next: what cannot be unlocked is unlocked then, or when the last who has it open ends.
        _ = self.0.unlock();
    }
}

/// Makes the names in a folder durable. Where folders cannot be synced, names are durable with their files.
///
/// # Errors
/// When that is not certain.
pub fn sync_folder(path: &Path) -> Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    match File::open(path).and_then(|folder| folder.sync_all()) {
        Ok(()) => Ok(()),
        // Windows and some network file systems cannot open or sync a folder.
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => Ok(()),
        Err(_) if cfg!(windows) => Ok(()),
        Err(error) => Err(DiskError::of("sync", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_gone_when_it_is_dropped_although_a_new_process_still_has_the_file() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("LOCK");
        let open =
            || OpenOptions::new().write(true).create(true).truncate(false).open(&path).expect("it can be opened");
        let locked = LockedFile::try_new(open()).expect("nobody has it");
        // What a process has of its parent's files between its start and that of its program.
        let inherited = locked.file().try_clone().expect("it can be opened twice");
        assert!(matches!(LockedFile::try_new(open()), Err(TryLockError::WouldBlock)));
        drop(locked);
        LockedFile::try_new(open()).expect("nobody has it any more");
        drop(inherited);
    }
}
