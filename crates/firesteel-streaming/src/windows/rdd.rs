//! The reduce side of a windowed aggregation: accumulators meet the state, and windows fire.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::vec;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::{Fetched, Shuffle};
use firesteel_core::{Blocks, Exchange, Iterated, Key, Open, Operator, TaskContext, block_len};
use firesteel_state::{Changes, FiredRows, KeyGroup, Windows};
use firesteel_window::{Aggregator, DisjointWindows, Timestamp, Window};

use crate::plan::{Batch, Changed, Computed, NodeId, StateChanges};
use crate::state::{StoreCell, or_fail};
use crate::time::{Fired as FiredOnes, FiredCount, Tracker, distinct, least};
use crate::windows::WindowResult;
use crate::windows::due::DueGroups;
use crate::windows::incoming::Incoming;
use crate::windows::side::{Gathered, WindowBucket, WindowSide};

pub(super) type WindowShuffle<K, V, W, A> =
    Shuffle<BoxRdd<(Timestamp, (K, V))>, WindowSide<K, V, W, A>, WindowBucket<K, <A as Aggregator<V>>::Acc>>;

/// What fires in one batch.
///
/// Computing a partition changes the state of its key groups. It begins by rolling back what an earlier attempt at the
/// same batch did, so that any number of attempts has the effect of one.
struct Fired<K: Key, V, W, A: Aggregator<V>, T> {
    shuffle: Arc<WindowShuffle<K, V, W, A>>,
    operator: Operator,
    firing: Firing<K, A::Acc>,
    /// The result, as far as there is one: a fired window holds a value.
    present: fn(A::Out) -> Option<T>,
    batch: u64,
    /// The partitions that some task has computed.
    computed: Computed,
}

/// What decides which windows fire, and what takes note of them.
pub(crate) struct Firing<K: Key, Acc> {
    pub(crate) cell: Arc<StoreCell<K>>,
    pub(crate) windows: Windows<Acc>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) due: Arc<DueGroups>,
    pub(crate) fired: FiredCount,
    pub(crate) changes: StateChanges,
}

/// The RDD of what fires in the batch at this node.
pub(crate) fn fire<K, V, W, A, T>(
    batch: &Batch,
    node: NodeId,
    parent: BoxRdd<(Timestamp, (K, V))>,
    side: WindowSide<K, V, W, A>,
    firing: Firing<K, A::Acc>,
    present: fn(A::Out) -> Option<T>,
) -> BoxRdd<(Timestamp, WindowResult<K, T>)>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
    let (dependency, operator) = (Arc::clone(&shuffle), batch.operator(node).clone());
    let batch_id = batch.id();
    batch.stateful(node, dependency, |computed| Fired { shuffle, operator, firing, present, batch: batch_id, computed })
}

impl<K, V, W, A, T> Open<(Timestamp, WindowResult<K, T>)> for Fired<K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    fn open<'a>(
        &'a self,
        split: usize,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<(Timestamp, WindowResult<K, T>)> + 'a> {
        let Firing { cell, windows, trackers, due, .. } = &self.firing;
        let (aggregator, operator) = (&*self.shuffle.side().aggregator, &self.operator);
        let combine = |acc: &mut A::Acc, other| task.blame_on(operator, || aggregator.merge(acc, other));
        let watermark = least(trackers, Tracker::reached);
        let mut incoming = fetch(&self.shuffle, split, task);
        let (mut left, mut changes, mut fired) = (VecDeque::new(), Changes::default(), BTreeSet::new());
        let WindowSide { space, partitions, .. } = self.shuffle.side();
        for group in space.part(split, *partitions).iter() {
            let place = space.owned().place_of(group);
            if !incoming.has(group) && !due.has_work(place, self.batch, watermark) {
                continue;
            }
            task.check_cancelled();
            due.begin(place, self.batch);
            let mut state = cell.get().lock(group);
            state.begin(self.batch);
            let mut opened = or_fail(windows.of(&mut state), operator, task);
            incoming.merge(group, &mut opened, combine);
            let settled = opened.settle(combine);
            let rows = or_fail(settled.and_then(|()| opened.fire(watermark)), operator, task);
            changes += opened.changes();
            if opened.fired(&rows).next().is_some() {
                fired.append(&mut distinct(opened.fired(&rows)));
                left.push_back((group, rows));
            }
            due.note(place, opened.next_end());
            if opened.has_other_size() {
                state.account();
            }
        }
        incoming.lists.into_iter().for_each(|gathered| self.shuffle.side().recycled.keep_list(gathered.entries));
        if !fired.is_empty() {
            self.firing.fired.add(FiredOnes { windows: fired, sessions: 0 });
        }
        self.computed.note(split);
        let rows = Rows { of: self, split, task, left, changes, ahead: Vec::new().into_iter() };
        Box::new(Iterated::new(rows, task))
    }
}

/// What the map tasks left for the partition.
pub(super) fn fetch<K, V, W, A>(
    shuffle: &WindowShuffle<K, V, W, A>,
    split: usize,
    task: &TaskContext,
) -> Incoming<K, A::Acc>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    let outputs = shuffle.outputs();
    let WindowSide { space, partitions, .. } = shuffle.side();
    let mut incoming = Incoming::new(*space, space.part(split, *partitions));
    for map in 0..outputs.num_maps() {
        match outputs.fetch(map, split, task) {
            Fetched::Owned(bucket) => {
                let count = bucket.0.iter().map(|gathered| gathered.entries.len() as u64).sum();
                task.count_shuffle_read(count);
                bucket.0.into_iter().for_each(|gathered| incoming.add(gathered));
            }
            Fetched::Shared(bucket) => {
                for Gathered { window, group, entries } in &bucket.0 {
                    incoming.add(Gathered { window: *window, group: *group, entries: entries.clone() });
                }
            }
        }
    }
    incoming.settle();
    incoming
}

/// The results of a partition, read from its state slice by slice.
struct Rows<'a, K: Key, V: Send + 'static, W, A: Aggregator<V, Acc: Exchange>, T> {
    of: &'a Fired<K, V, W, A, T>,
    split: usize,
    task: &'a TaskContext,
    /// The key groups in which something has fired, and how far it has been read.
    left: VecDeque<(KeyGroup, FiredRows)>,
    /// What the batch has changed here.
    changes: Changes,
    /// Rows that have been read.
    ahead: vec::IntoIter<(Timestamp, WindowResult<K, T>)>,
}

impl<K, V, W, A, T> Rows<'_, K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange>,
{
    /// Reads some of the rows that are left in the first key group.
    fn read(&mut self, limit: usize, each: impl FnMut(Window, &K, &A::Acc)) -> firesteel_state::Result<()> {
        let Some((group, rows)) = self.left.front_mut() else { return Ok(()) };
        let firing = &self.of.firing;
        let more = firing.windows.of(&mut firing.cell.get().lock(*group))?.read(rows, limit, each)?;
        if !more {
            self.changes.removed += rows.counted();
            self.left.pop_front();
        }
        Ok(())
    }
}

impl<K, V, W, A, T> Iterator for Rows<'_, K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = (Timestamp, WindowResult<K, T>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = self.ahead.next();
            if row.is_some() || self.left.is_empty() {
                return row;
            }
            let (of, task) = (self.of, self.task);
            task.check_cancelled();
            let (mut rows, room) = (Vec::new(), block_len::<Self::Item>());
            while rows.len() < room && !self.left.is_empty() {
                let read = self.read(room - rows.len(), |window, key, acc| {
                    let out = task.blame_on(&of.operator, || of.shuffle.side().aggregator.finish(acc));
                    let row = |value| (window.last_instant(), WindowResult { window, key: key.clone(), value });
                    rows.extend((of.present)(out).map(row));
                });
                or_fail(read, &of.operator, task);
            }
            self.ahead = rows.into_iter();
        }
    }
}

impl<K: Key, V: Send + 'static, W, A: Aggregator<V, Acc: Exchange>, T> Drop for Rows<'_, K, V, W, A, T> {
    /// Takes note of what has changed. Rows that nobody wanted have fired, too.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        while !self.left.is_empty() {
            // What cannot be read now is not read when the epoch ends either, which fails the job.
            if self.read(usize::MAX, |_, _, _| {}).is_err() {
                self.left.pop_front();
            }
        }
        self.of.firing.changes.add((self.split, Changed { changes: self.changes, ..Changed::default() }));
    }
}
