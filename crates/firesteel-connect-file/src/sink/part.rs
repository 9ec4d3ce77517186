//! The files of a task: written, then published or thrown away.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{ConnectError, Result};
use firesteel_disk::{Disk, Growing};
use firesteel_results::{Entry, PartName, PartStore, Size};

use crate::path::{self, file_error};
use crate::temporary::Temporary;

/// Hidden files in the folder of the results, of one attempt.
pub(super) struct TemporaryFiles<'a> {
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) folder: &'a Path,
    pub(super) attempt: u32,
    /// Makes their names unique.
    pub(super) unique: &'a AtomicU64,
}

/// A file that is being written.
pub(super) struct GrowingPart {
    // Dropped, and thereby closed, before the file is removed.
    file: Box<dyn Growing>,
    temporary: Temporary,
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

impl PartStore for TemporaryFiles<'_> {
    type Part = GrowingPart;
    type Whole = WrittenFile;

    fn create(&self, name: &PartName) -> Result<GrowingPart> {
        let unique = self.unique.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(name.temporary(self.attempt, unique));
        let file = self.disk.create(&path).map_err(file_error)?;
        Ok(GrowingPart { file, temporary: Temporary::new(Arc::clone(self.disk), path) })
    }

    fn finish(&self, part: GrowingPart, name: PartName, size: Size) -> Result<WrittenFile> {
        let GrowingPart { mut file, temporary } = part;
        let synced = file.sync().map_err(|error| error.source);
        synced.map_err(path::failed("write", &temporary.path))?;
        Ok(WrittenFile { temporary, name, size })
    }

    fn failed(&self, name: &PartName, error: io::Error) -> ConnectError {
        let path = self.folder.join(name.published());
        path::failed("write", &path)(error)
    }
}

/// A file that is whole, with its temporary name or its own.
#[derive(Debug)]
pub(super) struct WrittenFile {
    temporary: Temporary,
    name: PartName,
    size: Size,
}

/// What a task leaves for the commit: temporary files, or nothing. Dropping it removes them.
#[derive(Debug)]
pub struct PendingFiles {
    written: Vec<WrittenFile>,
}

impl PendingFiles {
    pub(super) fn new(written: Vec<WrittenFile>) -> Self {
        Self { written }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// How many bytes its files have.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> {
        self.written.iter().map(|file| file.size.bytes)
    }

    /// The folders below that of the results to which its files belong.
    pub(super) fn folders(&self) -> BTreeSet<&str> {
        self.written.iter().map(|file| file.name.folder.as_str()).collect()
    }

    /// Gives the files their names, unless they have them. A file of that name is left from a commit that failed halfway, and
    /// is replaced.
    pub(super) fn publish(&mut self, folder: &Path) -> Result<Vec<Entry>> {
        let publish = |file: &mut WrittenFile| {
            let WrittenFile { temporary, name, size } = file;
            let name = name.published();
            if !temporary.kept {
                let path = folder.join(&name);
                temporary.disk.rename(&temporary.path, &path).map_err(file_error)?;
                (temporary.path, temporary.kept) = (path, true);
            }
            Ok(Entry::new(name, size.bytes, size.records))
        };
        self.written.iter_mut().map(publish).collect()
    }

    /// Removes the files, also those that have their names already. All are removed, whatever becomes of the first.
    pub(super) fn remove(self) -> Result<()> {
        let remove = |mut file: WrittenFile| {
            file.temporary.kept = true;
            file.temporary.disk.remove(&file.temporary.path).map_err(file_error)
        };
        let removed: Vec<Result<()>> = self.written.into_iter().map(remove).collect();
        removed.into_iter().collect()
    }
}
