//! Files that are not published yet.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::Result;
use firesteel_disk::{Disk, Growing};

use crate::path::{self, file_error};

/// A file that is removed unless it is published.
#[derive(Debug)]
pub(crate) struct Temporary {
    disk: Arc<dyn Disk>,
    /// The temporary name, or the published one.
    path: PathBuf,
    /// Whether it is published.
    kept: bool,
}

impl Temporary {
    /// Gives it its name, under which it stays, unless it has it. What has that name is replaced.
    pub(crate) fn publish(&mut self, path: &Path) -> Result<()> {
        if !self.kept {
            self.disk.rename(&self.path, path).map_err(file_error)?;
            (self.path, self.kept) = (path.to_owned(), true);
        }
        Ok(())
    }

    /// Removes it, also when it has its name.
    pub(crate) fn remove(mut self) -> Result<()> {
        self.kept = true;
        self.disk.remove(&self.path).map_err(file_error)
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

/// A file that is being written. Dropping it removes it.
pub(crate) struct GrowingPart {
    // Dropped, and thereby closed, before the file is removed.
    file: Box<dyn Growing>,
    temporary: Temporary,
}

impl GrowingPart {
    /// Begins a file of this temporary name.
    pub(crate) fn create(disk: &Arc<dyn Disk>, path: PathBuf) -> Result<Self> {
        let file = disk.create(&path).map_err(file_error)?;
        Ok(Self { file, temporary: Temporary { disk: Arc::clone(disk), path, kept: false } })
    }

    /// Makes it durable under that name.
    pub(crate) fn finish(self) -> Result<Temporary> {
        let Self { mut file, temporary } = self;
        let synced = file.sync().map_err(|error| error.source);
        synced.map_err(path::failed("write", &temporary.path))?;
        Ok(temporary)
    }
}

impl Write for GrowingPart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.append(bytes).map_err(|error| error.source)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
