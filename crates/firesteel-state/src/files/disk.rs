//! What durable state asks of a file system, behind a seam: so that tests can crash between any two calls and lose
//! whatever was not synced.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{failed, sync_folder};
use crate::error::Result;

/// A file that grows at its end.
pub(crate) trait Growing: Send + Debug {
    /// Writes at the end.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes everything written so far survive a crash of the machine. The name of a new file does so only with its
    /// folder.
    fn sync(&mut self) -> Result<()>;

    /// Cuts the file to `length` bytes.
    fn cut(&mut self, length: u64) -> Result<()>;
}

/// A file system.
pub(crate) trait Disk: Send + Sync + Debug {
    /// A new, empty file; the folder must be there, the file must not.
    fn create(&self, path: &Path) -> Result<Box<dyn Growing>>;

    /// An existing file, to be written at its end.
    fn open(&self, path: &Path) -> Result<Box<dyn Growing>>;

    /// The whole contents of a file.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;

    /// The names in a folder, in ascending order; none if there is no such folder.
    fn list(&self, folder: &Path) -> Result<Vec<String>>;

    /// Gives a file another name, in place of what has that name.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file; nothing happens if there is none.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes a folder and those above it; they survive a crash.
    fn make_folder(&self, path: &Path) -> Result<()>;

    /// Makes the names in a folder survive a crash.
    fn sync_folder(&self, path: &Path) -> Result<()>;
}

/// Writes a file under another name, syncs it, gives it its name and syncs the folder: it is there whole or not at all.
pub(crate) fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    disk.remove(&temporary)?;
    let mut file = disk.create(&temporary)?;
    file.append(bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&temporary, path)?;
    disk.sync_folder(path.parent().unwrap_or(Path::new("")))
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OsDisk;

impl OsDisk {
    pub(crate) fn shared() -> Arc<dyn Disk> {
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
        self.file.write_all(bytes).map_err(failed("write", &self.path))
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(failed("sync", &self.path))
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(failed("cut", &self.path))?;
        self.file.seek(SeekFrom::End(0)).map_err(failed("seek in", &self.path))?;
        Ok(())
    }
}

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn Growing>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed("create", path))?;
        Ok(Box::new(OsFile { file, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Growing>> {
        let mut file = OpenOptions::new().write(true).open(path).map_err(failed("open", path))?;
        file.seek(SeekFrom::End(0)).map_err(failed("seek in", path))?;
        Ok(Box::new(OsFile { file, path: path.to_owned() }))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        super::read(path)
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(failed("list", folder)(error)),
        };
        let mut names = vec![];
        for entry in entries {
            // Names that are no text are not ours.
            if let Ok(name) = entry.map_err(failed("list", folder))?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(failed("rename", from))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
            _ => Ok(()),
        }
    }

    fn make_folder(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_folder(parent)?;
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed("create", path)(error)),
            _ => {}
        }
        sync_folder(path.parent().unwrap_or(Path::new("")))
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        sync_folder(path)
    }
}
