//! The file that says that what is in a folder is committed.

use std::path::{Path, PathBuf};

use firesteel_connect::Result;
use firesteel_disk::Disk;

use crate::path::file_error;

/// `_SUCCESS`, for readers that list the folder of results and know nothing of manifests.
pub(crate) struct SuccessMark<'a> {
    disk: &'a dyn Disk,
    results: &'a Path,
    path: PathBuf,
}

impl<'a> SuccessMark<'a> {
    pub(crate) fn of(disk: &'a dyn Disk, results: &'a Path) -> Self {
        Self { disk, results, path: results.join("_SUCCESS") }
    }

    /// Says that what is in the folder is committed.
    pub(crate) fn put(&self) -> Result<()> {
        if !self.disk.exists(&self.path).map_err(file_error)? {
            self.disk.create(&self.path).and_then(|mut file| file.sync()).map_err(file_error)?;
        }
        // One that is there may be left of a call that failed after making it.
        self.disk.sync_folder(self.results).map_err(file_error)
    }

    pub(crate) fn is_there(&self) -> Result<bool> {
        self.disk.exists(&self.path).map_err(file_error)
    }

    /// Says it no more. That holds also after a crash, before any file gets its name.
    pub(crate) fn take_away(&self) -> Result<()> {
        if self.is_there()? {
            self.disk.remove(&self.path).map_err(file_error)?;
            self.disk.sync_folder(self.results).map_err(file_error)?;
        }
        Ok(())
    }
}
