//! Files as a sink.

mod clean;
mod compacting;
mod format;
mod part;
mod settings;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use firesteel_connect::{
    CheckpointId, ConnectError, Epoch, Guarantee, Mark, Place, Result, Scope, Sink, SinkContext, WriteTask,
};
use firesteel_disk::{Disk, Lock};
use firesteel_formats::{WriteFormat, WriteLines};
use firesteel_results::{Compacting, Covered, Layout, Loose, Manifest, PartName, Partitions, Unpartitioned, singles};
use parking_lot::Mutex;

use crate::compact::ScopeOfResults;
use crate::manifest;
use crate::path::file_error;
use crate::success::SuccessMark;
pub use format::{Displayed, Formatted};
pub use part::PendingFiles;
use part::TemporaryFiles;

/// Writes files of lines of text: see [`FileSink`], and [`format`](FileSink::format) for what becomes of a record.
pub type TextFileSink<E = Displayed, P = Unpartitioned> = FileSink<WriteLines<E>, P>;

/// Writes records to files in any [`WriteFormat`], one file per epoch and partition: `part-0000000007-00000.txt`. With
/// [`partitioned_by`](Self::partitioned_by) there is one for each value of a column, with [`full_at`](Self::full_at) another one
/// whenever one is full.
///
/// | | files |
/// |---|---|
/// | [`TextFileSink::new`](FileSink::new) | lines of text: the records' `Display`, or what a function makes of them |
/// | [`FileSink::json`] | JSON, one value a line |
/// | `FileSink::csv` | CSV with a header; feature `csv` |
/// | `FileSink::avro` | Avro object container files; feature `avro` |
/// | `FileSink::parquet` | Parquet; feature `parquet` |
/// | [`FileSink::in_format`] | those of a format of your own |
///
/// A task writes to a hidden temporary file. The commit of the epoch makes them durable, renames them, and last of
/// all writes the epoch's manifest, `_committed/0000000007`, which lists them. Partitions without records have no
/// file, epochs without records no manifest; manifests are merged as they become many, and small files where that
/// [is asked for](Self::compact_to).
///
/// **What readers see.** The manifest appears by one rename. Who reads only files that a manifest lists
/// ([`Files`](crate::Files) does) sees all of an epoch or nothing of it, at any moment and after any crash.
/// Who looks at the folder itself may see some files of an epoch shortly before the others; those of a commit that
/// a crash has cut short are removed when the sink starts again.
///
/// Since an epoch that has a manifest is never written again, the sink is exactly-once. A folder belongs to one job
/// at a time: a lock file sees to that.
///
/// ```
/// use firesteel_connect_file::TextFileSink;
/// use std::fmt::Write;
///
/// let lines = TextFileSink::new("out/words").gzip().format(|(word, count): &(String, u64), line| {
///     let _ = write!(line, "{word}\t{count}");
/// });
/// ```
pub struct FileSink<F, P = Unpartitioned> {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    format: F,
    layout: Layout<P>,
    marks_success: bool,
    started: Mutex<Option<Started>>,
    /// The part of the job: tasks that write ask for it while a commit has the rest.
    scope: Mutex<Scope>,
    /// Makes the names of temporary files unique.
    written: AtomicU64,
    /// Whether a commit has ever failed halfway: files without a manifest may lie about, and a manifest may not be
    /// durable.
    torn: AtomicBool,
    /// How many manifests are merged.
    merge_at: usize,
    compacting: Compacting,
}

/// What is known from start to stop.
struct Started {
    /// The operating system releases it when the process dies.
    _lock: Lock,
    /// Where the scope's manifests are.
    folder: PathBuf,
    checkpoint: CheckpointId,
    /// How many manifests of single epochs the scope has.
    singles: usize,
    /// What has come since small files were merged last.
    loose: Loose,
    /// Whether a merging has failed, and may have been left in the middle.
    is_unsettled: bool,
    last: Option<Mark>,
}

impl<F, P> FileSink<F, P> {
    /// The folder it writes into.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[cfg(test)]
    pub(crate) fn on_disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    #[cfg(test)]
    pub(crate) fn merging_at(mut self, manifests: usize) -> Self {
        self.merge_at = manifests;
        self
    }

    #[cfg(test)]
    pub(crate) fn compacting_at(mut self, files: usize) -> Self {
        self.compacting.at = files;
        self
    }

    fn part_name(&self, epoch: Epoch, partition: usize, extension: &'static str) -> PartName {
        PartName::new(epoch, partition, self.scope.lock().clone(), extension).gzip(self.layout.gzip)
    }

    fn not_started(&self) -> ConnectError {
        let reason = "the sink was not started: call start before commit".to_owned();
        ConnectError::Setting { connector: "FileSink", setting: "folder", reason }
    }

    /// Refuses a folder whose files would look like ours and are not.
    fn refuse_foreign(&self) -> Result<()> {
        for below in clean::folders(&*self.disk, &self.folder)? {
            let folder = self.folder.join(below);
            let names = self.disk.list(&folder).map_err(file_error)?;
            if let Some(name) = names.into_iter().find(|name| PartName::parse(name).is_some()) {
                let path = folder.join(name);
                let reason =
                    format!("{} was not written by this sink; give the job a folder of its own", path.display());
                return Err(ConnectError::Setting { connector: "FileSink", setting: "folder", reason });
            }
        }
        Ok(())
    }

    fn take_lock(&self, lock: &Path) -> Result<Lock> {
        self.disk.lock(lock).map_err(file_error)?.ok_or_else(|| {
            let reason = format!(
                "another job is writing to {}; stop it, or give each a folder of its own",
                self.folder.display()
            );
            ConnectError::Setting { connector: "FileSink", setting: "folder", reason }
        })
    }

    /// Gives the files their names and lists them. A repeated call resumes where the one before it failed.
    fn publish(&self, started: &Started, epoch: Epoch, pending: &mut [PendingFiles]) -> Result<()> {
        self.success_mark().take_away()?;
        let folders: BTreeSet<PathBuf> =
            pending.iter().flat_map(PendingFiles::folders).map(|below| self.folder.join(below)).collect();
        for folder in &folders {
            self.disk.make_folder(folder).map_err(file_error)?;
        }
        let mut entries = Vec::with_capacity(pending.len());
        for files in pending {
            entries.extend(files.publish(&self.folder)?);
            firesteel_faults::fail_point!("sink.published");
        }
        if self.torn.load(Ordering::Acquire) {
            let listed = |name: &str| entries.iter().any(|entry| entry.name == name);
            let scope = self.scope.lock().clone();
            clean::unlisted(&*self.disk, &self.folder, &scope, |found, name| found == epoch && !listed(name))?;
        }
        self.sync(&folders)?;
        firesteel_faults::fail_point!("sink.unlisted");
        let Started { folder, checkpoint, .. } = started;
        manifest::write(&*self.disk, folder, Covered::one(epoch), &Manifest { checkpoint: *checkpoint, entries })
    }

    /// Makes the names in these folders durable, and the folders themselves: those that a call before has made, and did not
    /// sync, too.
    fn sync(&self, folders: &BTreeSet<PathBuf>) -> Result<()> {
        let is_ours = |folder: &&Path| folder.starts_with(&self.folder);
        let mut all: BTreeSet<&Path> =
            folders.iter().flat_map(|folder| folder.ancestors().take_while(is_ours)).collect();
        all.insert(&self.folder);
        all.into_iter().rev().try_for_each(|folder| self.disk.sync_folder(folder).map_err(file_error))
    }

    fn success_mark(&self) -> SuccessMark<'_> {
        SuccessMark::of(&*self.disk, &self.folder)
    }

    /// Says that what is in the folder is committed, where that is asked for.
    fn mark_success(&self) -> Result<()> {
        if self.marks_success { self.success_mark().put() } else { Ok(()) }
    }

    /// The epoch is committed: notes that, and merges manifests where there are many.
    fn committed(&self, started: &mut Started, epoch: Epoch) {
        let Started { folder, checkpoint, singles, loose, is_unsettled, last, .. } = started;
        *last = Some(Mark { epoch, checkpoint: *checkpoint });
        *singles += 1;
        if *singles > self.merge_at {
            // If it fails nothing is lost: the next epoch makes up for it, and there are more of them meanwhile.
            *singles = manifest::merge(&*self.disk, folder, self.merge_at).unwrap_or(*singles);
        }
        if let Some(wanted) = self.compacting.due(loose) {
            let (disk, results, scope) = (&self.disk, &self.folder, &self.scope.lock().clone());
            let scope = ScopeOfResults { disk, results, manifests: folder, scope, wanted };
            *is_unsettled = compacting::step(&scope, *is_unsettled);
            let current = manifest::current(&*self.disk, folder);
            *singles = current.map_or(*singles, |current| firesteel_results::singles(&current));
        }
    }
}

impl<T, F, P> Sink<T> for FileSink<F, P>
where
    F: WriteFormat<T>,
    P: Partitions<T>,
{
    type Pending = PendingFiles;

    fn describe(&self) -> String {
        format!("{} files in {}", self.format.name(), self.folder.display())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn places(&self) -> Vec<Place> {
        let name = self.part_name(Epoch(1), 0, self.format.extension());
        // Who reads the folder reads what its manifests list, wherever that is.
        let places: BTreeSet<String> =
            [name.published(), name.in_folder(&self.layout.example_folder()).published()].into();
        places.into_iter().map(|place| Place::file(self.folder.join(place))).collect()
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        self.layout.check("FileSink", &self.format)?;
        self.compacting.check("FileSink", self.format.name(), self.format.may_be_joined())?;
        let (disk, scope) = (&*self.disk, context.scope().clone());
        if self.marks_success && scope != Scope::whole() {
            let reason = "several processes write to the folder, and none knows when all of them are done".to_owned();
            return Err(ConnectError::Setting { connector: "FileSink", setting: "success marker", reason });
        }
        disk.make_folder(&self.folder).map_err(file_error)?;
        let folder = manifest::folder_of_scope(&self.folder, &scope);
        let lock = folder.join(".lock");
        // A folder that is ours has the lock file; manifests tell as much where somebody has cleaned up too well.
        let is_ours = disk.exists(&lock).map_err(file_error)? || !manifest::current(disk, &folder)?.is_empty();
        if !is_ours && scope == Scope::whole() {
            self.refuse_foreign()?;
        }
        disk.make_folder(&folder).map_err(file_error)?;
        let lock = self.take_lock(&lock)?;
        let (results, wanted) = (&self.folder, self.compacting.wanted.unwrap_or(0));
        ScopeOfResults { disk: &self.disk, results, manifests: &folder, scope: &scope, wanted }.settle()?;
        let manifests = clean::leftovers(disk, &self.folder, &scope)?;
        // What a process has committed right before it died may not be durable yet, and will be relied on from here on.
        manifest::sync(disk, &folder)?;
        let last = manifest::last(disk, &folder, &manifests)?;
        if last.is_some() {
            self.mark_success()?;
        }
        let (checkpoint, singles) = (context.checkpoint(), singles(&manifests));
        *self.scope.lock() = scope;
        // Of those that were not merged in the run before.
        let loose = Loose::of(singles);
        *self.started.lock() =
            Some(Started { _lock: lock, folder, checkpoint, singles, loose, is_unsettled: false, last });
        Ok(())
    }

    fn write(&self, task: WriteTask, records: impl Iterator<Item = T>) -> Result<PendingFiles> {
        let (disk, folder, unique) = (&self.disk, self.folder.as_path(), &self.written);
        let files = TemporaryFiles { disk, folder, attempt: task.attempt, unique };
        let name = self.part_name(task.epoch, task.partition, self.format.extension());
        self.layout.write(&self.format, &files, &name, records).map(PendingFiles::new)
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<PendingFiles>) -> Result<()> {
        let mut started = self.started.lock();
        let started = started.as_mut().ok_or_else(|| self.not_started())?;
        match started.last.filter(|last| last.epoch >= epoch) {
            Some(Mark { epoch: last, checkpoint }) if checkpoint != started.checkpoint => {
                let reason = format!(
                    "{} has epoch {last} of another checkpoint, so that epoch {epoch} of this one would be lost among its \
                     files; write elsewhere",
                    self.folder.display()
                );
                return Err(ConnectError::Setting { connector: "FileSink", setting: "folder", reason });
            }
            Some(_) => self.mark_success()?,
            None if pending.iter().all(PendingFiles::is_empty) => {}
            None => {
                let is_torn = self.torn.load(Ordering::Acquire);
                if is_torn && manifest::exists(&*self.disk, &started.folder, Covered::one(epoch))? {
                    // It has got its name in a commit that failed after that.
                    manifest::sync(&*self.disk, &started.folder)?;
                } else {
                    let published = self.publish(started, epoch, pending);
                    if published.is_err() {
                        self.torn.store(true, Ordering::Release);
                    }
                    published?;
                }
                started.loose.add(pending.iter().flat_map(PendingFiles::sizes));
                self.committed(started, epoch);
                self.mark_success()?;
            }
        }
        // What is not published by now belongs to an epoch that was committed before, and is removed.
        pending.clear();
        Ok(())
    }

    fn abort(&self, _epoch: Epoch, pending: Vec<PendingFiles>) -> Result<()> {
        // All are removed, whatever becomes of the first.
        let removed: Vec<Result<()>> = pending.into_iter().map(PendingFiles::remove).collect();
        removed.into_iter().collect()
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(self.started.lock().as_ref().ok_or_else(|| self.not_started())?.last)
    }

    fn stop(&self) -> Result<()> {
        *self.started.lock() = None;
        Ok(())
    }
}

impl<F, P> std::fmt::Debug for FileSink<F, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gzip = &self.layout.gzip;
        f.debug_struct("FileSink").field("folder", &self.folder).field("gzip", gzip).finish_non_exhaustive()
    }
}
