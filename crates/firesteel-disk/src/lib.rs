//! Files that survive a crash, behind a seam.
//!
//! Whoever promises that something is durable writes through a [`Disk`]: in production the machine's own ([`OsDisk`]), in
//! tests one that stops working at a chosen call and then shows what a crash may have left (`crashing::CrashingDisk`,
//! with the feature `crashing`).
//!
//! ```
//! use firesteel_disk::{Disk, OsDisk, write_whole};
//! # let folder = std::env::temp_dir().join(format!("firesteel-disk-{}", std::process::id()));
//!
//! let disk = OsDisk::shared();
//! disk.make_folder(&folder)?;
//! write_whole(&*disk, &folder.join("settings"), b"all of it or nothing")?;
//! assert_eq!(disk.list(&folder)?, ["settings"]);
//!
//! let mut log = disk.create(&folder.join("log"))?;
//! log.append(b"one line\n")?;
//! log.sync()?;
//! // The name survives a crash only with its folder.
//! disk.sync_folder(&folder)?;
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), firesteel_disk::DiskError>(())
//! ```
//!
//! It knows no format, retries nothing and starts no thread.

#![forbid(unsafe_code)]

#[cfg(feature = "crashing")]
pub mod crashing;
mod error;
mod os;

use std::any::Any;
use std::fmt;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

pub use error::{DiskError, Result};
pub use os::{LockedFile, OsDisk, sync_folder};

/// A file that grows at its end.
pub trait Growing: Send + Debug {
    /// Writes at the end. A call that fails may have written a part.
    ///
    /// # Errors
    /// When not everything was written.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes everything written so far survive a crash of the machine. The name of a new file does so only with its
    /// folder.
    ///
    /// # Errors
    /// When that is not certain. It stays so: the system takes for written what it could not write, so that a later sync
    /// succeeds without it, and reading shows it. Only what is written once more, as by [`rewrite`](Self::rewrite), is
    /// part of a later sync.
    fn sync(&mut self) -> Result<()>;

    /// Writes what stands from byte `from` on once more, as it is and where it is: the next sync makes it durable, whether or
    /// not an earlier one has failed.
    ///
    /// # Errors
    /// When it cannot be read or written. What it was is still there.
    fn rewrite(&mut self, from: u64) -> Result<()>;

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// When it cannot be cut.
    fn cut(&mut self, length: u64) -> Result<()>;
}

/// A file that is read here and there.
pub trait Reading: Send + Debug {
    /// Fills `bytes` with what stands from byte `at` on; tells how many there were, fewer only at the end of the file.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&mut self, at: u64, bytes: &mut [u8]) -> Result<usize>;

    /// The length of the file in bytes.
    ///
    /// # Errors
    /// When it cannot be asked for.
    fn length(&mut self) -> Result<u64>;
}

/// A lock that holds until it is dropped, or the process ends in any way.
pub struct Lock {
    _held: Box<dyn Any + Send + Sync>,
}

impl Lock {
    fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// A file system.
pub trait Disk: Send + Sync + Debug {
    /// A new, empty file; the folder must be there, the file must not.
    ///
    /// # Errors
    /// When it cannot be created.
    fn create(&self, path: &Path) -> Result<Box<dyn Growing>>;

    /// An existing file, to be written at its end.
    ///
    /// # Errors
    /// When it is not there or cannot be written.
    fn open(&self, path: &Path) -> Result<Box<dyn Growing>>;

    /// An existing file, to be read. It stays readable when it is removed meanwhile, where the system allows that.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    fn open_to_read(&self, path: &Path) -> Result<Box<dyn Reading>>;

    /// Whether there is a file of this name.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn exists(&self, path: &Path) -> Result<bool>;

    /// The whole contents of a file.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;

    /// The names in a folder, in ascending order; none if there is no such folder.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    fn list(&self, folder: &Path) -> Result<Vec<String>>;

    /// The names of the folders in a folder, in ascending order; none if there is no such folder. Links are no folders.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    fn folders(&self, folder: &Path) -> Result<Vec<String>>;

    /// Gives a file another name, in place of what has that name.
    ///
    /// # Errors
    /// When that is not possible.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Gives a file another name that nothing has; `false`, and the file keeps its name, if something has it. Of two that
    /// try at the same time one succeeds, where the file system has hard links.
    ///
    /// # Errors
    /// When that is not possible.
    fn rename_new(&self, from: &Path, to: &Path) -> Result<bool>;

    /// Removes a file; nothing happens if there is none.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes a folder and those above it; they survive a crash.
    ///
    /// # Errors
    /// When it cannot be made.
    fn make_folder(&self, path: &Path) -> Result<()>;

    /// Makes the names in a folder survive a crash.
    ///
    /// # Errors
    /// When that is not certain.
    fn sync_folder(&self, path: &Path) -> Result<()>;

    /// Locks a file, which is made if need be and stays where it is; `None` while somebody else has it.
    ///
    /// # Errors
    /// When the file system has no locks, or the file cannot be made.
    fn lock(&self, path: &Path) -> Result<Option<Lock>>;
}

/// Writes a file under another name, syncs it, gives it its name and syncs the folder: it is there whole or not at all.
///
/// # Errors
/// When any of the steps fails. A file that had the name before may still be the one that is there.
pub fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = with_ending(path, ".tmp");
    write_temporary(disk, &temporary, bytes)?;
    disk.rename(&temporary, path)?;
    sync_name(disk, path)
}

/// As [`write_whole`], where nothing has the name; `false`, and what has it stays, if something has. Whoever writes to the
/// same name at the same time needs another `ending` for the file that is not whole yet, `.17.tmp`.
///
/// # Errors
/// When any of the steps fails. A file of this name is whole.
pub fn write_new(disk: &dyn Disk, path: &Path, ending: &str, bytes: &[u8]) -> Result<bool> {
    if disk.exists(path)? {
        return Ok(false);
    }
    let temporary = with_ending(path, ending);
    write_temporary(disk, &temporary, bytes)?;
    let is_new = disk.rename_new(&temporary, path)?;
    if !is_new {
        disk.remove(&temporary)?;
    }
    sync_name(disk, path)?;
    Ok(is_new)
}

/// Makes the name that a file has got survive a crash.
fn sync_name(disk: &dyn Disk, path: &Path) -> Result<()> {
    firesteel_faults::fail_point!("file.renamed");
    disk.sync_folder(path.parent().unwrap_or(Path::new("")))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(ending);
    PathBuf::from(temporary)
}

fn write_temporary(disk: &dyn Disk, temporary: &Path, bytes: &[u8]) -> Result<()> {
    disk.remove(temporary)?;
    let mut file = disk.create(temporary)?;
    file.append(bytes)?;
    file.sync()?;
    drop(file);
    firesteel_faults::fail_point!("file.written");
    Ok(())
}
