//! The reduce side of an operator with state: records meet the state of their keys.

use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::{Fetched, MapOutputs, Shuffle, ShuffleDependency};
use firesteel_core::{Applied, Blocks, Data, Iterated, Key, Open, Operator, Pace, TaskContext};
use firesteel_state::{Class, KeyGroup, KeyGroupRange, KeySpace, StateError, TimeDomain};
use firesteel_window::Timestamp;

use crate::plan::{Batch, Changed, Computed, NodeId, StateCell, StateChanges};
use crate::state::StoreCell;
use crate::state::group_batch::{GroupBatch, Slice};
use crate::state::lists::{Lists, count};
use crate::state::side::{GroupedBucket, Prepare, StateSide};
use crate::state::work::{BatchTimes, Entry, Work};
use crate::time::{Tracker, When, least};

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
    operator: Operator,
    doing: Arc<StateTask<K, T, O>>,
    time: Timestamp,
    firing: Firing,
    /// The partitions that some task has computed.
    computed: Computed,
}

/// What is done to the state, and what takes note of it.
pub(crate) struct StateTask<K: Key, T, O> {
    pub(crate) cell: Arc<StoreCell<K>>,
    pub(crate) work: Arc<dyn Work<K, T, Out = O>>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) changes: StateChanges,
    pub(crate) lists: Arc<Lists<K, T>>,
    /// Where results have event time: what holds the watermark back for those that read them.
    pub(crate) held: Option<Arc<Tracker>>,
    pub(crate) pace: Pace,
}

/// In this many batches, each key group has its turn to let go of values whose TTL has expired.
const ROUND: u64 = 128;

/// Which timers fire in a batch.
#[derive(Clone, Copy)]
struct Firing {
    batch: u64,
    /// How many timers there were before the batch, and how many of them fire in it.
    timers: u64,
    limit: u64,
    /// Whether it fires what the batch before it left.
    continues: bool,
    space: KeySpace,
}

/// The records of one key group in a batch: a list per map task.
struct OfGroup<K, T> {
    group: KeyGroup,
    lists: Vec<Vec<Entry<K, T>>>,
    times: BatchTimes,
    firing: Firing,
}

impl<K: Key, T: Data, O: Send + 'static> StateTask<K, T, O> {
    /// Handles one key group; returns what that changed.
    fn run(&self, of: &mut OfGroup<K, T>, rows: &mut Vec<O>, operator: &Operator, task: &TaskContext) -> Changed {
        task.check_cancelled();
        let OfGroup { group, lists, times, firing: Firing { batch, timers, limit, continues, space } } = of;
        let records = count(lists);
        let (groups, place) = (space.groups(), space.owned().place_of(*group));
        let mut state = self.cell.get().lock(*group);
        state.begin(*batch);
        let of_group = if *timers > 0 { state.timers() as u64 } else { 0 };
        let slice = Slice::of(*limit, of_group, *timers, groups);
        if !*continues {
            or_fail(state.admit_deferred(), operator, task);
        }
        // Some groups in each batch: which ones follows from its number, so that a repetition does the same.
        let its_turn = *batch % ROUND == u64::from(group.0) % ROUND;
        if its_turn {
            state.expire(times.now());
        }
        let mut in_batch = GroupBatch::new(&mut state, lists, times, task, slice);
        let done = task.blame_on(operator, || self.work.run(&mut in_batch, rows));
        let (left, fired) = (in_batch.has_left(), in_batch.has_fired());
        let done = done.and_then(|()| self.work.changes(&mut state));
        let changes = or_fail(done, operator, task);
        if let Some(held) = &self.held {
            let next = if left { state.next_timer(TimeDomain::Event) } else { Ok(None) };
            held.hold(place, groups, or_fail(next, operator, task));
        }
        if its_turn || records > 0 || fired {
            state.account();
        }
        let timers = state.timers() as u64;
        drop(state);
        self.lists.keep(place, lists.drain(..));
        Changed { changes, timers, left }
    }
}

/// The RDD of what comes out of the state of this node in the batch.
pub(crate) fn work<K, T, O>(
    batch: &Batch,
    node: NodeId,
    shuffle: Arc<dyn Sorted<K, T>>,
    doing: Arc<StateTask<K, T, O>>,
) -> BoxRdd<O>
where
    K: Key,
    T: Data,
    O: Send + 'static,
{
    let dependency: Arc<dyn ShuffleDependency> = Arc::clone(&shuffle) as _;
    let operator = batch.operator(node).clone();
    let (timers, limit, continues) = (doing.cell.timers(), batch.timers_limit(), batch.continues());
    let firing = Firing { batch: batch.id(), timers, limit, continues, space: batch.key_space() };
    let time = batch.time();
    batch.stateful(node, dependency, |computed| Worked { shuffle, operator, doing, time, firing, computed })
}

impl<K: Key, T: Data, O: Send + 'static> Worked<K, T, O> {
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

    /// Handles the partition's key groups one after the other.
    fn in_turn(&self, mut groups: Groups<K, T>, rows: &mut Vec<O>, task: &TaskContext) -> Changed {
        let mut changed = Changed::default();
        let mut of_group = groups.first();
        while groups.next_into(&mut of_group) {
            changed.add(self.doing.run(&mut of_group, rows, &self.operator, task));
        }
        changed
    }

    /// Handles them together with other executors, where each takes long.
    fn together(&self, mut groups: Groups<K, T>, rows: &mut Vec<O>, task: &TaskContext) -> Changed {
        let next = || {
            let mut of_group = groups.first();
            groups.next_into(&mut of_group).then_some(of_group)
        };
        let mut groups: Vec<_> = std::iter::from_fn(next).collect();
        let mut parts: Vec<(Vec<O>, Changed)> = Vec::new();
        // A group costs something also if it has no records.
        let weigh = |of_group: &OfGroup<K, T>| count(&of_group.lists) as u64 + 1;
        let doing = Arc::clone(&self.doing);
        let apply: Arc<Applied<_, _>> = Arc::new(move |groups, parts: &mut Vec<_>, operator, task| {
            let (mut rows, mut changed) = (Vec::new(), Changed::default());
            for mut group in groups {
                changed.add(doing.run(&mut group, &mut rows, operator, task));
            }
            parts.push((rows, changed));
        });
        self.doing.pace.in_pieces(task, &self.operator, &mut groups, &mut parts, weigh, apply);
        let mut changed = Changed::default();
        for (part, of_part) in parts {
            rows.extend(part);
            changed.add(of_part);
        }
        changed
    }
}

/// The key groups of a partition, with their lists.
struct Groups<K, T> {
    /// By map task and key group.
    fetched: Vec<Vec<Vec<Entry<K, T>>>>,
    /// The partition's key groups, and how many of them have been taken.
    numbers: KeyGroupRange,
    taken: usize,
    times: BatchTimes,
    firing: Firing,
}

impl<K, T> Groups<K, T> {
    /// Room for one of them.
    fn first(&self) -> OfGroup<K, T> {
        OfGroup { group: KeyGroup(0), lists: Vec::new(), times: self.times, firing: self.firing }
    }

    /// Moves on to the next one; `false` if there is none.
    fn next_into(&mut self, of_group: &mut OfGroup<K, T>) -> bool {
        let at = self.taken;
        if at == self.numbers.len() {
            return false;
        }
        self.taken += 1;
        of_group.group = KeyGroup(self.numbers.start() + at as u16);
        of_group.lists.extend(self.fetched.iter_mut().map(|of_map| std::mem::take(&mut of_map[at])));
        true
    }
}

impl<K: Key, T: Data, O: Send + 'static> Open<O> for Worked<K, T, O> {
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<O> + 'a> {
        let StateTask { cell, work, trackers, changes, lists, .. } = &*self.doing;
        let reached = known(trackers, When::Reached);
        let times = BatchTimes {
            time: self.time,
            watermark: known(trackers, When::AtStart),
            reached,
            ends: reached == Timestamp::MAX || (trackers.len() > 1 && trackers.iter().all(|tracker| tracker.ends())),
        };
        let fetched = self.fetch(split, task);
        let records: usize = fetched.iter().map(|of_map| count(of_map)).sum();
        let mut rows = Vec::with_capacity(work.rows(records));
        let numbers = self.firing.space.part(split, self.shuffle.num_reduces());
        let groups = Groups { fetched, numbers, taken: 0, times, firing: self.firing };
        let weight = records + groups.numbers.len();
        let changed = if task.is_stepwise() {
            self.in_turn(groups, &mut rows, task)
        } else if let Some(watch) = self.doing.pace.in_one_go(task, weight) {
            let changed = self.in_turn(groups, &mut rows, task);
            self.doing.pace.learn(watch, task, weight);
            changed
        } else {
            self.together(groups, &mut rows, task)
        };
        lists.account(|| cell.get().reserve());
        changes.add((split, changed));
        self.computed.note(split);
        Box::new(Iterated::new(rows.into_iter(), task))
    }
}

/// The smallest of some watermarks; the beginning of time where there are none.
fn known(trackers: &[Arc<Tracker>], when: When) -> Timestamp {
    if trackers.is_empty() { Timestamp::MIN } else { least(trackers, when) }
}

/// Ends the task: its state cannot be had.
#[cold]
fn fail(error: StateError, task: &TaskContext) -> ! {
    let retryable = error.class() == Class::Retryable;
    task.fail_with(error, retryable)
}

/// What was to be had of the state; without it, the task fails.
pub(crate) fn or_fail<R>(had: firesteel_state::Result<R>, operator: &Operator, task: &TaskContext) -> R {
    had.unwrap_or_else(|error| task.blame_on(operator, || fail(error, task)))
}
