//! Objects as a sink.

pub(crate) mod merging;
mod part;
pub(crate) mod place;
mod step;

use std::cell::Cell;
use std::fmt::{self, Display};
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{
    CheckpointId, Class, ConnectError, Epoch, Guarantee, Mark, Place, Result, Scope, Sink, SinkContext, WriteTask,
};
use firesteel_formats::{Json, WriteFormat, WriteLines};
use firesteel_object_store::{Bucket, Uploaded};
use firesteel_results::{
    ByColumn, Compacting, CompactionReport, Covered, Entry, Layout, Limits, Loose, Manifest, PartName, Partitions,
    Unpartitioned, singles,
};
use parking_lot::Mutex;
use serde::Serialize;

use crate::error::failed;
use crate::source::results::joined;
use merging::Mergeable;
pub use part::PendingObjects;
use part::Uploads;
use place::Claimed;

/// This many manifests are merged.
const MERGE_AT: usize = 100;

/// Writes records to objects under a prefix in any [`WriteFormat`], one for each epoch and partition:
/// `part-0000000007-00000.r3-17.ndjson`, where 3 counts the starts of the job, and 17 what it has written.
///
/// A task uploads its objects, which are invisible while they are not complete. They are completed when the micro-batch is done, and
/// last of all the commit of the epoch puts its manifest, `_committed/0000000007`, which lists them, **where none is**: that one call makes
/// the epoch visible, and of two processes that try it one succeeds. Manifests are merged as they become many: a merging takes the number after that of
/// the claim, or of the merging before it, so that a process that was shut out merges nothing.
///
/// **What readers see.** Who reads only objects that a manifest lists ([`Objects`](crate::Objects) does) sees all of an epoch or nothing
/// of it. Who lists the prefix itself sees objects of an epoch shortly before it is committed, and those that a crash has left until
/// their epoch is committed by the next start.
///
/// **Several processes.** A start claims the place, by an object `_committed/run-0000000003`. A process that finds a later claim, or
/// that another one has committed the epoch, [ends](ConnectError::Fenced). The sink is exactly-once where the store can put an object on
/// condition that none is there, which is found out at the start.
///
/// Small objects become large ones where that [is asked for](Self::compact_to). Longer epochs and fewer tasks make larger ones to begin with.
///
/// An epoch costs a call for each object, two for its commit; parts of uploads that a crash has left are removed by a rule of the bucket.
///
/// ```
/// use std::sync::Arc;
/// use firesteel_connect_object_store::{Bucket, ObjectSink, object_store::memory::InMemory};
///
/// #[derive(serde::Serialize)]
/// struct Total {
///     user: String,
///     clicks: u64,
/// }
///
/// let lake = Bucket::new(Arc::new(InMemory::new()))?;
/// let totals = ObjectSink::json::<Total>(&lake, "results/totals").gzip().full_at(128 << 20);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ObjectSink<F, P = Unpartitioned> {
    bucket: Bucket,
    prefix: String,
    format: F,
    layout: Layout<P>,
    compacting: Compacting,
    started: Mutex<Option<Started>>,
    /// The part of the job and the number of its start: tasks that write ask for them while a commit has the rest.
    writer: Mutex<(Scope, u64)>,
    /// Counts what was written: no attempt has the keys of another one.
    written: AtomicU64,
}

/// What is known from start to stop.
struct Started {
    claimed: Claimed,
    checkpoint: CheckpointId,
    /// How many manifests of single epochs the scope has.
    singles: usize,
    /// What has come since small objects were merged last.
    loose: Loose,
    last: Option<Mark>,
    /// A manifest that was put without an answer.
    unsure: Option<(Epoch, Manifest)>,
}

impl ObjectSink<()> {
    /// Writes objects in this format under a prefix of the bucket.
    pub fn in_format<F>(bucket: &Bucket, prefix: &str, format: F) -> ObjectSink<F> {
        ObjectSink {
            bucket: bucket.clone(),
            prefix: prefix.trim_matches('/').to_owned(),
            format,
            layout: Layout::default(),
            compacting: Compacting::default(),
            started: Mutex::default(),
            writer: Mutex::default(),
            written: AtomicU64::new(0),
        }
    }

    /// Writes JSON, one value a line: see [`Json`] for what is written, and what is refused.
    pub fn json<T: Serialize + 'static>(bucket: &Bucket, prefix: &str) -> ObjectSink<WriteLines<Json<T>>> {
        Self::in_format(bucket, prefix, Json::new().write_lines())
    }

    /// Writes CSV, with a header in each object: see [`Csv`](firesteel_formats::Csv) for what is written, and what is refused.
    #[cfg(feature = "csv")]
    pub fn csv<T: Serialize + 'static>(bucket: &Bucket, prefix: &str) -> ObjectSink<firesteel_formats::Csv<T>> {
        Self::in_format(bucket, prefix, firesteel_formats::Csv::new())
    }

    /// Writes Avro object container files: see [`Avro`](firesteel_formats::Avro) for what is written, and what is refused.
    #[cfg(feature = "avro")]
    pub fn avro<T: Serialize + serde::de::DeserializeOwned + 'static>(
        bucket: &Bucket,
        prefix: &str,
    ) -> ObjectSink<firesteel_formats::Avro<T>> {
        Self::in_format(bucket, prefix, firesteel_formats::Avro::new())
    }

    /// Writes Parquet: see [`Parquet`](firesteel_formats::Parquet) for what is written, and what is refused.
    #[cfg(feature = "parquet")]
    pub fn parquet<T: Serialize + serde::de::DeserializeOwned + 'static>(
        bucket: &Bucket,
        prefix: &str,
    ) -> ObjectSink<firesteel_formats::Parquet<T>> {
        Self::in_format(bucket, prefix, firesteel_formats::Parquet::new())
    }
}

impl<F, P> ObjectSink<F, P> {
    /// Writes the records of each value of a column under a prefix of its own, as Hive does and Spark, DuckDB and others read it:
    /// `day=2026-11-28/part-0000000007-00000.r3-17.csv`. Called again, it makes prefixes below those.
    ///
    /// The value is what `Display` makes of it. What has a meaning in a path is written as `%` and two digits, and an empty text as
    /// `__HIVE_DEFAULT_PARTITION__`. The records themselves are written whole.
    #[must_use]
    pub fn partitioned_by<T, V, G>(self, column: impl Into<String>, value: G) -> ObjectSink<F, ByColumn<P, G>>
    where
        F: WriteFormat<T>,
        G: Fn(&T) -> V + Send + Sync + 'static,
        V: Display,
    {
        let Self { bucket, prefix, format, layout, compacting, started, writer, written } = self;
        let layout = layout.by_column(column, value);
        ObjectSink { bucket, prefix, format, layout, compacting, started, writer, written }
    }

    /// Compresses the objects, whose keys end with `.gz` then.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.layout.gzip = true;
        self
    }

    /// Begins another object when one has this many bytes, as they are stored. An object ends with its epoch at the latest: longer epochs
    /// make larger objects, and fewer calls.
    #[must_use]
    pub fn full_at(mut self, bytes: u64) -> Self {
        self.layout.full_at = Some(bytes);
        self
    }

    /// How many objects a task has open at a time; a hundred unless set, each with up to 8 MiB in memory, and 64 MiB of those that are whole. A record that belongs to yet
    /// another one ends the one that was written to least recently.
    #[must_use]
    pub fn open_at_most(mut self, objects: usize) -> Self {
        self.layout.most_open = objects;
        self
    }

    /// Merges small objects into larger ones of up to this many bytes, as they are stored: whenever a hundred small ones have come, or as
    /// many bytes, the commit of an epoch merges about as many bytes as this, after the epoch is visible and before the commit returns. A
    /// merged object is merged again only with others that have as many bytes, so that none is written often. If it fails, that is told,
    /// nothing is lost, and it is retried later. [`Compaction`](crate::Compaction) says what readers see meanwhile, and does the same to
    /// results at rest.
    ///
    /// Merging a hundred objects costs a call for each, four, and those that store and delete.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use firesteel_connect_object_store::{Bucket, ObjectSink, object_store::memory::InMemory};
    /// # let lake = Bucket::new(Arc::new(InMemory::new()))?;
    /// let totals = ObjectSink::json::<u64>(&lake, "results/totals").gzip().compact_to(128 << 20);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn compact_to(mut self, bytes: u64) -> Self {
        self.compacting.wanted = Some(bytes);
        self
    }

    fn not_started(&self) -> ConnectError {
        let reason = "the sink was not started: call start before commit".to_owned();
        ConnectError::Setting { connector: "ObjectSink", setting: "prefix", reason }
    }

    fn part_name(&self, epoch: Epoch, partition: usize, extension: &'static str) -> PartName {
        let (scope, run) = self.writer.lock().clone();
        let attempt = self.written.fetch_add(1, Ordering::Relaxed);
        PartName::new(epoch, partition, scope, extension).gzip(self.layout.gzip).of_run(run, attempt)
    }

    /// Makes what was written appear, without a manifest.
    fn complete(&self, epoch: Epoch, pending: &mut [PendingObjects]) -> Result<()> {
        let uploads = pending.iter_mut().flat_map(PendingObjects::uploads);
        Uploaded::complete_all(uploads)
            .map_err(failed(&self.bucket, || format!("storing the objects of epoch {epoch}")))
    }

    fn publish(&self, started: &mut Started, epoch: Epoch, pending: &mut [PendingObjects]) -> Result<()> {
        started.claimed.check()?;
        self.complete(epoch, pending)?;
        let entries: Vec<Entry> = pending.iter().flat_map(PendingObjects::entries).collect();
        let manifest = Manifest { checkpoint: started.checkpoint, entries };
        let put = started.claimed.put(Covered::one(epoch), &manifest);
        if let Err(error) = &put
            && error.class() == Class::Retryable
        {
            let (place, source) = (self.place(), error.to_string().into());
            started.unsure = Some((epoch, manifest));
            return Err(ConnectError::OutcomeUnknown { place, epoch, source });
        }
        put?;
        started.loose.add(pending.iter().flat_map(PendingObjects::sizes));
        self.committed(started, epoch);
        Ok(())
    }

    /// The epoch is committed: notes that, and merges manifests where there are many.
    fn committed(&self, started: &mut Started, epoch: Epoch) {
        started.last = Some(Mark { epoch, checkpoint: started.checkpoint });
        (started.unsure, started.singles) = (None, started.singles + 1);
        started.claimed.remove_leftovers(epoch);
        if started.singles > MERGE_AT {
            // If it fails nothing is lost: the next epoch makes up for it, and there are more of them meanwhile.
            started.singles = started.claimed.merge(MERGE_AT).unwrap_or(started.singles);
        }
        if let Some(wanted) = self.compacting.due(&mut started.loose) {
            self.compact(started, wanted);
        }
    }

    /// Merges small objects, and manifests with them.
    fn compact(&self, started: &mut Started, wanted: u64) {
        let mut report = CompactionReport::default();
        let objects = Mergeable::of(&self.bucket, &self.prefix, &started.claimed, &self.written);
        match objects.compact(wanted, &Limits::of_one_step(wanted), &mut report) {
            Ok(()) => tracing::debug!(place = self.place(), "{report}"),
            Err(error) => {
                let text = "small objects of results could not be merged: that is retried when more have come";
                tracing::warn!(place = self.place(), "{text} ({error})");
            }
        }
        let current = started.claimed.current_settled();
        started.singles = current.map_or(started.singles, |current| singles(&current));
    }

    fn place(&self) -> String {
        format!("{}/{}", self.bucket, self.prefix)
    }
}

impl<T, F, P> Sink<T> for ObjectSink<F, P>
where
    F: WriteFormat<T>,
    P: Partitions<T>,
{
    type Pending = PendingObjects;

    fn describe(&self) -> String {
        format!("{} objects in {}", self.format.name(), self.place())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn places(&self) -> Vec<Place> {
        let name = self.part_name(Epoch(1), 0, self.format.extension()).in_folder(&self.layout.example_folder());
        vec![Place::Object { store: self.bucket.to_string(), key: joined(&self.prefix, &name.published()) }]
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        self.layout.check("ObjectSink", &self.format)?;
        self.compacting.check("ObjectSink", self.format.name(), self.format.may_be_joined())?;
        let scope = context.scope().clone();
        let by = format!("run {}", context.run());
        let (claimed, manifests) = Claimed::claim(&self.bucket, &self.prefix, &scope, &by)?;
        let last = claimed.last(&manifests)?;
        *self.writer.lock() = (scope, claimed.run());
        let (checkpoint, singles) = (context.checkpoint(), singles(&manifests));
        // Of those that were not merged in the run before.
        let loose = Loose::of(singles);
        *self.started.lock() = Some(Started { claimed, checkpoint, singles, loose, last, unsure: None });
        Ok(())
    }

    fn write(&self, task: WriteTask, records: impl Iterator<Item = T>) -> Result<PendingObjects> {
        let name = self.part_name(task.epoch, task.partition, self.format.extension());
        let uploads = Uploads { bucket: &self.bucket, prefix: &self.prefix, held: Cell::default() };
        self.layout.write(&self.format, &uploads, &name, records).map(PendingObjects::new)
    }

    fn stage(&self, epoch: Epoch, mut written: Vec<PendingObjects>) -> Result<Vec<PendingObjects>> {
        self.complete(epoch, &mut written)?;
        Ok(written)
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<PendingObjects>) -> Result<()> {
        let mut started = self.started.lock();
        let started = started.as_mut().ok_or_else(|| self.not_started())?;
        match started.last.filter(|last| last.epoch >= epoch) {
            Some(Mark { epoch: last, checkpoint }) if checkpoint != started.checkpoint => {
                let reason = format!(
                    "{} has epoch {last} of another checkpoint, so that epoch {epoch} of this one would be lost among its \
                     objects; write elsewhere",
                    self.place()
                );
                return Err(ConnectError::Setting { connector: "ObjectSink", setting: "prefix", reason });
            }
            Some(_) => {
                // It was committed before: what is written again of it is superfluous.
                let removed = std::mem::take(pending).into_iter().map(PendingObjects::remove);
                for error in removed.filter_map(std::result::Result::err) {
                    tracing::warn!(%error, "an object that no manifest names stays behind");
                }
            }
            None if pending.iter().all(PendingObjects::is_empty) => {}
            None => self.publish(started, epoch, pending)?,
        }
        pending.clear();
        Ok(())
    }

    /// Puts the manifest once more: if the first attempt lands after that, it finds that there is one.
    fn outcome(&self, epoch: Epoch) -> Result<bool> {
        let mut started = self.started.lock();
        let started = started.as_mut().ok_or_else(|| self.not_started())?;
        if let Some((_, manifest)) = started.unsure.as_ref().filter(|(unsure, _)| *unsure == epoch) {
            started.claimed.put(Covered::one(epoch), manifest)?;
            self.committed(started, epoch);
        }
        Ok(started.last.is_some_and(|last| last.epoch >= epoch))
    }

    fn abort(&self, epoch: Epoch, pending: Vec<PendingObjects>) -> Result<()> {
        // All are removed, whatever becomes of the first.
        let removed: Vec<_> = pending.into_iter().map(PendingObjects::remove).collect();
        let removed: std::result::Result<(), _> = removed.into_iter().collect();
        removed.map_err(failed(&self.bucket, || format!("removing the objects of epoch {epoch}")))
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(self.started.lock().as_ref().ok_or_else(|| self.not_started())?.last)
    }

    fn stop(&self) -> Result<()> {
        *self.started.lock() = None;
        Ok(())
    }
}

impl<F, P> fmt::Debug for ObjectSink<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, .. } = self;
        f.debug_struct("ObjectSink").field("bucket", bucket).field("prefix", prefix).finish_non_exhaustive()
    }
}
