//! Taking snapshots while the job runs: some key groups after each epoch, until all of them are written.

use std::collections::BTreeSet;

use firesteel_faults::{alterable, fail_point};
use firesteel_state::snapshot::SnapshotWriter;
use firesteel_state::{Catalog, Manifest, Result, Shard, Snapshots, StateStore};

use crate::checkpoint::Cursor;
use crate::checkpoint::frames::shards_of;

/// Images of at least this many bytes are written after an epoch.
const LEAST: u64 = 4 << 20;

/// When snapshots are taken, and the one that is being written.
pub(crate) struct Snapshotting {
    snapshots: Snapshots,
    /// Bytes of changelog after which the next one begins.
    after: u64,
    keep: usize,
    /// The last one that is complete.
    last: Option<Manifest>,
    /// Bytes of changelog since the last one began.
    grown: u64,
    /// The shards that have changed since the last one took their images.
    changed: BTreeSet<Shard>,
    writing: Option<Writing>,
    /// Whether no epoch has been written since the start: what the first batch waits for comes first.
    is_first: bool,
}

struct Writing {
    writer: SnapshotWriter,
    /// The shards whose images are still to be written, the next one last.
    todo: Vec<Shard>,
}

impl Snapshotting {
    pub(crate) fn new(snapshots: Snapshots, after: u64, keep: usize, last: Option<Manifest>) -> Self {
        Self { snapshots, after, keep, last, grown: 0, changed: BTreeSet::new(), writing: None, is_first: true }
    }

    /// Takes note of what an epoch changed.
    pub(crate) fn note(&mut self, bytes: u64, shards: impl Iterator<Item = Shard>) {
        self.grown += bytes;
        self.changed.extend(shards.filter_map(|shard| alterable("snapshot.changed", Some(shard))));
    }

    /// Whether another one begins with the next call of [`collect`](Self::collect).
    pub(crate) fn is_due(&self) -> bool {
        let size = self.last.iter().flat_map(|last| &last.images).map(|image| image.length).sum();
        let due = self.after.max(size);
        // A job that ends after an epoch, again and again, gets there, too.
        let due = if self.is_first { due.saturating_add(due / 2) } else { due };
        self.writing.is_none() && self.grown >= due
    }

    /// Takes some images of the state as it is, at the end of `epoch`, which took `bytes` of changelog. They are part of no
    /// snapshot before the epoch is committed and [`complete`](Self::complete) is called.
    pub(crate) fn collect(
        &mut self,
        epoch: u64,
        bytes: u64,
        catalog: &Catalog,
        stores: &[&dyn StateStore],
    ) -> Result<()> {
        if self.is_due() {
            self.begin(epoch, catalog, stores, false)?;
        }
        self.is_first = false;
        self.write(epoch, LEAST.max(bytes * 2), stores)
    }

    /// Completes the snapshot, if the epoch before whose commit its last images were taken is committed: `cursor` tells
    /// where the job then stood. Returns the epoch up to which the changelog is superfluous, when one has become complete.
    pub(crate) fn complete(&mut self, cursor: &Cursor) -> Result<Option<u64>> {
        let Some(Writing { writer, .. }) = self.writing.take_if(|writing| writing.todo.is_empty()) else {
            return Ok(None);
        };
        self.last = Some(writer.finish(cursor.encode()?)?);
        self.snapshots.retain(self.keep).map(Some)
    }

    /// Takes a whole snapshot of the state at the end of `epoch` now.
    pub(crate) fn take(
        &mut self,
        epoch: u64,
        catalog: &Catalog,
        cursor: &Cursor,
        stores: &[&dyn StateStore],
    ) -> Result<Option<u64>> {
        self.begin(epoch, catalog, stores, true)?;
        self.write(epoch, u64::MAX, stores)?;
        self.complete(cursor)
    }

    /// The same, and no older one is kept.
    pub(crate) fn take_alone(
        &mut self,
        epoch: u64,
        catalog: &Catalog,
        cursor: &Cursor,
        stores: &[&dyn StateStore],
    ) -> Result<Option<u64>> {
        self.take(epoch, catalog, cursor, stores)?;
        self.snapshots.retain(1).map(Some)
    }

    fn begin(&mut self, epoch: u64, catalog: &Catalog, stores: &[&dyn StateStore], whole: bool) -> Result<()> {
        self.writing = None;
        let base = self.last.as_ref().filter(|_| !whole);
        let whole = base.is_none();
        let mut writer = self.snapshots.begin(epoch, catalog, base)?;
        let mut todo = Vec::new();
        // Looked up once for each shard: a scan of the base for each would take the square of their number.
        let known: BTreeSet<Shard> = base.iter().flat_map(|base| &base.images).map(|image| image.shard).collect();
        for shard in shards_of(stores) {
            if known.contains(&shard) && !self.changed.contains(&shard) {
                writer.unchanged(shard, epoch)?;
            } else if whole || self.changed.contains(&shard) {
                todo.push(shard);
            }
        }
        todo.reverse();
        self.changed.clear();
        self.grown = 0;
        self.writing = Some(Writing { writer, todo });
        Ok(())
    }

    fn write(&mut self, epoch: u64, limit: u64, stores: &[&dyn StateStore]) -> Result<()> {
        let Some(Writing { writer, todo }) = &mut self.writing else { return Ok(()) };
        let mut written = 0;
        while written < limit
            && let Some(shard) = todo.pop()
        {
            let Some(store) = stores.iter().find(|store| store.schema().id == shard.store) else { continue };
            let (_, image) = store.image(shard.group)?;
            written += image.bytes().len() as u64;
            writer.add(epoch, &image)?;
            self.changed.remove(&shard);
        }
        fail_point!("snapshot.added");
        Ok(())
    }

    /// Gives up the snapshot that is being written, after an error: another one is begun when it is due.
    pub(crate) fn give_up(&mut self) {
        if self.writing.take().is_some() {
            // What it had taken is in no snapshot: the next one takes everything.
            self.last = None;
        }
    }
}
