//! From snapshots and the changelog back to state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use firesteel_faults::fail_point;

use crate::backend::{StateBackend, holds, replace};
use crate::changelog::{EpochLog, EpochRecord};
use crate::cursor::Cursor;
use crate::error::{Result, StateError};
use crate::frame::{Frame, FrameWriter, Shard, StoreId, TableId};
use crate::marker::{CommitName, Marker};
use crate::parallel;
use crate::store::StateStore;
use crate::timers_by_key::with_timers_by_key;

use super::{ImageRef, Manifest, SnapshotId, Snapshots};

/// What state can be restored from: a sound snapshot and the records of the changelog that follow it.
#[derive(Debug)]
pub struct Recovery<'a> {
    snapshots: &'a Snapshots,
    log: &'a dyn EpochLog,
    base: Option<Manifest>,
    skipped: Vec<(SnapshotId, StateError)>,
    /// The first record that is needed.
    first: u64,
    /// The last epoch that is restored.
    last: u64,
    /// Whether it continues what the backend has kept.
    continues: bool,
}

/// Finds what to resume from, and the records that lead from there to the last epoch that was prepared.
///
/// A `backend` that has kept its values is resumed from if the changelog has every record after each of its markers,
/// each commit that these name is one of the log's, and no snapshot holds a shard that it lacks; that reads no image. Otherwise it is the newest sound snapshot that the changelog continues: a damaged one is
/// passed over in favor of an older one, down to an empty state if the changelog goes back to the first epoch, which
/// is 1. The epoch that was prepared last is part of what is restored: who knows that no sink committed it
/// [drops](crate::Changelog::drop_last) it before.
///
/// # Errors
/// [`StateError::NoUsableSnapshot`] when no snapshot is sound and the changelog does not go back far enough;
/// [`StateError::Gap`] when the changelog ends before a snapshot or the backend does, and so lacks what came after
/// them too.
pub fn recover<'a>(
    snapshots: &'a Snapshots,
    log: &'a dyn EpochLog,
    backend: Option<&dyn StateBackend>,
) -> Result<Recovery<'a>> {
    let mut skipped = vec![];
    let last = log.last_epoch().unwrap_or(0);
    let ids = snapshots.list()?;
    if let Some(backend) = backend {
        let manifests: Vec<Option<Manifest>> = ids.iter().map(|id| snapshots.manifest(*id).ok()).collect();
        let newest = manifests.last().cloned().flatten();
        let manifests: Vec<Manifest> = manifests.into_iter().flatten().collect();
        if is_continued(log, backend, &manifests)? && is_of_log(log, backend, &manifests)? {
            reaches(snapshots, log, manifests.iter().map(|manifest| manifest.epoch).max())?;
            let first = first_needed(backend, newest.as_ref())?;
            return Ok(Recovery { snapshots, log, base: None, skipped, first, last, continues: true });
        }
    }
    let mut newest = None;
    for id in ids.into_iter().rev() {
        let tried = snapshots.manifest(id).and_then(|manifest| {
            newest = newest.max(Some(manifest.epoch));
            snapshots.verify(&manifest)?;
            continues(log, &manifest)?;
            Ok(manifest)
        });
        match tried {
            Ok(manifest) => {
                reaches(snapshots, log, newest)?;
                let first = manifest.replay_from() + 1;
                return Ok(Recovery { snapshots, log, base: Some(manifest), skipped, first, last, continues: false });
            }
            // A place that cannot be reached says nothing about the snapshot.
            Err(error) if error.class() == crate::Class::Retryable => return Err(error),
            Err(error) => skipped.push((id, error)),
        }
    }
    reaches(snapshots, log, newest)?;
    // Without a snapshot, all records are needed; without either, it is the first start.
    let whole = log.first_epoch().map_or(skipped.is_empty(), |first| first == 1);
    if whole {
        return Ok(Recovery { snapshots, log, base: None, skipped, first: 1, last, continues: false });
    }
    let mut reason = String::new();
    for (id, error) in &skipped {
        reason += &format!("snapshot {id}: {error}; ");
    }
    reason += &match log.first_epoch() {
        Some(first) => format!("the changelog begins with epoch {first}"),
        None => "the changelog is empty".into(),
    };
    Err(StateError::NoUsableSnapshot { folder: snapshots.store.describe().into(), reason })
}

/// Whether the changelog has every record after what the backend holds. A shard that the backend never got needs all
/// records there ever were: if they are not there any more, a snapshot has it.
fn is_continued(log: &dyn EpochLog, backend: &dyn StateBackend, manifests: &[Manifest]) -> Result<bool> {
    let shards = markers(backend)?;
    for (shard, marker) in &shards {
        ahead(log, backend, *shard, *marker)?;
    }
    let Some(oldest) = shards.values().min() else { return Ok(false) };
    let Some(first) = log.first_epoch() else { return Ok(false) };
    let mut images = manifests.iter().flat_map(|manifest| &manifest.images);
    let lacking = |image: &ImageRef| image.length > 0 && !shards.contains_key(&image.shard);
    Ok(first == 1 || first <= oldest + 1 && !images.any(lacking))
}

/// Whether each commit that a backend's markers name is one of the log's: an epoch of the same number, in a log that was put back from a copy
/// or in another term, is another epoch. Where the log has let go of a record, the one after it or a snapshot of its epoch tells.
fn is_of_log(log: &dyn EpochLog, backend: &dyn StateBackend, manifests: &[Manifest]) -> Result<bool> {
    let named: BTreeSet<(u64, CommitName)> =
        backend.markers()?.into_iter().map(|(_, marker)| (marker.epoch, marker.commit)).collect();
    for (epoch, commit) in named.into_iter().filter(|(_, commit)| commit.is_known()) {
        if name_of(log, manifests, epoch)? != Some(commit) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Which commit of an epoch the log or a snapshot knows.
fn name_of(log: &dyn EpochLog, manifests: &[Manifest], epoch: u64) -> Result<Option<CommitName>> {
    let first = log.first_epoch().unwrap_or(u64::MAX);
    let record = if first <= epoch + 1 { log.heads_from(epoch.max(first)).next().transpose()? } else { None };
    let of_log = match record {
        Some(record) if record.epoch == epoch => Some(Cursor::decode(&record.extra, record.epoch)?.commit),
        Some(record) if record.epoch == epoch + 1 => Some(Cursor::decode(&record.extra, record.epoch)?.follows),
        _ => None,
    };
    if let Some(known) = of_log.filter(|name| name.is_known()) {
        return Ok(Some(known));
    }
    let manifest = manifests.iter().rev().find(|manifest| manifest.epoch == epoch);
    let of_snapshot = manifest.map(|manifest| Cursor::decode(&manifest.extra, epoch)).transpose()?;
    Ok(of_snapshot.map(|cursor| cursor.commit))
}

/// The first record that a backend lacks, which is resumed from. Records before it are not even read.
///
/// A shard of the job that it never got needs all of them. Which shards there are stands in the newest manifest, since
/// every start of a job with new state takes a snapshot: without that, all records are needed.
fn first_needed(backend: &dyn StateBackend, newest: Option<&Manifest>) -> Result<u64> {
    let Some(Manifest { catalog, .. }) = newest else { return Ok(1) };
    let markers = markers(backend)?;
    let groups = catalog.groups().all();
    let shards =
        catalog.stores().iter().flat_map(|store| groups.iter().map(move |group| Shard { store: store.id, group }));
    let oldest = shards.map(|shard| markers.get(&shard).copied().unwrap_or(0)).min();
    Ok(oldest.unwrap_or(0) + 1)
}

/// How far the backend holds each shard.
fn markers(backend: &dyn StateBackend) -> Result<BTreeMap<Shard, u64>> {
    let mut markers = BTreeMap::new();
    markers.extend(backend.shards()?);
    Ok(markers)
}

/// A backend gets what is in the changelog: if it has more, the changelog has lost records.
fn ahead(log: &dyn EpochLog, backend: &dyn StateBackend, shard: Shard, marker: u64) -> Result<()> {
    let last = log.last_epoch().unwrap_or(0);
    if marker <= last {
        return Ok(());
    }
    Err(StateError::Gap {
        place: format!("the changelog, beside {shard} in {}", backend.describe()),
        expected: marker,
        found: format!("nothing after epoch {last}"),
    })
}

/// The changelog has every record after the snapshot.
fn continues(log: &dyn EpochLog, manifest: &Manifest) -> Result<()> {
    let expected = manifest.replay_from() + 1;
    match log.first_epoch() {
        Some(first) if first > expected => {
            Err(StateError::Gap { place: "the changelog".into(), expected, found: format!("epoch {first}") })
        }
        _ => Ok(()),
    }
}

/// Makes sure that the changelog goes as far as the newest snapshot, of epoch `newest`: one that does not has lost
/// records, perhaps of committed epochs. A [recovery](recover) asks that, too; here it costs nothing.
///
/// # Errors
/// [`StateError::Gap`] if it does not.
pub fn reaches(snapshots: &Snapshots, log: &dyn EpochLog, newest: Option<u64>) -> Result<()> {
    match (newest, log.last_epoch()) {
        (Some(newest), last) if last.is_none_or(|last| last < newest) => Err(StateError::Gap {
            place: format!("the changelog, beside the snapshots in {}", snapshots.store.describe()),
            expected: newest,
            found: last.map_or("nothing".into(), |last| format!("nothing after epoch {last}")),
        }),
        _ => Ok(()),
    }
}

/// The numbers under which a backend may hold values of earlier types.
///
/// A job that holds its state in memory reads values of earlier types when it starts, and its changes do not say that
/// these are gone. An image from before may still have them.
struct Older {
    /// By the number of the type that values have now.
    numbers: BTreeMap<(StoreId, TableId), Vec<TableId>>,
    /// Where there are any.
    held: OnceLock<BTreeSet<(Shard, TableId)>>,
}

impl Older {
    /// The frames, with what they change removed from under earlier numbers first; `None` if there is nothing.
    fn without(&self, backend: &dyn StateBackend, frames: &[Frame]) -> Result<Option<Vec<Frame>>> {
        if self.numbers.is_empty() {
            return Ok(None);
        }
        let held = match self.held.get() {
            Some(held) => held,
            None => {
                let found = self.find(backend)?;
                self.held.get_or_init(|| found)
            }
        };
        if held.is_empty() {
            return Ok(None);
        }
        Ok(Some(frames.iter().map(|frame| self.extend(held, frame)).collect()))
    }

    /// All images have been applied by now.
    fn find(&self, backend: &dyn StateBackend) -> Result<BTreeSet<(Shard, TableId)>> {
        let mut found = BTreeSet::new();
        for (shard, _) in backend.shards()? {
            for ((store, _), numbers) in &self.numbers {
                for number in numbers.iter().filter(|_| *store == shard.store) {
                    if holds(backend, shard, *number, &[])? {
                        found.insert((shard, *number));
                    }
                }
            }
        }
        Ok(found)
    }

    fn extend(&self, held: &BTreeSet<(Shard, TableId)>, frame: &Frame) -> Frame {
        let shard = frame.shard();
        let mut out = FrameWriter::new();
        for ((_, now), numbers) in self.numbers.iter().filter(|((store, _), _)| *store == shard.store) {
            for number in numbers.iter().filter(|number| held.contains(&(shard, **number))) {
                out.begin_table(*number);
                frame.changes().filter(|change| change.table == *now).for_each(|change| out.remove(change.key));
            }
        }
        out.append(frame)
    }
}

impl Recovery<'_> {
    /// The snapshot that is resumed from, if any.
    #[must_use]
    pub fn base(&self) -> Option<&Manifest> {
        self.base.as_ref()
    }

    /// Whether it has nothing but the log to go by. Of key groups that were gained the log knows only what changed since: that
    /// is no state of theirs.
    #[must_use]
    pub fn is_of_log_alone(&self) -> bool {
        self.base.is_none() && !self.continues
    }

    /// The snapshots that were passed over, newest first, and why.
    #[must_use]
    pub fn skipped(&self) -> &[(SnapshotId, StateError)] {
        &self.skipped
    }

    /// The last epoch that is restored; 0 if there is none.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.last
    }

    /// Restores no later epoch than this one: the last record may be of an epoch that is to be run again.
    #[must_use]
    pub fn up_to(self, epoch: u64) -> Self {
        Self { last: self.last.min(epoch), ..self }
    }

    /// The records after the snapshot, or after what the backend holds.
    pub fn tail(&self) -> impl Iterator<Item = Result<EpochRecord>> + use<> {
        let last = self.last;
        let records = self.log.records_from(self.first);
        records.take_while(move |record| !matches!(record, Ok(record) if record.epoch > last))
    }

    /// The numbers of earlier types, as the snapshots' catalogs have them.
    fn older_numbers(&self) -> Result<BTreeMap<(StoreId, TableId), Vec<TableId>>> {
        let mut numbers: BTreeMap<_, Vec<TableId>> = BTreeMap::new();
        // One that cannot be read says nothing: what was written under its numbers has been refused already.
        for manifest in self.snapshots.list()?.into_iter().filter_map(|id| self.snapshots.manifest(id).ok()) {
            for store in manifest.catalog.stores() {
                for table in store.tables.iter().filter(|table| !table.earlier.is_empty()) {
                    let known = numbers.entry((store.id, table.id)).or_default();
                    known.extend(table.earlier.iter().map(|earlier| earlier.id));
                    known.sort_unstable();
                    known.dedup();
                }
            }
        }
        Ok(numbers)
    }

    fn through(&self, shard: Shard) -> u64 {
        self.base.as_ref().map_or(0, |base| base.through(shard))
    }

    /// Hands everything to `image` and `change`, on several threads: first images, in any order, then the changes of one
    /// record after the other, those of different shards in any order. A record's frames are handed over in up to `parts`.
    fn replay_at_once(
        &self,
        image: impl Fn(u64, Frame) -> Result<()> + Sync,
        change: impl Fn(u64, CommitName, &[Frame]) -> Result<()> + Sync,
        parts: usize,
    ) -> Result<()> {
        if let Some(base) = &self.base {
            fail_point!("restore.images");
            self.snapshots.images_at_once(base, image)?;
        }
        fail_point!("restore.changes");
        let apply = |record: Result<EpochRecord>| {
            let EpochRecord { epoch, mut frames, extra, .. } = record?;
            fail_point!("restore.change");
            // What is not the engine's has no name.
            let commit = Cursor::decode(&extra, epoch).map_or_else(|_| CommitName::default(), |cursor| cursor.commit);
            frames.retain(|frame| epoch > self.through(frame.shard()));
            let chunks: Vec<&[Frame]> = frames.chunks(frames.len().div_ceil(parts.max(1)).max(1)).collect();
            parallel::each(self.snapshots.threads, &chunks, |frames| change(epoch, commit, frames))
        };
        if self.snapshots.threads < 2 {
            return self.tail().try_for_each(apply);
        }
        parallel::ahead(self.tail(), apply)
    }

    /// Restores stores that keep everything in memory. Operators that are no longer there are passed over.
    ///
    /// # Errors
    /// When something cannot be read, and those of [`StateStore::restore`].
    pub fn restore_stores(&self, stores: &[&dyn StateStore]) -> Result<()> {
        let restore = |epoch: u64, frame: &Frame| {
            let store = stores.iter().find(|store| store.schema().id == frame.shard().store);
            store.map_or(Ok(()), |store| store.restore(epoch, frame))
        };
        let each = |epoch: u64, _, frames: &[Frame]| frames.iter().try_for_each(|frame| restore(epoch, frame));
        self.replay_at_once(|epoch, frame| restore(epoch, &frame), each, usize::MAX)
    }

    /// Brings a backend to the last epoch, before stores are opened over it. What it has kept by itself is used, shard
    /// by shard, as far as its markers say.
    ///
    /// # Errors
    /// When something cannot be read, and those of the backend; [`StateError::Gap`] when the backend is ahead of the
    /// changelog, which must have lost records then.
    pub fn restore_backend(&self, backend: &dyn StateBackend) -> Result<()> {
        let manifests: Vec<Manifest> = self.base.iter().cloned().collect();
        let is_foreign = !self.continues && !is_of_log(self.log, backend, &manifests)?;
        for (shard, marker) in backend.shards()? {
            ahead(self.log, backend, shard, marker)?;
            // What is after the snapshot, and not in it, has gaps: start over. So does what is of another log.
            if is_foreign || marker < self.through(shard) {
                backend.clear(shard)?;
            }
        }
        // Of images of earlier epochs than the last one in the snapshot it is not known which commit they are of.
        let last = self
            .base
            .as_ref()
            .and_then(|base| Some((base.epoch, Cursor::decode(&base.extra, base.epoch).ok()?.commit)));
        let image = |through: u64, frame: Frame| {
            let held = backend.marker(frame.shard())?;
            if held.is_none_or(|marker| marker < through) {
                let commit =
                    last.filter(|(epoch, _)| *epoch == through).map_or_else(CommitName::default, |(_, name)| name);
                replace(backend, Marker { epoch: through, commit }, &frame)?;
            }
            Ok(())
        };
        let older = Older { numbers: self.older_numbers()?, held: OnceLock::new() };
        let change = |epoch: u64, commit: CommitName, frames: &[Frame]| {
            let at = Marker { epoch, commit };
            let newest = older.without(backend, frames)?;
            let frames = newest.as_deref().unwrap_or(frames);
            let both: Vec<Option<Frame>> = frames.iter().map(with_timers_by_key).collect();
            if both.iter().all(Option::is_none) {
                return backend.apply_at(at, frames);
            }
            let both = both.into_iter().zip(frames).map(|(both, frame)| both.unwrap_or_else(|| frame.clone()));
            backend.apply_at(at, &both.collect::<Vec<_>>())
        };
        // Much in one call costs a backend less than a little in each of many.
        self.replay_at_once(image, change, self.snapshots.threads)
    }
}
