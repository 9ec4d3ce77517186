//! What an operator with state does with the records of one key group in one batch.

use std::collections::BTreeMap;

use firesteel_core::{Accumulator, Key, TaskContext};
use firesteel_state::{Changes, GroupState, Times};
use firesteel_window::{Aggregator, Timestamp};

/// The times of a batch, as an operator with state sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The processing time at which the batch was admitted.
    pub(crate) time: Timestamp,
    /// The watermark at the start of the batch, which judges lateness.
    pub(crate) watermark: Timestamp,
    /// The watermark that follows from the batch's records, which fires timers.
    pub(crate) reached: Timestamp,
}

impl Moment {
    /// For a record that happened at `event`.
    pub(crate) fn at(&self, event: Timestamp) -> Times {
        Times::new(event, self.watermark, self.time)
    }

    /// For records without an event time.
    pub(crate) fn now(&self) -> Times {
        self.at(Timestamp::MIN)
    }
}

/// A record with the hash of its key.
pub(crate) type Entry<K, T> = (u64, K, T);

/// The work of an operator with state.
pub(crate) trait Work<K, T>: Send + Sync + 'static {
    /// What it yields.
    type Out: Send + 'static;

    /// How many rows this many records become at most, where that is known and all of them come close.
    fn rows(&self, _records: usize) -> usize {
        0
    }

    /// Handles one key group. It is called for every group and batch, also where there are no records: time passes for
    /// all keys. `lists` hold the group's records in their order; what is left in them is forgotten.
    fn run(
        &self,
        group: &mut GroupState<K>,
        lists: &mut [Vec<Entry<K, T>>],
        moment: &Moment,
        task: &TaskContext,
        out: &mut Output<Self::Out>,
    ) -> firesteel_state::Result<()>;
}

/// What one task's share of the work yields.
pub(crate) struct Output<U> {
    pub(crate) rows: Vec<U>,
    pub(crate) changes: Changes,
}

impl<U> Output<U> {
    pub(crate) fn with_room(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows), changes: Changes::default() }
    }
}

/// What tasks add the changes of state to: a partition, what it changed, and how many timers are set in it.
pub(crate) type StateChanges = Accumulator<(usize, Changes, u64), ChangesOf>;

/// The changes of a batch by partition, and how many timers are set after it: a partition that is computed again counts
/// once.
#[derive(Debug, Default)]
pub(crate) struct ChangesOf;

impl Aggregator<(usize, Changes, u64)> for ChangesOf {
    type Acc = BTreeMap<usize, (Changes, u64)>;
    type Out = (Changes, u64);

    fn create(&self) -> Self::Acc {
        BTreeMap::new()
    }
    fn add(&self, all: &mut Self::Acc, (partition, changes, timers): (usize, Changes, u64)) {
        all.insert(partition, (changes, timers));
    }
    fn merge(&self, all: &mut Self::Acc, other: Self::Acc) {
        all.extend(other);
    }
    fn finish(&self, all: &Self::Acc) -> (Changes, u64) {
        let mut total = (Changes::default(), 0);
        for (changes, timers) in all.values() {
            total.0 += *changes;
            total.1 += timers;
        }
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

/// Calls `fire` until it says that nothing is left; a task that is cancelled ends soon all the same.
pub(crate) fn in_slices(
    task: &TaskContext,
    mut fire: impl FnMut() -> firesteel_state::Result<bool>,
) -> firesteel_state::Result<()> {
    loop {
        for _ in 0..SLICE {
            if !fire()? {
                return Ok(());
            }
        }
        task.check_cancelled();
    }
}

/// Timers that fire between two looks at whether the task is cancelled.
const SLICE: usize = 1024;
