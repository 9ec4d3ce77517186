//! The files of a task: written, then published or thrown away.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{ConnectError, Result};
use firesteel_disk::Disk;
use firesteel_results::{Entry, PartName, PartStore, Size};

use crate::path;
use crate::temporary::{GrowingPart, Temporary};

/// Hidden files in the folder of the results, of one attempt.
pub(super) struct TemporaryFiles<'a> {
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) folder: &'a Path,
    pub(super) attempt: u32,
    /// Makes their names unique.
    pub(super) unique: &'a AtomicU64,
}

impl PartStore for TemporaryFiles<'_> {
    type Part = GrowingPart;
    type Whole = WrittenFile;

    fn create(&self, name: &PartName) -> Result<GrowingPart> {
        let unique = self.unique.fetch_add(1, Ordering::Relaxed);
        GrowingPart::create(self.disk, self.folder.join(name.temporary(self.attempt, unique)))
    }

    fn finish(&self, part: GrowingPart, name: PartName, size: Size) -> Result<WrittenFile> {
        part.finish().map(|temporary| WrittenFile { temporary, name, size })
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
            temporary.publish(&folder.join(&name))?;
            Ok(Entry::new(name, size.bytes, size.records))
        };
        self.written.iter_mut().map(publish).collect()
    }

    /// Removes the files, also those that have their names already. All are removed, whatever becomes of the first.
    pub(super) fn remove(self) -> Result<()> {
        let removed: Vec<Result<()>> = self.written.into_iter().map(|file| file.temporary.remove()).collect();
        removed.into_iter().collect()
    }
}
