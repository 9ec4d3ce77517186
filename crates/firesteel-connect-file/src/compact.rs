//! Small files of results that become large ones.

mod journal;
mod scope;
mod switch;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{ConnectError, Result, Scope};
use firesteel_disk::{Disk, OsDisk};
use firesteel_results::{CompactionReport, Limits};

use crate::manifest;
use crate::path::file_error;
pub(crate) use scope::ScopeOfResults;

/// Merges the small files of results at rest: those that a [`FileSink`](crate::FileSink) has committed to a folder, where no job writes at
/// the moment. A sink does it by itself where it is told to: [`FileSink::compact_to`](crate::FileSink::compact_to).
///
/// Files of one folder, format and compression whose epochs follow each other become one of up to `wanted` bytes. Files with three
/// quarters of that are large enough.
///
/// - **Readers by the manifests** ([`Files`](crate::Files) over the folder, followers included, running or stopped) see each record once, at
///   any moment and after any crash. A follower that knows some of the files reads what it has not read of them from the merged one, and
///   the rest of that one; its splits keep their names and positions.
/// - **Who lists the folder** and does not know the manifests sees, between two renames and until the old files are removed, records of both:
///   run it while nobody does, or wait for `_SUCCESS`, which is gone meanwhile where it was there.
/// - **It may end anywhere.** What was begun is finished or undone by the next one, or when the sink starts next. It needs as much free space
///   as it merges at a time, up to 256 MB or the wanted size, and holds one small file of Parquet in memory, else some buffers and the
///   manifests.
/// - **One at a time.** It takes the lock of the sink: while that runs, or another compaction, it is refused.
/// - **Formats** are told by how names end: lines (`txt`, `ndjson`), `csv`, `avro`, `parquet`, `pb`. Files of a format of your own with one of
///   these endings must be what the ending says. CSV has its header once, and `"` as its quote; files of other columns, or Avro and Parquet of another schema,
///   are not merged together; what is left is told with the reason.
/// - **An old file that is missing, damaged, or not as long** as its manifest says is an error, and nothing changes.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use firesteel_connect::{Epoch, Sink, SinkContext, WriteTask};
/// use firesteel_connect_file::{Compaction, TextFileSink};
///
/// # let folder = tempfile::tempdir()?;
/// # let out = folder.path().join("out");
/// let sink = TextFileSink::new(&out);
/// Sink::<String>::start(&sink, &SinkContext::default())?;
/// for epoch in 1..=100 {
///     let written = sink.write(WriteTask::new(Epoch(epoch), 0), [format!("line {epoch}")].into_iter())?;
///     Sink::<String>::commit(&sink, Epoch(epoch), &mut vec![written])?;
/// }
/// Sink::<String>::stop(&sink)?;
///
/// let report = Compaction::of(&out, 128 << 20).run()?;
/// assert_eq!((report.merged, report.into), (100, 1));
/// assert!(out.join("part-0000000001to0000000100-00001.txt").exists());
/// # Ok(())
/// # }
/// ```
pub struct Compaction {
    disk: Arc<dyn Disk>,
    results: PathBuf,
    wanted: u64,
}

impl Compaction {
    /// Of the results in a folder, to files of up to `wanted` bytes as they are stored.
    pub fn of(results: impl Into<PathBuf>, wanted: u64) -> Self {
        Self { disk: OsDisk::shared(), results: results.into(), wanted }
    }

    #[cfg(test)]
    pub(crate) fn on_disk(self, disk: Arc<dyn Disk>) -> Self {
        Self { disk, ..self }
    }

    /// Merges what there is to be merged, of all parts of the job that wrote it.
    ///
    /// # Errors
    /// A [`ConnectError::Setting`] where the folder holds no results, or somebody writes to it. [`ConnectError::Lost`] and
    /// [`ConnectError::Damaged`] of an old file that is not as its manifest says. Those of the disk. What was merged before stays merged.
    pub fn run(&self) -> Result<CompactionReport> {
        let Self { disk, results, wanted } = self;
        let all = manifest::folder_of(results);
        let parts = disk.folders(&all).map_err(file_error)?;
        let scopes: Vec<Scope> =
            std::iter::once(Scope::whole()).chain(parts.iter().filter_map(|part| Scope::of_part(part).ok())).collect();
        let mut report = CompactionReport::default();
        let mut found = false;
        for scope in scopes {
            let manifests = manifest::folder_of_scope(results, &scope);
            if manifest::current(&**disk, &manifests)?.is_empty() {
                continue;
            }
            found = true;
            let lock = disk.lock(&manifests.join(".lock")).map_err(file_error)?;
            let _lock = lock.ok_or_else(|| is_written(results))?;
            let scope = ScopeOfResults { disk, results, manifests: &manifests, scope: &scope, wanted: *wanted };
            scope.settle_and_mark()?;
            scope.remove_temporary()?;
            scope.compact(&Limits::none(), &mut report)?;
        }
        if found { Ok(report) } else { Err(no_results(results)) }
    }
}

fn is_written(results: &Path) -> ConnectError {
    let reason = format!(
        "a job, or another compaction, is writing to {}; stop it, or let its sink merge files: FileSink::compact_to",
        results.display()
    );
    ConnectError::Setting { connector: "Compaction", setting: "folder", reason }
}

fn no_results(results: &Path) -> ConnectError {
    let reason = format!("{} holds no results of a sink, which manifests in _committed would list", results.display());
    ConnectError::Setting { connector: "Compaction", setting: "folder", reason }
}

impl fmt::Debug for Compaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compaction")
            .field("results", &self.results)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}
