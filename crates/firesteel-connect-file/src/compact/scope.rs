//! The results of one part of a job.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{ConnectError, Result, Scope};
use firesteel_disk::{Disk, Reading};
use firesteel_frames::{Compression, Unpacked};
use firesteel_results::{
    CompactionReport, Covered, Entry, Limits, Manifest, MergingStore, PartName, PartStore, Seen, Size, Switch, compact,
};

use super::{journal, switch};
use crate::manifest;
use crate::path::{self, file_error};
use crate::source::Print;
use crate::success::SuccessMark;
use crate::temporary::{GrowingPart, Temporary};

/// The results of one part of a job, which nobody else writes to.
pub(crate) struct ScopeOfResults<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) results: &'a Path,
    pub(crate) manifests: &'a Path,
    pub(crate) scope: &'a Scope,
    pub(crate) wanted: u64,
}

impl ScopeOfResults<'_> {
    /// Finishes or undoes a compaction that ended in the middle. Puts no mark back: what else is in the folder is not known.
    pub(crate) fn settle(&self) -> Result<()> {
        journal::settle(&**self.disk, self.results, self.manifests, || Ok(()))
    }

    /// The same, and puts the mark back that the folder had before.
    pub(super) fn settle_and_mark(&self) -> Result<()> {
        let mark = SuccessMark::of(&**self.disk, self.results);
        journal::settle(&**self.disk, self.results, self.manifests, || mark.put())
    }

    /// Removes what one that ended in the middle has left under hidden names.
    pub(super) fn remove_temporary(&self) -> Result<()> {
        let is_left = |name: &str| {
            PartName::parse_temporary(name).is_some_and(|part| part.until.is_some() && part.scope == *self.scope)
        };
        for name in self.disk.list(self.results).map_err(file_error)?.iter().filter(|name| is_left(name)) {
            self.disk.remove(&self.results.join(name)).map_err(file_error)?;
        }
        Ok(())
    }

    /// Merges files, within limits. What was begun before has to be settled.
    pub(crate) fn compact(&self, limits: &Limits, report: &mut CompactionReport) -> Result<()> {
        compact(self, self.wanted, limits, report)
    }
}

impl PartStore for ScopeOfResults<'_> {
    type Part = GrowingPart;
    type Whole = Temporary;

    fn create(&self, name: &PartName) -> Result<GrowingPart> {
        let path = self.results.join(name.temporary(0, name.partition as u64));
        // One may be left of an attempt that ended in the middle.
        self.disk.remove(&path).map_err(file_error)?;
        GrowingPart::create(self.disk, path)
    }

    fn finish(&self, part: GrowingPart, _: PartName, _: Size) -> Result<Temporary> {
        part.finish()
    }

    fn failed(&self, name: &PartName, error: io::Error) -> ConnectError {
        path::failed("write", &self.results.join(name.published()))(error)
    }
}

impl MergingStore for ScopeOfResults<'_> {
    fn current(&self) -> Result<Vec<Covered>> {
        manifest::current(&**self.disk, self.manifests)
    }

    fn manifest(&self, covered: Covered) -> Result<Manifest> {
        manifest::read(&**self.disk, self.manifests, covered)
    }

    fn look(&self, entry: &Entry) -> Result<Seen> {
        let path = self.results.join(&entry.name);
        let print = print_of(&**self.disk, &path, entry)?;
        let is_gzip = PartName::is_gzip(&entry.name);
        let packed = if is_gzip { Compression::Gzip } else { Compression::Plain };
        let disk = Arc::clone(self.disk);
        let open = Box::new(move || -> io::Result<Box<dyn Read + Send>> {
            let file = disk.open_to_read(&path).map_err(|error| error.source)?;
            Ok(Box::new(Unpacked::of(Sequential { file, at: 0 }, packed)))
        });
        Ok(Seen { print, tag: None, open })
    }

    fn unread(&self, entry: &Entry, error: io::Error) -> ConnectError {
        path::failed("read", &self.results.join(&entry.name))(error)
    }

    fn damaged(&self, entry: &Entry, reason: String) -> ConnectError {
        ConnectError::Damaged { path: self.results.join(&entry.name), position: 0, reason }
    }

    fn switch(&self, switch: Switch<Temporary>) -> Result<()> {
        switch::switch(self, switch)
    }
}

/// Hashes of what the file begins and ends with, which has to be there and as long as its manifest says.
fn print_of(disk: &dyn Disk, path: &Path, entry: &Entry) -> Result<[u64; 2]> {
    let lost = |reason: String| ConnectError::Lost { place: path.display().to_string(), position: 0, reason };
    if !disk.exists(path).map_err(file_error)? {
        return Err(lost("its manifest lists it, and it is gone; restore it".to_owned()));
    }
    let mut file = disk.open_to_read(path).map_err(file_error)?;
    let (length, bytes) = (file.length().map_err(file_error)?, entry.bytes);
    if length != bytes {
        return Err(lost(format!("its manifest says {bytes} bytes, the file has {length}; restore it")));
    }
    let print = Print::of_all_at(length, |at, bytes| match file.read_at(at, bytes).map_err(file_error)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(lost("it has become shorter while it was read; restore it".to_owned())),
    });
    Ok(print?.hashes())
}

/// A file from its beginning on.
struct Sequential {
    file: Box<dyn Reading>,
    at: u64,
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.at, buffer).map_err(|error| error.source)?;
        self.at += count as u64;
        Ok(count)
    }
}
