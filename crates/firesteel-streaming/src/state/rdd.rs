//! The reduce side of an operator with state: records meet the state of their keys.

use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::{Fetched, Shuffle};
use firesteel_core::{Accumulator, Blocks, Data, Iterated, Key, Open, Operator, TaskContext};
use firesteel_state::{Class, KeyGroup, StateError};
use firesteel_window::Timestamp;

use crate::batch::Batch;
use crate::plan::{Computed, NodeId};
use crate::state::StoreCell;
use crate::state::side::{GroupedBucket, Prepare, StateSide};
use crate::state::work::{ChangesOf, Entry, Moment, Output, Work};
use crate::time::{KEY_GROUPS, Tracker, groups_of, least};

type StateShuffle<I, K, T, P> = Shuffle<BoxRdd<I>, StateSide<K, T, P>, GroupedBucket<K, T>>;

/// What an operator with state yields in one batch.
///
/// Computing a partition changes the state of its key groups, beginning with rolling back what an earlier attempt at
/// the same batch did: any number of attempts has the effect of one.
struct Worked<I, K: Key, T, W, P> {
    shuffle: Arc<StateShuffle<I, K, T, P>>,
    operator: Operator,
    doing: StateTask<K, W>,
    batch: u64,
    time: Timestamp,
    /// The partitions that some task has computed.
    computed: Computed,
}

/// What is done to the state, and what takes note of it.
pub(crate) struct StateTask<K: Key, W> {
    pub(crate) cell: Arc<StoreCell<K>>,
    pub(crate) work: Arc<W>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) changes: Accumulator<ChangesOf>,
}

/// The RDD of what comes out of the state of this node in the batch.
pub(crate) fn work<I, K, T, W, P>(
    batch: &Batch,
    node: NodeId,
    parent: BoxRdd<I>,
    side: StateSide<K, T, P>,
    doing: StateTask<K, W>,
) -> BoxRdd<W::Out>
where
    I: Send + 'static,
    K: Key,
    T: Data,
    W: Work<K, T>,
    P: Prepare<I, K, T>,
{
    let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
    let (dependency, operator) = (Arc::clone(&shuffle), batch.operator(node).clone());
    let (id, time) = (batch.id(), batch.time());
    batch.stateful(node, dependency, |computed| Worked { shuffle, operator, doing, batch: id, time, computed })
}

impl<I, K, T, W, P> Worked<I, K, T, W, P>
where
    I: Send + 'static,
    K: Key,
    T: Data,
    P: Prepare<I, K, T>,
{
    /// What the map tasks left for the partition: a list per map task and key group.
    fn fetch(&self, split: usize, task: &TaskContext) -> Vec<Vec<Vec<Entry<K, T>>>> {
        let outputs = self.shuffle.outputs();
        let fetched = (0..outputs.num_maps()).map(|map| match outputs.fetch(map, split, task) {
            Fetched::Owned(bucket) => bucket.0,
            Fetched::Shared(bucket) => bucket.0.clone(),
        });
        let fetched: Vec<_> = fetched.collect();
        task.count_shuffle_read(fetched.iter().flatten().map(|list| list.len() as u64).sum());
        fetched
    }
}

impl<I, K, T, W, P> Open<W::Out> for Worked<I, K, T, W, P>
where
    I: Send + 'static,
    K: Key,
    T: Data,
    W: Work<K, T>,
    P: Prepare<I, K, T>,
{
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<W::Out> + 'a> {
        let StateTask { cell, work, trackers, changes } = &self.doing;
        let moment = Moment {
            time: self.time,
            watermark: known(trackers, Tracker::at_start),
            reached: known(trackers, Tracker::reached),
        };
        let mut fetched = self.fetch(split, task);
        let (store, operator) = (cell.get(), &self.operator);
        let records = fetched.iter().flatten().map(Vec::len).sum();
        let mut out = Output::with_room(work.rows(records));
        let mut lists = Vec::with_capacity(fetched.len());
        for (at, group) in groups_of(split, self.shuffle.side().partitions).enumerate() {
            task.check_cancelled();
            lists.extend(fetched.iter_mut().map(|of_map| std::mem::take(&mut of_map[at])));
            let records: usize = lists.iter().map(Vec::len).sum();
            let mut state = store.lock(KeyGroup(u16::try_from(group).expect("key groups are numbered by 16 bits")));
            state.begin(self.batch);
            // A group in each batch: which one follows from its number, so that a repetition does the same.
            let its_turn = self.batch % KEY_GROUPS as u64 == group as u64;
            if its_turn {
                state.expire(moment.now());
            }
            let done = task.blame_on(operator, || work.run(&mut state, &mut lists, &moment, task, &mut out));
            done.unwrap_or_else(|error| task.blame_on(operator, || fail(error, task)));
            if its_turn || records > 0 {
                state.account();
            }
            drop(state);
            self.shuffle.side().lists.keep(group, lists.drain(..));
        }
        self.shuffle.side().lists.account(|| store.reserve());
        changes.add((split, out.changes));
        self.computed.note(split);
        Box::new(Iterated::new(out.rows.into_iter(), task))
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
