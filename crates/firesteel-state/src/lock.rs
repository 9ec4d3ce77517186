//! The lock that keeps two processes from using one checkpoint.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use firesteel_disk::LockedFile;

use crate::error::{Result, StateError};
use crate::files::failed;

/// A checkpoint folder that belongs to this process until the lock is dropped, or the process ends in any way.
///
/// ```
/// use firesteel_state::CheckpointLock;
/// # let folder = std::env::temp_dir().join(format!("firesteel-lock-{}", std::process::id()));
///
/// let lock = CheckpointLock::acquire(&folder)?;
/// assert_eq!(CheckpointLock::acquire(&folder).unwrap_err().code(), "FS-T004");
/// drop(lock);
/// CheckpointLock::acquire(&folder)?;
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), firesteel_state::StateError>(())
/// ```
///
/// The lock is the operating system's on the file `LOCK`, which stays where it is. On file systems without locks it
/// cannot be had.
#[derive(Debug)]
pub struct CheckpointLock {
    file: LockedFile,
    path: PathBuf,
}

impl CheckpointLock {
    /// Locks a folder, which is made if need be.
    ///
    /// # Errors
    /// [`StateError::Locked`] while another process, or another part of this one, has it; [`StateError::File`] when the
    /// folder cannot be used.
    pub fn acquire(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(failed("create", folder))?;
        let path = lock_file(folder);
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed("open", &path))?;
        Self::of(file, path)
    }

    /// Locks a folder that has been locked before, and makes nothing: `None` where there is no lock file.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_existing(folder: &Path) -> Result<Option<Self>> {
        let path = lock_file(folder);
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => Self::of(file, path).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &path)(error)),
        }
    }

    fn of(file: File, path: PathBuf) -> Result<Self> {
        match LockedFile::try_new(file) {
            Ok(file) => Ok(Self { file, path }),
            Err(TryLockError::WouldBlock) => Err(StateError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }

    /// Makes sure that the folder is still the one that was locked: nobody else may have it, but anybody may have
    /// removed it, or put another one in its place.
    ///
    /// # Errors
    /// [`StateError::File`] if it is not.
    pub fn check(&self) -> Result<()> {
        let there = std::fs::metadata(&self.path).and_then(|there| Ok(is_same(&there, &self.file.file().metadata()?)));
        match there {
            Ok(true) => Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("look for", &self.path)(error)),
            _ => Err(taken_away(&self.path)),
        }
    }

    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn lock_file(folder: &Path) -> PathBuf {
    firesteel_faults::alterable("lock.file", folder.join("LOCK"))
}

#[cfg(unix)]
fn is_same(there: &Metadata, locked: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (there.dev(), there.ino()) == (locked.dev(), locked.ino())
}

/// Elsewhere a file that is open stays where it is.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// The error of a file that is not where it was.
pub(crate) fn taken_away(path: &Path) -> StateError {
    let reason = "it was there before, and has been removed or replaced while the job runs: put the checkpoint's folder \
                  back before the job is started again";
    failed("find", path)(std::io::Error::new(std::io::ErrorKind::NotFound, reason))
}
