//! Files as a sink.

mod clean;
mod format;
mod part;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use firesteel_connect::{
    CheckpointId, ConnectError, Epoch, Guarantee, Mark, Place, Result, Scope, Sink, SinkContext, Unencodable, WriteTask,
};
use firesteel_disk::{Disk, Lock, OsDisk};
#[cfg(feature = "csv")]
use firesteel_formats::Csv;
#[cfg(feature = "parquet")]
use firesteel_formats::Parquet;
use firesteel_formats::{Json, WriteFormat, WriteLines, Writing};
use parking_lot::Mutex;
use serde::Serialize;
#[cfg(feature = "parquet")]
use serde::de::DeserializeOwned;

use crate::manifest::{self, Covered, Manifest};
use crate::path::file_error;
pub use format::{Displayed, Formatted};
pub use part::PendingFile;
use part::{PartName, PartWriter};

/// Writes files of lines of text: see [`FileSink`], and [`format`](FileSink::format) for what becomes of a record.
pub type TextFileSink<E = Displayed> = FileSink<WriteLines<E>>;

/// Writes records to files in any [`WriteFormat`], one file per epoch and partition: `part-0000000007-00000.txt`.
///
/// | | files |
/// |---|---|
/// | [`TextFileSink::new`](FileSink::new) | lines of text: the records' `Display`, or what a function makes of them |
/// | [`FileSink::json`] | JSON, one value a line |
/// | `FileSink::csv` | CSV with a header; feature `csv` |
/// | `FileSink::parquet` | Parquet; feature `parquet` |
/// | [`FileSink::in_format`] | those of a format of your own |
///
/// A task writes to a hidden temporary file. The commit of the epoch makes them durable, renames them, and last of
/// all writes the epoch's manifest, `_committed/0000000007`, which lists them. Partitions without records have no
/// file, epochs without records no manifest; manifests are merged as they become many.
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
pub struct FileSink<F> {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    gzip: bool,
    format: F,
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
    last: Option<Mark>,
}

/// This many manifests are merged unless a test says otherwise.
const MERGE_AT: usize = 100;

impl FileSink<WriteLines<Displayed>> {
    /// Writes lines of text into the folder, which is made if it does not exist; the records' `Display` makes the lines.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            disk: OsDisk::shared(),
            folder: folder.into(),
            gzip: false,
            format: WriteLines::of(Displayed),
            started: Mutex::new(None),
            scope: Mutex::default(),
            written: AtomicU64::new(0),
            torn: AtomicBool::new(false),
            merge_at: MERGE_AT,
        }
    }

    /// Writes JSON into the folder, one value a line: see [`Json`] for what is written, and what is refused. The names of files
    /// end with `.ndjson`.
    ///
    /// ```
    /// use firesteel_connect_file::FileSink;
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct Total {
    ///     user: String,
    ///     clicks: u64,
    /// }
    ///
    /// let totals = FileSink::json::<Total>("out/totals").gzip();
    /// ```
    pub fn json<T: Serialize + 'static>(folder: impl Into<PathBuf>) -> FileSink<WriteLines<Json<T>>> {
        FileSink::new(folder).in_format(Json::new().write_lines())
    }

    /// Writes CSV into the folder, with a header in each file: see [`Csv`] for what is written, and what is refused. The names of
    /// files end with `.csv`. [`in_format`](FileSink::in_format) takes another dialect.
    #[cfg(feature = "csv")]
    pub fn csv<T: Serialize + 'static>(folder: impl Into<PathBuf>) -> FileSink<Csv<T>> {
        FileSink::new(folder).in_format(Csv::new())
    }

    /// Writes Parquet into the folder: see [`Parquet`] for what is written, and what is refused. The names of files end with
    /// `.parquet`.
    ///
    /// ```
    /// use firesteel_connect_file::FileSink;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Total {
    ///     user: String,
    ///     clicks: u64,
    /// }
    ///
    /// let totals = FileSink::parquet::<Total>("out/totals");
    /// ```
    #[cfg(feature = "parquet")]
    pub fn parquet<T: Serialize + DeserializeOwned + 'static>(folder: impl Into<PathBuf>) -> FileSink<Parquet<T>> {
        FileSink::new(folder).in_format(Parquet::new())
    }
}

impl<F> FileSink<F> {
    /// The same folder in another format.
    #[must_use]
    pub fn in_format<G>(self, format: G) -> FileSink<G> {
        let Self { disk, folder, gzip, format: _, started, scope, written, torn, merge_at } = self;
        FileSink { disk, folder, gzip, format, started, scope, written, torn, merge_at }
    }

    /// Compresses the files, whose names end with `.gz` then.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// The folder it writes into.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[cfg(test)]
    fn on_disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    #[cfg(test)]
    fn merging_at(mut self, manifests: usize) -> Self {
        self.merge_at = manifests;
        self
    }

    fn part_name(&self, epoch: Epoch, partition: usize, extension: &'static str) -> PartName {
        PartName { epoch, partition, scope: self.scope.lock().clone(), extension, gzip: self.gzip }
    }

    fn not_started(&self) -> ConnectError {
        let reason = "the sink was not started: call start before commit".to_owned();
        ConnectError::Setting { connector: "FileSink", setting: "folder", reason }
    }

    /// Refuses a folder whose files would look like ours and are not.
    fn refuse_foreign(&self) -> Result<()> {
        for name in self.disk.list(&self.folder).map_err(file_error)? {
            if PartName::parse(&name).is_some() {
                let path = self.folder.join(name);
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
    fn publish(&self, started: &Started, epoch: Epoch, pending: &mut [PendingFile]) -> Result<()> {
        let mut entries = Vec::with_capacity(pending.len());
        for file in pending {
            entries.extend(file.publish(&self.folder)?);
            firesteel_faults::fail_point!("sink.published");
        }
        if self.torn.load(Ordering::Acquire) {
            let listed = |name: &str| entries.iter().any(|entry| entry.name == name);
            let scope = self.scope.lock().clone();
            clean::unlisted(&*self.disk, &self.folder, &scope, |found, name| found == epoch && !listed(name))?;
        }
        self.disk.sync_folder(&self.folder).map_err(file_error)?;
        firesteel_faults::fail_point!("sink.unlisted");
        let Started { folder, checkpoint, .. } = started;
        manifest::write(&*self.disk, folder, Covered::one(epoch), &Manifest { checkpoint: *checkpoint, entries })
    }

    /// The epoch is committed: notes that, and merges manifests where there are many.
    fn committed(&self, started: &mut Started, epoch: Epoch) {
        let Started { folder, checkpoint, singles, last, .. } = started;
        *last = Some(Mark { epoch, checkpoint: *checkpoint });
        *singles += 1;
        if *singles > self.merge_at {
            // If it fails nothing is lost: the next epoch makes up for it, and there are more of them meanwhile.
            *singles = manifest::merge(&*self.disk, folder, self.merge_at).unwrap_or(*singles);
        }
    }
}

impl<E> TextFileSink<E> {
    /// Makes the lines with a function, which appends to an empty buffer; the newline is added. A record whose text
    /// has newlines in it becomes several lines.
    #[must_use]
    pub fn format<T, G>(self, format: G) -> TextFileSink<Formatted<G>>
    where
        G: Fn(&T, &mut String) + Send + Sync + 'static,
    {
        self.in_format(WriteLines::of(Formatted::new(format)))
    }
}

impl<F> FileSink<F> {
    fn unencodable<T>(&self, task: &WriteTask, unencodable: &Unencodable) -> ConnectError
    where
        F: WriteFormat<T>,
    {
        ConnectError::Other {
            context: format!("writing a record of epoch {} as {}", task.epoch, self.format.name()),
            class: firesteel_connect::Class::Record,
            source: unencodable.reason().into(),
        }
    }
}

impl<T, F> Sink<T> for FileSink<F>
where
    F: WriteFormat<T>,
{
    type Pending = PendingFile;

    fn describe(&self) -> String {
        format!("{} files in {}", self.format.name(), self.folder.display())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn places(&self) -> Vec<Place> {
        vec![Place::file(self.folder.join(self.part_name(Epoch(1), 0, self.format.extension()).published()))]
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        let (disk, scope) = (&*self.disk, context.scope().clone());
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
        let manifests = clean::leftovers(disk, &self.folder, &scope)?;
        // What a process has committed right before it died may not be durable yet, and will be relied on from here on.
        manifest::sync(disk, &folder)?;
        let last = manifest::last(disk, &folder, &manifests)?;
        let (checkpoint, singles) = (context.checkpoint(), manifest::singles(&manifests));
        *self.scope.lock() = scope;
        *self.started.lock() = Some(Started { _lock: lock, folder, checkpoint, singles, last });
        Ok(())
    }

    fn write(&self, task: WriteTask, records: impl Iterator<Item = T>) -> Result<PendingFile> {
        let name = self.part_name(task.epoch, task.partition, self.format.extension());
        let serial = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(name.temporary(task.attempt, serial));
        let (mut writer, mut writing, mut bytes) = (None, self.format.begin(), Vec::new());
        for record in records {
            bytes.clear();
            writing.write(&record, &mut bytes).map_err(|unencodable| self.unencodable(&task, &unencodable))?;
            let writer = match &mut writer {
                Some(writer) => writer,
                empty => empty.insert(PartWriter::create(&self.disk, temporary.clone(), self.gzip)?),
            };
            writer.write(&bytes)?;
        }
        let Some(mut writer) = writer else { return Ok(PendingFile::empty()) };
        bytes.clear();
        writing.end(&mut bytes).map_err(|unencodable| self.unencodable(&task, &unencodable))?;
        writer.write_end(&bytes)?;
        writer.finish(name)
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<PendingFile>) -> Result<()> {
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
            Some(_) => {}
            None if pending.iter().all(PendingFile::is_empty) => {}
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
                self.committed(started, epoch);
            }
        }
        // What is not published by now belongs to an epoch that was committed before, and is removed.
        pending.clear();
        Ok(())
    }

    fn abort(&self, _epoch: Epoch, pending: Vec<PendingFile>) -> Result<()> {
        // All are removed, whatever becomes of the first.
        let removed: Vec<Result<()>> = pending.into_iter().map(PendingFile::remove).collect();
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

impl<F> std::fmt::Debug for FileSink<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSink").field("folder", &self.folder).field("gzip", &self.gzip).finish_non_exhaustive()
    }
}
