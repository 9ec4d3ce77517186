//! The overlay: typed values of one key group, with what it takes to roll a batch back, to write what an epoch
//! changed, and to let go of what a backend holds.
//!
//! There is no second buffer for changes. Each value carries a **stamp**, the number of the attempt that last changed
//! it, and three numbers divide the stamps:
//!
//! - a value was changed in the open epoch if its stamp is not before `epoch_start`;
//! - it is dirty if its stamp is later than `applied`, which is as far as the backend has it;
//! - otherwise it may be evicted.

pub(crate) mod cells;
mod changed;
pub(crate) mod cut;
pub(crate) mod eviction;
mod few;
mod fields;
mod index;
mod moments;
pub(crate) mod pieces;
pub(crate) mod slots;
pub(crate) mod timers;
pub(crate) mod values;
mod wanted;
pub(crate) mod windows;

use std::any::Any;
use std::sync::Arc;

use firesteel_window::Timestamp;

use crate::backend::{StateBackend, holds};
use crate::changes::Changes;
use crate::codec::{self, StateValue};
use crate::error::{Result, StateError};
use crate::evolved::TableCodec;
use crate::frame::{Change, FrameWriter, Sections, Shard, TableId};
use crate::ttl::{Times, Ttl};

/// The numbers that divide stamps; see the [module](self).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamps {
    /// The attempt that runs.
    pub(crate) attempt: u64,
    /// The first attempt of the open epoch.
    pub(crate) epoch_start: u64,
    /// The last attempt whose changes are held elsewhere.
    pub(crate) applied: u64,
}

/// What a table knows of its place.
#[derive(Clone)]
pub(crate) struct Setup {
    /// `operator/name`, for messages.
    pub(crate) state: Arc<str>,
    pub(crate) shard: Shard,
    pub(crate) table: TableId,
    pub(crate) ttl: Option<Ttl>,
    /// Whom to ask for what is not here; nobody if everything always is.
    pub(crate) backend: Option<Arc<dyn StateBackend>>,
    /// The numbers of earlier types under which the backend holds something in this key group, the newest first.
    pub(crate) older: Vec<TableId>,
}

impl Setup {
    #[cold]
    pub(crate) fn unencodable(&self, source: postcard::Error) -> StateError {
        StateError::Encode { state: self.state.to_string(), source }
    }

    #[cold]
    pub(crate) fn undecodable(&self, source: postcard::Error) -> StateError {
        StateError::Decode { state: self.state.to_string(), source }
    }

    /// Appends a value as it is stored: after the time of its last touch, if it has a TTL.
    #[inline]
    pub(crate) fn encode_value<V: serde::Serialize>(
        &self,
        touched: Timestamp,
        value: &V,
        out: &mut Vec<u8>,
    ) -> postcard::Result<()> {
        if self.ttl.is_some() {
            out.extend_from_slice(&touched.as_micros().to_le_bytes());
        }
        codec::encode(value, out)
    }

    /// The value that is stored under a number of the state, and the time of its last touch. `None` if it had expired
    /// when the state got another TTL.
    #[inline]
    pub(crate) fn decode_value<V: StateValue>(
        &self,
        codec: &TableCodec<V>,
        table: TableId,
        key: &[u8],
        bytes: &[u8],
    ) -> Result<Option<(Timestamp, V)>> {
        if table != self.table {
            return codec.decode_older(table, key, bytes);
        }
        let (touched, bytes) = match (&self.ttl, bytes.split_first_chunk()) {
            (None, _) => (Timestamp::EPOCH, bytes),
            (Some(_), Some((touched, rest))) => (Timestamp::from_micros(i64::from_le_bytes(*touched)), rest),
            (Some(_), None) => return Err(self.undecodable(postcard::Error::DeserializeUnexpectedEnd)),
        };
        Ok(Some((touched, codec::decode(bytes).map_err(|source| self.undecodable(source))?)))
    }

    /// Finds out under which of these numbers the backend holds something.
    pub(crate) fn find_older(&mut self, numbers: impl Iterator<Item = TableId>) -> Result<()> {
        let Some(backend) = &self.backend else { return Ok(()) };
        self.older.clear();
        for number in numbers {
            if holds(&**backend, self.shard, number, &[])? {
                self.older.push(number);
            }
        }
        Ok(())
    }

    pub(crate) fn expired(&self, touched: Timestamp, times: &Times) -> bool {
        self.ttl.is_some_and(|ttl| ttl.expired(touched, times))
    }
}

/// Empties a list that will be filled again, and gives back some memory if it has become much too large.
pub(crate) fn reuse<T>(list: &mut Vec<T>) {
    let (used, room) = (list.len(), list.capacity());
    list.clear();
    if room > 256 && used < room / 8 {
        list.shrink_to(room / 2);
    }
}

/// A table of one key group, whatever its types. What takes keys is apart, in [`TableOf`]: so most of what is done with
/// tables is compiled once, and not for each type of key.
pub(crate) trait Table: Any + Send {
    fn as_any(&mut self) -> &mut dyn Any;

    /// Keeps what the last attempt changed; what follows can be rolled back.
    fn begin(&mut self);

    /// Rolls back what was changed since the last `begin`.
    fn roll_back(&mut self);

    /// How much was changed since the last `begin`.
    fn changes(&self) -> Changes;

    /// Writes what changed in the open epoch, and forgets that it did.
    fn end_epoch(&mut self, stamps: Stamps, out: &mut FrameWriter) -> Result<()>;

    /// Forgets what changed in the open epoch: nobody will ask.
    fn pass_epoch(&mut self);

    /// Writes what changed since `applied`.
    fn write_unapplied(&self, stamps: Stamps, out: &mut FrameWriter) -> Result<()>;

    /// Writes everything that is here.
    fn write_all(&self, out: &mut FrameWriter) -> Result<()>;

    /// Whether the backend still holds this key though the state has lost it with all that began alike: not every key
    /// that is gone is noted by itself.
    fn is_gone(&self, _table: TableId, _key: &[u8], _stamps: Stamps) -> bool {
        false
    }

    /// Takes a change that was written before; it counts as applied.
    fn load(&mut self, change: Change<'_>) -> Result<()>;

    /// [Takes](Self::load) all changes of one table of a frame.
    fn load_all(&mut self, changes: &mut Sections<'_>) -> Result<()> {
        while let Some(change) = changes.next_change() {
            self.load(change)?;
        }
        Ok(())
    }

    /// Forgets removals that need not be remembered any more, when there are enough of them.
    fn tidy(&mut self, stamps: Stamps);

    /// Brings what is here into the processor's cache, if that makes handling that many keys cheaper.
    fn warm_up(&self, keys: usize);

    /// Drops up to about the `share` of what is here, as far as it is applied; the longest unused first.
    fn evict(&mut self, share: f64, stamps: Stamps);

    /// Removes up to `limit` values whose TTL has expired; how many it looked at and removed.
    fn sweep(&mut self, limit: usize, times: &Times, stamps: Stamps) -> usize;

    /// Bytes of memory it takes, partly estimated.
    fn memory_used(&self) -> u64;

    /// How many values are here, removals included.
    fn len(&self) -> usize;

    /// How many timers there are, in memory or not.
    fn timers(&self) -> usize {
        0
    }

    /// Finds out what has to be known of what the backend holds: under which numbers of earlier types there is something,
    /// and how many timers there are.
    fn open(&mut self) -> Result<()> {
        Ok(())
    }

    /// Whether everything that exists is here.
    fn is_complete(&self) -> bool;

    /// Whether the backend may hold what is not here.
    fn set_complete(&mut self, complete: bool);
}

/// A table whose keys are of one type.
pub(crate) trait TableOf<K>: Table {
    /// Reads the keys that are not here, all at once.
    fn prefetch(&mut self, keys: &[(u64, &K)], stamps: Stamps) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::reuse;

    #[test]
    fn a_list_shrinks_when_it_is_hardly_used() {
        let mut list: Vec<u8> = Vec::with_capacity(4_096);
        list.resize(1_000, 0);
        reuse(&mut list);
        assert!(list.is_empty() && list.capacity() >= 4_096);
        for _ in 0..10 {
            list.push(1);
            reuse(&mut list);
        }
        assert!((10..=256).contains(&list.capacity()), "{}", list.capacity());
    }
}
