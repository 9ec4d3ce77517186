//! Files that are not published yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::Result;
use firesteel_disk::Disk;

use crate::path::file_error;

/// A file that is removed unless it is published.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) disk: Arc<dyn Disk>,
    /// The temporary name, or the published one.
    pub(crate) path: PathBuf,
    /// Whether it is published.
    pub(crate) kept: bool,
}

impl Temporary {
    /// A file at this path.
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, path, kept: false }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, under which it stays.
    pub(crate) fn publish(mut self, path: &Path) -> Result<()> {
        self.disk.rename(&self.path, path).map_err(file_error)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // A file that stays behind is hidden, and removed at the next start.
            let _ = self.disk.remove(&self.path);
        }
    }
}
