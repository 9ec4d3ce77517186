//! The reduce side of a windowed aggregation: accumulators meet the state, and windows fire.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::vec;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::{Fetched, Shuffle};
use firesteel_core::{Accumulator, Blocks, Exchange, Key, Open, Operator, TaskContext, block_len};
use firesteel_state::{Changes, FiredRows, KeyGroup, OpenWindows, Windows};
use firesteel_window::{Aggregator, DisjointWindows, Timestamp, Window};

use crate::batch::Batch;
use crate::plan::{Computed, NodeId};
use crate::state::{StateChanges, StoreCell, fail};
use crate::time::due::Due;
use crate::time::fired::distinct;
use crate::time::tracker::least;
use crate::time::window_side::{Gathered, WindowBucket, WindowSide};
use crate::time::{FiredWindows, KEY_GROUPS, Tracker, WindowResult, groups_of, key_group};

type WindowShuffle<K, V, W, A> =
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
    pub(crate) due: Arc<Due>,
    pub(crate) fired: Accumulator<BTreeSet<Window>, FiredWindows>,
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
        let watermark = least(trackers, Tracker::reached);
        let buckets = self.fetch(split, task);
        let groups = self.groups(split, &buckets, watermark);
        let store = cell.get();
        let mut states: Vec<_> = groups.iter().map(|group| store.lock(numbered(*group))).collect();
        for (state, group) in states.iter_mut().zip(&groups) {
            due.begin(*group, self.batch);
            state.begin(self.batch);
        }
        let mut opened = Opened { windows: Vec::with_capacity(groups.len()), places: places(&groups) };
        opened.windows.extend(states.iter_mut().map(|state| or_fail(windows.of(state), operator, task)));
        self.merge(buckets, &mut opened, task);
        let (mut left, mut changes, mut fired) = (VecDeque::new(), Changes::default(), BTreeSet::new());
        for (group, opened) in groups.into_iter().zip(&mut opened.windows) {
            let settled = opened.settle(|acc, other| task.blame_on(operator, || aggregator.merge(acc, other)));
            let rows = or_fail(settled.and_then(|()| opened.fire(watermark)), operator, task);
            changes += opened.changes();
            let mut windows = opened.fired(&rows).peekable();
            if windows.peek().is_some() {
                fired.append(&mut distinct(windows));
                left.push_back((group, rows));
            }
            due.note(group, opened.next_end());
        }
        drop(opened);
        for state in &mut states {
            state.account();
        }
        if !fired.is_empty() {
            self.firing.fired.add(fired);
        }
        self.computed.note(split);
        Box::new(Rows { of: self, split, task, left, changes, ahead: Vec::new().into_iter() })
    }
}

/// What a map task left for a partition.
type Bucket<K, A> = Fetched<WindowBucket<K, A>>;

/// The open windows of the key groups that have something to do.
struct Opened<'a, K, A> {
    windows: Vec<OpenWindows<'a, K, A>>,
    /// Where those of each key group are.
    places: [u8; KEY_GROUPS],
}

impl<'a, K, A> Opened<'a, K, A> {
    #[inline]
    fn of(&mut self, group: usize) -> &mut OpenWindows<'a, K, A> {
        &mut self.windows[usize::from(self.places[group])]
    }
}

fn places(groups: &[usize]) -> [u8; KEY_GROUPS] {
    const { assert!(KEY_GROUPS <= 1 << u8::BITS) };
    let mut places = [0; KEY_GROUPS];
    groups.iter().enumerate().for_each(|(place, group)| places[*group] = place as u8);
    places
}

impl<K, V, W, A, T> Fired<K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    fn fetch(&self, split: usize, task: &TaskContext) -> Vec<Bucket<K, A::Acc>> {
        let outputs = self.shuffle.outputs();
        let mut buckets = Vec::with_capacity(outputs.num_maps());
        for map in 0..outputs.num_maps() {
            let bucket = outputs.fetch(map, split, task);
            if let Fetched::Owned(bucket) = &bucket {
                task.count_shuffle_read(count(bucket));
            }
            buckets.push(bucket);
        }
        buckets
    }

    /// The key groups of a partition that have something to do.
    fn groups(&self, split: usize, buckets: &[Bucket<K, A::Acc>], watermark: Timestamp) -> Vec<usize> {
        let all = groups_of(split, self.shuffle.side().partitions);
        let mut has_records = [false; KEY_GROUPS];
        for gathered in buckets.iter().flat_map(|bucket| match bucket {
            Fetched::Owned(bucket) => &bucket.0,
            Fetched::Shared(bucket) => &bucket.0,
        }) {
            match gathered.group {
                Some(group) => has_records[group] |= !gathered.entries.is_empty(),
                None => gathered.entries.iter().for_each(|(hash, ..)| has_records[key_group(*hash)] = true),
            }
        }
        let mut groups = Vec::with_capacity(all.len());
        let due = &self.firing.due;
        groups.extend(all.filter(|group| has_records[*group] || due.has_work(*group, self.batch, watermark)));
        groups
    }

    /// Takes what the map tasks left into open windows.
    fn merge(&self, buckets: Vec<Bucket<K, A::Acc>>, opened: &mut Opened<'_, K, A::Acc>, task: &TaskContext) {
        let side = self.shuffle.side();
        let (aggregator, operator, recycled) = (&*side.aggregator, &self.operator, &side.recycled);
        let combine = |acc: &mut A::Acc, other| task.blame_on(operator, || aggregator.merge(acc, other));
        let mut merge = |window, group, entries: &mut Vec<(u64, K, A::Acc)>| match group {
            Some(group) if !entries.is_empty() => opened.of(group).merge_all(window, entries, combine),
            _ => {
                for (hash, key, acc) in entries.drain(..) {
                    opened.of(key_group(hash)).merge(window, hash, key, acc, combine);
                }
            }
        };
        for bucket in buckets {
            match bucket {
                Fetched::Owned(bucket) => {
                    for Gathered { window, group, mut entries } in bucket.0 {
                        merge(window, group, &mut entries);
                        recycled.keep_list(entries);
                    }
                }
                Fetched::Shared(bucket) => {
                    for Gathered { window, group, entries } in &bucket.0 {
                        merge(*window, *group, &mut entries.clone());
                    }
                }
            }
        }
    }
}

fn count<K, A>(bucket: &WindowBucket<K, A>) -> u64 {
    bucket.0.iter().map(|gathered| gathered.entries.len() as u64).sum()
}

/// What was to be had of the state; without it, the task fails.
fn or_fail<R>(had: firesteel_state::Result<R>, operator: &Operator, task: &TaskContext) -> R {
    had.unwrap_or_else(|error| task.blame_on(operator, || fail(error, task)))
}

fn numbered(group: usize) -> KeyGroup {
    const { assert!(KEY_GROUPS <= u16::MAX as usize) };
    KeyGroup(group as u16)
}

/// The results of a partition, read from its state block by block.
struct Rows<'a, K: Key, V: Send + 'static, W, A: Aggregator<V, Acc: Exchange>, T> {
    of: &'a Fired<K, V, W, A, T>,
    split: usize,
    task: &'a TaskContext,
    /// The key groups in which something has fired, and how far it has been read.
    left: VecDeque<(usize, FiredRows)>,
    /// What the batch has changed here.
    changes: Changes,
    /// Rows that are handed out one by one.
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
        let more = firing.windows.of(&mut firing.cell.get().lock(numbered(*group)))?.read(rows, limit, each)?;
        if !more {
            self.changes.removed += rows.counted();
            self.left.pop_front();
        }
        Ok(())
    }
}

impl<K, V, W, A, T> Blocks<(Timestamp, WindowResult<K, T>)> for Rows<'_, K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    fn next(&mut self) -> Option<(Timestamp, WindowResult<K, T>)> {
        loop {
            if let Some(row) = self.ahead.next() {
                return Some(row);
            }
            let mut block = Vec::new();
            let more = self.fill(&mut block);
            if block.is_empty() && !more {
                return None;
            }
            self.ahead = block.into_iter();
        }
    }

    fn fill(&mut self, block: &mut Vec<(Timestamp, WindowResult<K, T>)>) -> bool {
        let (of, task) = (self.of, self.task);
        let aggregator = &*of.shuffle.side().aggregator;
        block.extend(self.ahead.by_ref());
        let room = block_len::<(Timestamp, WindowResult<K, T>)>();
        while block.len() < room && !self.left.is_empty() {
            task.check_cancelled();
            let read = self.read(room - block.len(), |window, key, acc| {
                if let Some(value) = (of.present)(task.blame_on(&of.operator, || aggregator.finish(acc))) {
                    block.push((window.last_instant(), WindowResult { window, key: key.clone(), value }));
                }
            });
            or_fail(read, &of.operator, task);
        }
        !self.left.is_empty()
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
        self.of.firing.changes.add((self.split, self.changes, 0));
    }
}
