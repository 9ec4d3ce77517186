//! What holds state below the overlay: bytes, by key group.
//!
//! A backend maps `(shard, table, key)` to a value, keeps keys in the order of their bytes, and remembers for each
//! [shard](Shard) the epoch up to which it holds its changes, and which commit of that epoch it was: the **marker**. It knows no types, no attempts and no
//! time. It need not be durable by itself either, since the changelog is the truth: after a restart, the changelog's
//! tail is applied from each shard's marker on.
//!
//! ```
//! use firesteel_state::backend::{MemoryBackend, StateBackend};
//! use firesteel_state::{FrameWriter, KeyGroup, Shard, StoreId, TableId};
//!
//! let backend = MemoryBackend::new();
//! let shard = Shard { store: StoreId(0), group: KeyGroup(0) };
//! let mut changes = FrameWriter::new();
//! changes.put(b"ann", b"3");
//! backend.apply(1, &[changes.finish(shard)])?;
//!
//! let mut found = vec![];
//! backend.read(shard, TableId(0), &[b"ann", b"bob"], &mut |at, value| found.push((at, value.to_vec())))?;
//! assert_eq!(found, [(0, b"3".to_vec())]);
//! assert_eq!(backend.marker(shard)?, Some(1));
//! # Ok::<(), firesteel_state::StateError>(())
//! ```
//!
//! Writing another backend is a day's work: implement [`StateBackend`] and run the suite `conformance`
//! (a module of this crate, behind the feature of that name), which names each rule that does not hold.

mod memory;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use firesteel_budget::MemoryBudget;
use firesteel_faults::fail_point;

pub use self::memory::MemoryBackend;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::memory::decode as decode_memory_snapshot;
use crate::error::Result;
use crate::frame::{Frame, Shard, TableId};
use crate::key_group::KeyGroupRange;
use crate::marker::Marker;
use crate::schema::StoreSchema;
use crate::timers_by_key::with_timers_by_key;
use crate::ttl::Times;

/// A choice of backend, made before it is known where its files go.
pub trait OpenBackend: Send + Sync + 'static {
    /// Opens the backend in a folder, which is made if need be. What it takes of memory counts against `budget`.
    ///
    /// # Errors
    /// When the folder cannot be used, or what is in it cannot be trusted.
    fn open(&self, folder: &Path, budget: &MemoryBudget) -> Result<Arc<dyn StateBackend>>;
}

/// What a backend has done since it was opened. All numbers only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackendMetrics {
    /// Keys that were asked for by [`read`](StateBackend::read).
    pub keys_read: u64,
    /// Of those, how many had a value.
    pub keys_found: u64,
    /// Bytes of values that were handed out by reads and scans.
    pub bytes_read: u64,
    /// Changes that were applied.
    pub changes_applied: u64,
    /// Bytes of keys and values that were applied.
    pub bytes_applied: u64,
}

/// Receives a key and its value.
pub type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// Receives a key and its value, and says whether it wants more.
pub type EachUntil<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>> + 'a;

/// Keys of a table in the order of their bytes: from `from` on, up to `to` and without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange<'a> {
    /// The first key that may be in it.
    pub from: &'a [u8],
    /// The first key after it; `None` if it goes to the end of the table.
    pub to: Option<&'a [u8]>,
    /// Whether keys come in descending order.
    pub descends: bool,
}

impl KeyRange<'_> {
    /// Whether a key is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.from <= key && self.to.is_none_or(|to| key < to)
    }

    /// What all of its keys begin with, as far as its ends tell.
    fn prefix(&self) -> &[u8] {
        let to = self.to.unwrap_or_default();
        let common = self.from.iter().zip(to).take_while(|(from, to)| from == to).count();
        &self.from[..common]
    }
}

/// Whether a backend has a value under a key that begins with `prefix`.
pub(crate) fn holds(backend: &dyn StateBackend, shard: Shard, table: TableId, prefix: &[u8]) -> Result<bool> {
    scan_some(backend, shard, table, prefix, &[], 0, &mut |_, _| Ok(()))
}

/// Hands the first `limit` of the keys that begin with `prefix` and are not before `from` to `each`; whether there are
/// more.
pub(crate) fn scan_some(
    backend: &dyn StateBackend,
    shard: Shard,
    table: TableId,
    prefix: &[u8],
    from: &[u8],
    limit: usize,
    each: &mut Each<'_>,
) -> Result<bool> {
    let (mut left, mut has_more, to) = (limit, false, after_all(prefix));
    let range = KeyRange { from: prefix.max(from), to: to.as_deref(), descends: false };
    backend.range(shard, table, range, &mut |key, value| {
        if left == 0 {
            has_more = true;
            return Ok(ControlFlow::Break(()));
        }
        left -= 1;
        each(key, value)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(has_more)
}

/// Gives a shard the contents of an image, as of this commit, in place of whatever it has: what was there before may be of
/// another time, and is not believed.
///
/// # Errors
/// Those of the backend. The shard may be empty then.
pub fn replace(backend: &dyn StateBackend, at: Marker, image: &Frame) -> Result<()> {
    backend.clear(image.shard())?;
    fail_point!("restore.cleared");
    match with_timers_by_key(image) {
        Some(both) => backend.apply_at(at, &[both]),
        None => backend.apply_at(at, std::slice::from_ref(image)),
    }
}

/// The first key after all that begin with `prefix`, if there can be any.
fn after_all(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

/// Holds the state of a process's operators as bytes.
///
/// All methods may be called from several threads at once; the engine never applies changes to one shard from two.
/// A read that runs beside an `apply` to the same shard sees the values before or after it, key by key.
pub trait StateBackend: Send + Sync + 'static {
    /// What it is and where, for messages: `RocksDB in state/`.
    fn describe(&self) -> String;

    /// Looks up `keys`, which ascend in the order of their bytes and are distinct. Hands each that has a value to
    /// `found`, with its position in `keys`, in ascending order.
    ///
    /// # Errors
    /// When the values cannot be read.
    fn read(&self, shard: Shard, table: TableId, keys: &[&[u8]], found: &mut dyn FnMut(usize, &[u8])) -> Result<()>;

    /// Hands every key that begins with `prefix` to `each`, with its value, in the order of the keys' bytes.
    ///
    /// # Errors
    /// When the values cannot be read, or with the first error of `each`, which ends the scan.
    fn scan(&self, shard: Shard, table: TableId, prefix: &[u8], each: &mut Each<'_>) -> Result<()>;

    /// Hands the keys of a range to `each`, with their values, in the order of the keys' bytes or in the opposite one,
    /// until it has enough. Reading starts at the range's first end, and what is read follows from what `each` takes and
    /// not from what is, or was, outside of that.
    ///
    /// Unless it is written, a scan of all keys that begin as both ends do takes its place, which costs more.
    ///
    /// # Errors
    /// When the values cannot be read, or with the first error of `each`.
    fn range(&self, shard: Shard, table: TableId, range: KeyRange<'_>, each: &mut EachUntil<'_>) -> Result<()> {
        let mut found = vec![];
        self.scan(shard, table, range.prefix(), &mut |key, value| {
            if range.contains(key) {
                found.push((key.to_vec(), value.to_vec()));
            }
            Ok(())
        })?;
        if range.descends {
            found.reverse();
        }
        for (key, value) in &found {
            if each(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Applies the changes of an epoch and sets the marker of each frame's shard to it: per shard all of it or nothing,
    /// also when the process dies. A shard whose marker is of this epoch or a later one already has the changes and is left alone.
    /// An empty frame moves the marker only. A frame may change a key twice: the later change holds.
    ///
    /// # Errors
    /// When the changes cannot be stored. Shards are as before or hold all of the changes.
    fn apply_at(&self, at: Marker, frames: &[Frame]) -> Result<()>;

    /// The same, where it is not known which commit it is.
    ///
    /// # Errors
    /// As [`apply_at`](Self::apply_at).
    fn apply(&self, epoch: u64, frames: &[Frame]) -> Result<()> {
        self.apply_at(epoch.into(), frames)
    }

    /// The marker of a shard; `None` if it never got any changes.
    ///
    /// # Errors
    /// When it cannot be read.
    fn marker_of(&self, shard: Shard) -> Result<Option<Marker>>;

    /// Every shard that has a marker, in ascending order, with its marker.
    ///
    /// # Errors
    /// When they cannot be read.
    fn markers(&self) -> Result<Vec<(Shard, Marker)>>;

    /// The last epoch whose changes the shard holds; `None` if it never got any.
    ///
    /// # Errors
    /// As [`marker_of`](Self::marker_of).
    fn marker(&self, shard: Shard) -> Result<Option<u64>> {
        Ok(self.marker_of(shard)?.map(|marker| marker.epoch))
    }

    /// Every shard that has a marker, in ascending order, with the last epoch whose changes it holds.
    ///
    /// # Errors
    /// As [`markers`](Self::markers).
    fn shards(&self) -> Result<Vec<(Shard, u64)>> {
        Ok(self.markers()?.into_iter().map(|(shard, marker)| (shard, marker.epoch)).collect())
    }

    /// Removes all values and the marker of a shard, as when its key group moves away.
    ///
    /// # Errors
    /// When they cannot be removed.
    fn clear(&self, shard: Shard) -> Result<()>;

    /// Of these key groups, every shard that has a marker, in ascending order, with its marker.
    ///
    /// # Errors
    /// When they cannot be read.
    fn shards_in(&self, groups: KeyGroupRange) -> Result<Vec<(Shard, u64)>> {
        let mut shards = self.shards()?;
        shards.retain(|(shard, _)| groups.contains(shard.group));
        Ok(shards)
    }

    /// [Clears](Self::clear) every shard of these key groups: they have moved away.
    ///
    /// # Errors
    /// When they cannot be cleared; some may be.
    fn clear_in(&self, groups: KeyGroupRange) -> Result<()> {
        self.shards_in(groups)?.into_iter().try_for_each(|(shard, _)| self.clear(shard))
    }

    /// Tells which states an operator has, and which of them have values with a TTL, before the first of
    /// its shards is used. Told again at every start, and not stored. A backend that drops no values by itself need
    /// not listen.
    fn declare(&self, _schema: &StoreSchema) {}

    /// Tells how far the clocks had come at the last **committed** epoch: what was over by then may be dropped when
    /// files are rewritten, since no batch that is run again can see it. Later times would not do, because they fall
    /// back when the job is restarted. Whether and when values are dropped cannot be seen by anyone who judges their
    /// lives by himself, as the overlay does.
    fn expire(&self, _times: &Times) {}

    /// Makes what has been applied so far survive the end of the process, and of the machine. The changelog is cut
    /// only after a successful flush. A backend that never survives does nothing.
    ///
    /// # Errors
    /// When it cannot be made durable.
    fn flush(&self) -> Result<()>;

    /// Writes everything it holds, markers included, to a new folder, from which [`restore`](Self::restore) brings it
    /// back; hard links will do. The folder is complete and durable on return.
    ///
    /// # Errors
    /// When the folder exists or cannot be written.
    fn snapshot(&self, folder: &Path) -> Result<()>;

    /// Replaces everything it holds by what [`snapshot`](Self::snapshot) wrote.
    ///
    /// # Errors
    /// When the folder is missing, incomplete or damaged; then it holds what it held before.
    fn restore(&self, folder: &Path) -> Result<()>;

    /// The memory it takes at the moment, in bytes, caches and write buffers included.
    fn memory_used(&self) -> u64;

    /// What it has done so far.
    fn metrics(&self) -> BackendMetrics;
}
