//! The reduce side of an operator with state: records meet the state of their keys.

use std::sync::Arc;

use firesteel_core::shuffle::{Fetched, Shuffle, ShuffleDependency};
use firesteel_core::{Accumulator, Data, Dependency, Key, Lineage, Node, Operator, Rdd, TaskContext};
use firesteel_state::{Class, KeyGroup, StateError};
use firesteel_window::Timestamp;

use crate::batch::Batch;
use crate::plan::Computed;
use crate::state::StoreCell;
use crate::state::side::{GroupedBucket, Prepare, StateSide};
use crate::state::work::{ChangesOf, Entry, Moment, Output, Work};
use crate::time::{KEY_GROUPS, Tracker, groups_of, least};

type StateShuffle<R, K, T, P> = Shuffle<R, StateSide<K, T, P>, GroupedBucket<K, T>>;

/// What an operator with state yields in one batch.
///
/// Computing a partition changes the state of its key groups, beginning with taking back what an earlier attempt at the
/// same batch did: any number of attempts has the effect of one.
pub(crate) struct StatefulRdd<R, K: Key, T, W, P> {
    node: Node,
    shuffle: Arc<StateShuffle<R, K, T, P>>,
    dependency: Arc<dyn ShuffleDependency>,
    doing: Doing<K, W>,
    batch: u64,
    time: Timestamp,
    /// The partitions that some task has computed.
    computed: Computed,
}

/// What is done to the state, and what takes note of it.
pub(crate) struct Doing<K: Key, W> {
    pub(crate) cell: Arc<StoreCell<K>>,
    pub(crate) work: Arc<W>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) changes: Accumulator<ChangesOf>,
}

impl<K: Key, W> Clone for Doing<K, W> {
    fn clone(&self) -> Self {
        let (cell, work) = (Arc::clone(&self.cell), Arc::clone(&self.work));
        Self { cell, work, trackers: Arc::clone(&self.trackers), changes: self.changes.clone() }
    }
}

impl<R, K, T, W, P> StatefulRdd<R, K, T, W, P>
where
    R: Rdd,
    K: Key,
    T: Data,
    W: Work<K, T>,
    P: Prepare<R::Item, K, T>,
{
    pub(crate) fn new(
        parent: R,
        operator: &Operator,
        batch: &Batch,
        side: StateSide<K, T, P>,
        doing: Doing<K, W>,
    ) -> Self {
        let computed = Computed::none_of(side.partitions);
        let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
        let dependency: Arc<dyn ShuffleDependency> = Arc::clone(&shuffle) as _;
        let node = Node::new(batch.context(), operator.clone());
        Self { node, shuffle, dependency, doing, batch: batch.id(), time: batch.time(), computed }
    }

    /// The partitions that some task has computed.
    pub(crate) fn computed(&self) -> Computed {
        self.computed.clone()
    }

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

impl<R, K: Key, T, W, P> Clone for StatefulRdd<R, K, T, W, P> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            shuffle: Arc::clone(&self.shuffle),
            dependency: Arc::clone(&self.dependency),
            doing: self.doing.clone(),
            batch: self.batch,
            time: self.time,
            computed: self.computed.clone(),
        }
    }
}

impl<R, K, T, W, P> Lineage for StatefulRdd<R, K, T, W, P>
where
    R: Rdd,
    K: Key,
    T: Data,
    W: Work<K, T>,
    P: Prepare<R::Item, K, T>,
{
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.shuffle.side().partitions
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Shuffle(&self.dependency));
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        Some(self.dependency.reduce_len(split))
    }
    fn is_stateful(&self) -> bool {
        true
    }
}

impl<R, K, T, W, P> Rdd for StatefulRdd<R, K, T, W, P>
where
    R: Rdd,
    K: Key,
    T: Data,
    W: Work<K, T>,
    P: Prepare<R::Item, K, T>,
{
    type Item = W::Out;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = W::Out> + 'a {
        let Doing { cell, work, trackers, changes } = &self.doing;
        let moment = Moment {
            time: self.time,
            watermark: known(trackers, Tracker::at_start),
            reached: known(trackers, Tracker::reached),
        };
        let mut fetched = self.fetch(split, task);
        let (store, operator) = (cell.get(), self.node.operator());
        let records = fetched.iter().flatten().map(Vec::len).sum();
        let mut out = Output::with_room(work.rows(records));
        let mut lists = Vec::with_capacity(fetched.len());
        for (at, group) in groups_of(split, self.num_partitions()).enumerate() {
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
        out.rows.into_iter()
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
