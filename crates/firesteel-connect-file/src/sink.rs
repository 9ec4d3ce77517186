//! Text files as a sink.

mod clean;
mod format;
mod part;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use firesteel_connect::{ConnectError, Epoch, Guarantee, Result, Sink, WriteTask};
use firesteel_disk::{Disk, Lock, OsDisk};
use parking_lot::Mutex;

use crate::manifest;
use crate::path::file_error;
pub use format::{Displayed, Format, Formatted};
pub use part::PendingFile;
use part::{PartName, PartWriter};

/// Writes records as lines of text files, one file per epoch and partition: `part-0000000007-00000.txt`.
///
/// A task writes to a hidden temporary file. The commit of the epoch makes them durable, renames them, and last of
/// all writes the epoch's manifest, `_committed/0000000007`, which lists them. Partitions without records have no
/// file.
///
/// **What readers see.** The manifest appears by one rename. Who reads only files that a manifest lists
/// ([`TextFiles`](crate::TextFiles) does) sees all of an epoch or nothing of it, at any moment and after any crash.
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
pub struct TextFileSink<F = Displayed> {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    gzip: bool,
    format: F,
    /// Held from start to stop; the operating system releases it when the process dies.
    lock: Mutex<Option<Lock>>,
    /// Makes the names of temporary files unique.
    written: AtomicU64,
    /// Whether a commit has ever failed halfway: files without a manifest may lie about, and a manifest may not be
    /// durable.
    torn: AtomicBool,
}

impl TextFileSink {
    /// Writes into the folder, which is made if it does not exist; the records' `Display` makes the lines.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            disk: OsDisk::shared(),
            folder: folder.into(),
            gzip: false,
            format: Displayed,
            lock: Mutex::new(None),
            written: AtomicU64::new(0),
            torn: AtomicBool::new(false),
        }
    }
}

impl<F> TextFileSink<F> {
    /// Compresses the files, which are then named `part-….txt.gz`.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Makes the lines with a function, which appends to an empty buffer; the newline is added. A record whose text
    /// has newlines in it becomes several lines.
    #[must_use]
    pub fn format<T, G>(self, format: G) -> TextFileSink<Formatted<G>>
    where
        G: Fn(&T, &mut String) + Send + Sync + 'static,
    {
        let Self { disk, folder, gzip, format: _, lock, written, torn } = self;
        TextFileSink { disk, folder, gzip, format: Formatted(format), lock, written, torn }
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

    fn part_name(&self, epoch: Epoch, partition: usize) -> PartName {
        PartName { epoch, partition, gzip: self.gzip }
    }

    /// Refuses a folder whose files would look like ours and are not.
    fn refuse_foreign(&self) -> Result<()> {
        for name in self.disk.list(&self.folder).map_err(file_error)? {
            if PartName::epoch_of(&name).is_some() {
                let path = self.folder.join(name);
                let reason =
                    format!("{} was not written by this sink; give the job a folder of its own", path.display());
                return Err(ConnectError::Setting { connector: "TextFileSink", setting: "folder", reason });
            }
        }
        Ok(())
    }

    fn take_lock(&self, lock: &Path) -> Result<()> {
        let taken = self.disk.lock(lock).map_err(file_error)?.ok_or_else(|| {
            let reason = format!(
                "another job is writing to {}; stop it, or give each a folder of its own",
                self.folder.display()
            );
            ConnectError::Setting { connector: "TextFileSink", setting: "folder", reason }
        })?;
        *self.lock.lock() = Some(taken);
        Ok(())
    }

    /// Gives the files their names and lists them. A repeated call resumes where the one before it failed.
    fn publish(&self, epoch: Epoch, pending: &mut [PendingFile]) -> Result<()> {
        let mut entries = Vec::with_capacity(pending.len());
        for file in pending {
            entries.extend(file.publish(&self.folder)?);
            firesteel_faults::fail_point!("sink.published");
        }
        if self.torn.load(Ordering::Acquire) {
            let listed = |name: &str| entries.iter().any(|entry| entry.name == name);
            clean::unlisted(&*self.disk, &self.folder, |found, name| found == epoch && !listed(name))?;
        }
        self.disk.sync_folder(&self.folder).map_err(file_error)?;
        firesteel_faults::fail_point!("sink.unlisted");
        manifest::write(&*self.disk, &self.folder, epoch, &entries)
    }
}

impl<T, F> Sink<T> for TextFileSink<F>
where
    F: Format<T>,
{
    type Pending = PendingFile;

    fn describe(&self) -> String {
        format!("text files in {}", self.folder.display())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn start(&self) -> Result<()> {
        self.disk.make_folder(&self.folder).map_err(file_error)?;
        let manifests = manifest::folder_of(&self.folder);
        let lock = manifests.join(".lock");
        // A folder that is ours has the lock file; manifests tell as much where somebody has cleaned up too well.
        let ours =
            self.disk.exists(&lock).map_err(file_error)? || !manifest::epochs(&*self.disk, &self.folder)?.is_empty();
        if !ours {
            self.refuse_foreign()?;
        }
        self.disk.make_folder(&manifests).map_err(file_error)?;
        self.take_lock(&lock)?;
        clean::leftovers(&*self.disk, &self.folder)?;
        // What a process has committed right before it died may not be durable yet, and will be relied on from here on.
        manifest::sync(&*self.disk, &self.folder)
    }

    fn write(&self, task: WriteTask, records: impl Iterator<Item = T>) -> Result<PendingFile> {
        let name = self.part_name(task.epoch, task.partition);
        let serial = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(name.temporary(task.attempt, serial));
        let mut writer = None;
        let mut line = String::new();
        for record in records {
            line.clear();
            self.format.format(&record, &mut line).map_err(|source| ConnectError::Other {
                context: format!("writing a record of epoch {} as text", task.epoch),
                class: firesteel_connect::Class::Record,
                source: source.into(),
            })?;
            line.push('\n');
            let writer = match &mut writer {
                Some(writer) => writer,
                empty => empty.insert(PartWriter::create(&self.disk, temporary.clone(), self.gzip)?),
            };
            writer.write(line.as_bytes())?;
        }
        writer.map_or(Ok(PendingFile::empty()), |writer| writer.finish(name))
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<PendingFile>) -> Result<()> {
        if !manifest::exists(&*self.disk, &self.folder, epoch)? {
            let published = self.publish(epoch, pending);
            if published.is_err() {
                self.torn.store(true, Ordering::Release);
            }
            published?;
        } else if self.torn.load(Ordering::Acquire) {
            // It may have got its name in a commit that failed after that.
            manifest::sync(&*self.disk, &self.folder)?;
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

    fn last_committed(&self) -> Result<Option<Epoch>> {
        Ok(manifest::epochs(&*self.disk, &self.folder)?.last().copied())
    }

    fn stop(&self) -> Result<()> {
        *self.lock.lock() = None;
        Ok(())
    }
}

impl<F> std::fmt::Debug for TextFileSink<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextFileSink").field("folder", &self.folder).field("gzip", &self.gzip).finish_non_exhaustive()
    }
}
