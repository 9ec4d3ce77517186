//! The reduce side of an operator with state: records meet the state of their keys.

use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::{Fetched, MapOutputs, Shuffle, ShuffleDependency};
use firesteel_core::{Blocks, Data, Iterated, Key, Open, Operator, TaskContext};
use firesteel_state::{Class, KeyGroup, StateError, TimeDomain};
use firesteel_window::Timestamp;

use crate::batch::Batch;
use crate::plan::{Computed, NodeId};
use crate::state::group_batch::{GroupBatch, Slice};
use crate::state::lists::{Lists, count};
use crate::state::side::{GroupedBucket, Prepare, StateSide};
use crate::state::work::{BatchTimes, Changed, Entry, StateChanges, Work};
use crate::state::{StateCell, StoreCell};
use crate::time::{KEY_GROUPS, Tracker, groups_of, least};

/// The shuffle before an operator with state, whatever its map side does.
pub(crate) trait Sorted<K, T>: ShuffleDependency {
    /// What the map tasks left.
    fn sorted(&self) -> &MapOutputs<GroupedBucket<K, T>>;
}

impl<I, K, T, P> Sorted<K, T> for Shuffle<BoxRdd<I>, StateSide<K, T, P>, GroupedBucket<K, T>>
where
    I: Send + 'static,
    K: Key,
    T: Data,
    P: Prepare<I, K, T>,
{
    fn sorted(&self) -> &MapOutputs<GroupedBucket<K, T>> {
        self.outputs()
    }
}

/// What an operator with state yields in one batch.
///
/// Computing a partition changes the state of its key groups, beginning with rolling back what an earlier attempt at the
/// same batch did: any number of attempts has the effect of one.
///
/// The type says what records are, and nothing of the operator: operators on records of the same types share it.
struct Worked<K: Key, T, O> {
    shuffle: Arc<dyn Sorted<K, T>>,
    lists: Arc<Lists<K, T>>,
    operator: Operator,
    doing: StateTask<K, T, O>,
    batch: u64,
    time: Timestamp,
    /// How many timers there were before the batch, and how many of them fire in it.
    timers: u64,
    limit: u64,
    /// Whether it fires what the batch before it left.
    continues: bool,
    /// The partitions that some task has computed.
    computed: Computed,
}

/// What is done to the state, and what takes note of it.
pub(crate) struct StateTask<K: Key, T, O> {
    pub(crate) cell: Arc<StoreCell<K>>,
    pub(crate) work: Arc<dyn Work<K, T, Out = O>>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) changes: StateChanges,
    /// Where results have event time: what holds the watermark back for those that read them.
    pub(crate) held: Option<Arc<Tracker>>,
}

/// The RDD of what comes out of the state of this node in the batch.
pub(crate) fn work<K, T, O>(
    batch: &Batch,
    node: NodeId,
    shuffle: Arc<dyn Sorted<K, T>>,
    lists: Arc<Lists<K, T>>,
    doing: StateTask<K, T, O>,
) -> BoxRdd<O>
where
    K: Key,
    T: Data,
    O: Send + 'static,
{
    let dependency: Arc<dyn ShuffleDependency> = Arc::clone(&shuffle) as _;
    let operator = batch.operator(node).clone();
    let (timers, limit, continues) = (doing.cell.timers(), batch.timers_limit(), batch.continues());
    let (batch_id, time) = (batch.id(), batch.time());
    batch.stateful(node, dependency, |computed| Worked {
        shuffle,
        lists,
        operator,
        doing,
        batch: batch_id,
        time,
        timers,
        limit,
        continues,
        computed,
    })
}

impl<K: Key, T: Data, O> Worked<K, T, O> {
    /// What the map tasks left for the partition: a list per map task and key group.
    fn fetch(&self, split: usize, task: &TaskContext) -> Vec<Vec<Vec<Entry<K, T>>>> {
        let outputs = self.shuffle.sorted();
        let (mut fetched, mut records) = (Vec::with_capacity(outputs.num_maps()), 0);
        for map in 0..outputs.num_maps() {
            let bucket = match outputs.fetch(map, split, task) {
                Fetched::Owned(bucket) => bucket.0,
                Fetched::Shared(bucket) => bucket.0.clone(),
            };
            records += count(&bucket);
            fetched.push(bucket);
        }
        task.count_shuffle_read(records as u64);
        fetched
    }
}

impl<K: Key, T: Data, O: Send + 'static> Open<O> for Worked<K, T, O> {
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<O> + 'a> {
        let StateTask { cell, work, trackers, changes, held } = &self.doing;
        let reached = known(trackers, Tracker::reached);
        let times = BatchTimes {
            time: self.time,
            watermark: known(trackers, Tracker::at_start),
            reached,
            ends: reached == Timestamp::MAX || (trackers.len() > 1 && trackers.iter().all(|tracker| tracker.ends())),
        };
        let mut fetched = self.fetch(split, task);
        let (store, operator) = (cell.get(), &self.operator);
        let records = fetched.iter().map(|of_map| count(of_map)).sum();
        let mut rows = Vec::with_capacity(work.rows(records));
        let mut lists = Vec::with_capacity(fetched.len());
        let mut changed = Changed::default();
        for (at, group) in groups_of(split, self.shuffle.num_reduces()).enumerate() {
            task.check_cancelled();
            for of_map in &mut fetched {
                lists.push(std::mem::take(&mut of_map[at]));
            }
            let records = count(&lists);
            let mut state = store.lock(KeyGroup(u16::try_from(group).expect("key groups are numbered by 16 bits")));
            state.begin(self.batch);
            let timers = if self.timers > 0 { state.timers() as u64 } else { 0 };
            let slice = Slice::of(self.limit, timers, self.timers);
            if !self.continues {
                state.admit_deferred();
            }
            // A group in each batch: which one follows from its number, so that a repetition does the same.
            let its_turn = self.batch % KEY_GROUPS as u64 == group as u64;
            if its_turn {
                state.expire(times.now());
            }
            let mut in_batch = GroupBatch::new(&mut state, &mut lists, &times, task, slice);
            let done = task.blame_on(operator, || work.run(&mut in_batch, &mut rows));
            let left = in_batch.has_left();
            let done = done.and_then(|()| work.changes(&mut state));
            changed.changes += done.unwrap_or_else(|error| task.blame_on(operator, || fail(error, task)));
            changed.left |= left;
            if let Some(held) = held {
                held.hold(group, if left { state.next_timer(TimeDomain::Event) } else { None });
            }
            if its_turn || records > 0 {
                state.account();
            }
            changed.timers += state.timers() as u64;
            drop(state);
            self.lists.keep(group, lists.drain(..));
        }
        self.lists.account(|| store.reserve());
        changes.add((split, changed));
        self.computed.note(split);
        Box::new(Iterated::new(rows.into_iter(), task))
    }
}

/// The smallest of some watermarks; the beginning of time where there are none.
fn known(trackers: &[Arc<Tracker>], of: impl Fn(&Tracker) -> Timestamp) -> Timestamp {
    if trackers.is_empty() { Timestamp::MIN } else { least(trackers, of) }
}

#[cold]
fn fail(error: StateError, task: &TaskContext) -> ! {
    let retryable = error.class() == Class::Retryable;
    task.fail_with(error, retryable)
}
