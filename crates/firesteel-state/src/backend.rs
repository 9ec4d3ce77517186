//! What holds state below the overlay: bytes, by key group.
//!
//! A backend maps `(shard, table, key)` to a value, keeps keys in the order of their bytes, and remembers for each
//! [shard](Shard) the epoch up to which it holds its changes: the **marker**. It knows no types, no attempts and no
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

use std::path::Path;
use std::sync::Arc;

use firesteel_budget::MemoryBudget;

pub use self::memory::MemoryBackend;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::memory::decode as decode_memory_snapshot;
use crate::error::{Result, StateError};
use crate::frame::{Frame, Shard, TableId};
use crate::schema::StoreSchema;
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

/// Whether a backend has a value in a table.
pub(crate) fn holds(backend: &dyn StateBackend, shard: Shard, table: TableId) -> Result<bool> {
    let mut found = false;
    let scanned = backend.scan(shard, table, &[], &mut |_, _| {
        found = true;
        // One is enough: an error ends the scan.
        Err(StateError::InvalidState { what: "a second value".into(), reason: "one is enough".into() })
    });
    if found { Ok(true) } else { scanned.map(|()| false) }
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

    /// Applies the changes of `epoch` and sets the marker of each frame's shard to it: per shard all of it or nothing,
    /// also when the process dies. A shard whose marker is `epoch` or later already has the changes and is left alone.
    /// An empty frame moves the marker only. A frame may change a key twice: the later change holds.
    ///
    /// # Errors
    /// When the changes cannot be stored. Shards are as before or hold all of the changes.
    fn apply(&self, epoch: u64, frames: &[Frame]) -> Result<()>;

    /// The last epoch whose changes the shard holds; `None` if it never got any.
    ///
    /// # Errors
    /// When it cannot be read.
    fn marker(&self, shard: Shard) -> Result<Option<u64>>;

    /// Every shard that has a marker, in ascending order, with its marker.
    ///
    /// # Errors
    /// When they cannot be read.
    fn shards(&self) -> Result<Vec<(Shard, u64)>>;

    /// Removes all values and the marker of a shard, as when its key group moves away.
    ///
    /// # Errors
    /// When they cannot be removed.
    fn clear(&self, shard: Shard) -> Result<()>;

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
