//! What an operator with state does with the records of one key group in one batch.

use std::collections::BTreeMap;

use firesteel_core::{Accumulator, Key};
use firesteel_state::{Changes, GroupState, Times};
use firesteel_window::{Aggregator, Timestamp};

use crate::error::Result;
use crate::state::group_batch::GroupBatch;
use crate::state::operator::NewState;

/// The times of a batch, as an operator with state sees them. Every attempt at the batch has the same, also after a
/// restart: there is no other clock to look at.
#[derive(Debug, Clone, Copy)]
pub struct BatchTimes {
    pub(crate) time: Timestamp,
    pub(crate) watermark: Timestamp,
    pub(crate) reached: Timestamp,
    /// Whether event time ends with the batch or has ended before, even if an operator upstream still holds it back.
    pub(crate) ends: bool,
}

impl BatchTimes {
    /// The processing time at which the batch was admitted.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The watermark at the start of the batch, which judges what is late; [`Timestamp::MIN`] where there is no event
    /// time.
    #[must_use]
    pub const fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The watermark that all of the batch's records have brought about, which fires timers of event time;
    /// [`Timestamp::MIN`] where there is no event time, [`Timestamp::MAX`] once it has ended.
    #[must_use]
    pub const fn reached(&self) -> Timestamp {
        self.reached
    }

    /// For a record that happened at `event`: what [`GroupState::key`](firesteel_state::GroupState::key) takes.
    #[must_use]
    pub const fn at(&self, event: Timestamp) -> Times {
        Times::new(event, self.watermark, self.time)
    }

    /// For what has no event time of its own: records of a plain stream, and what is not done on behalf of a record.
    #[must_use]
    pub const fn now(&self) -> Times {
        self.at(Timestamp::MIN)
    }
}

/// A record with the hash of its key.
pub(crate) type Entry<K, T> = (u64, K, T);

/// The work of an operator with state, whatever its shape and routes: what a
/// [`KeyedOperator`](crate::operator::KeyedOperator) is to the tasks that run it.
pub(crate) trait Work<K, T>: Send + Sync + 'static {
    /// What it yields.
    type Out: Send + 'static;

    /// How many rows this many records become at most, where that is known and all of them come close.
    fn rows(&self, _records: usize) -> usize {
        0
    }

    /// Handles one key group. It is called for every group and batch, also where there are no records: time passes for
    /// all keys. What is left of the group's records is forgotten.
    fn run(&self, group: &mut GroupBatch<'_, K, T>, out: &mut Vec<Self::Out>) -> firesteel_state::Result<()>;

    /// What the attempt at the batch has changed in the group.
    fn changes(&self, group: &mut GroupState<K>) -> firesteel_state::Result<Changes>;

    /// Fills the state of a new job.
    fn initialize(&self, new: &NewState<'_, K>) -> Result<()>;
}

/// What tasks add the changes of state to, by the partition that they have computed.
pub(crate) type StateChanges = Accumulator<(usize, Changed), ChangesOf>;

/// What a batch has made of the state of an operator.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Changed {
    pub(crate) changes: Changes,
    /// How many timers are set after it.
    pub(crate) timers: u64,
    /// Whether timers that were due are left for the next batch.
    pub(crate) left: bool,
}

impl Changed {
    /// Adds what was made of other keys.
    pub(crate) fn add(&mut self, other: Self) {
        self.changes += other.changes;
        self.timers += other.timers;
        self.left |= other.left;
    }
}

/// The changes of a batch by partition: one that is computed again counts once.
#[derive(Debug, Default)]
pub(crate) struct ChangesOf;

impl Aggregator<(usize, Changed)> for ChangesOf {
    type Acc = BTreeMap<usize, Changed>;
    type Out = Changed;

    fn create(&self) -> Self::Acc {
        BTreeMap::new()
    }
    fn add(&self, all: &mut Self::Acc, (partition, changed): (usize, Changed)) {
        all.insert(partition, changed);
    }
    fn merge(&self, all: &mut Self::Acc, other: Self::Acc) {
        all.extend(other);
    }
    fn finish(&self, all: &Self::Acc) -> Changed {
        let mut total = Changed::default();
        all.values().for_each(|changed| total.add(*changed));
        total
    }
}

/// Makes ready for the records' keys: reads what is not in memory in one call, or brings what is into the cache.
pub(crate) fn prefetch<K: Key, T>(
    group: &mut GroupState<K>,
    lists: &[Vec<Entry<K, T>>],
) -> firesteel_state::Result<()> {
    if group.is_complete() {
        group.warm_up(lists.iter().map(Vec::len).sum());
        return Ok(());
    }
    let keys: Vec<_> = lists.iter().flatten().map(|(hash, key, _)| (*hash, key)).collect();
    group.prefetch(&keys)
}
