//! The map side of a windowed aggregation: records become accumulators per window and key before they travel.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::shuffle::{KeyedTable, MapSide};
use firesteel_core::{Accumulator, Driven, Key, Operator, Rdd, TaskContext};
use firesteel_state::{KeyGroup, KeySpace};
use firesteel_window::{Aggregator, DisjointWindows, Standing, Timestamp, Window};

use crate::stream::{LateFor, LateOutput, Lateness};
use crate::time::Tracker;
use crate::windows::recycle::Recycled;

/// A key's hash, the key, its accumulator.
pub(crate) type Entry<K, A> = (u64, K, A);

/// Accumulators on their way to one reduce partition. A window may stand there several times.
pub(crate) struct WindowBucket<K, A>(pub(crate) Vec<Gathered<K, A>>);

/// What one window has gathered.
pub(crate) struct Gathered<K, A> {
    pub(crate) window: Window,
    /// The key group of all entries, where they are sorted so.
    pub(crate) group: Option<KeyGroup>,
    pub(crate) entries: Vec<Entry<K, A>>,
}

/// Aggregates within the map partition, as long as that makes the data smaller, and sorts by key group.
pub(crate) struct WindowSide<K, V, W, A: Aggregator<V>> {
    pub(crate) windows: W,
    pub(crate) aggregator: Arc<A>,
    pub(crate) operator: Operator,
    /// Records of windows that this watermark closes are late.
    pub(crate) closed_by: Timestamp,
    /// The watermarks that say so.
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) late: Accumulator<u64>,
    /// Records that are in no window.
    pub(crate) outside: Accumulator<u64>,
    pub(crate) late_output: Option<LateOutput<K, V>>,
    /// Entries of key groups that are not the job's own stay behind.
    pub(crate) space: KeySpace,
    pub(crate) partitions: usize,
    pub(crate) recycled: Arc<Recycled<K, A::Acc>>,
    pub(crate) kind: PhantomData<fn(K, V)>,
}

impl<K, V, W, A> MapSide<(Timestamp, (K, V))> for WindowSide<K, V, W, A>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Send + Sync + 'static> + Send + Sync + 'static,
{
    type Bucket = WindowBucket<K, A::Acc>;

    fn num_reduces(&self) -> usize {
        self.partitions
    }

    fn write(&self, records: impl Iterator<Item = (Timestamp, (K, V))>, task: &TaskContext) -> Vec<Self::Bucket> {
        let (mut writer, mut block) = (self.writer(task), Vec::with_capacity(1));
        task.guard(records).for_each(|record| {
            block.push(record);
            writer.push_block(&mut block);
        });
        writer.finish()
    }

    fn write_partition<R>(&self, parent: &R, split: usize, task: &TaskContext) -> Vec<Self::Bucket>
    where
        R: Rdd<Item = (Timestamp, (K, V))>,
    {
        let records = Driven::new(parent.blocks(split, task), task);
        if task.is_stepwise() {
            return self.write(records, task);
        }
        let mut writer = self.writer(task);
        records.for_each_block(|block| writer.push_block(block));
        writer.finish()
    }

    fn len(&self, bucket: &Self::Bucket) -> u64 {
        bucket.0.iter().map(|gathered| gathered.entries.len() as u64).sum()
    }
}

impl<K, V, W, A: Aggregator<V>> WindowSide<K, V, W, A> {
    fn writer<'a>(&'a self, task: &'a TaskContext) -> Writer<'a, K, V, W, A> {
        let window = Window::new(Timestamp::EPOCH, Timestamp::EPOCH);
        let standing = Standing::InTime;
        Writer { side: self, task, window, standing, current: usize::MAX, panes: Vec::new(), late: 0, outside: 0 }
    }
}

/// What one map partition has gathered so far.
struct Writer<'a, K, V, W, A: Aggregator<V>> {
    side: &'a WindowSide<K, V, W, A>,
    task: &'a TaskContext,
    /// The window of the last record: neighbors mostly share one.
    window: Window,
    /// How its records stand to the watermark.
    standing: Standing,
    /// Its place in `panes`; beyond them if its records are left out.
    current: usize,
    panes: Vec<Pane<K, A::Acc>>,
    late: u64,
    outside: u64,
}

/// What one window has gathered.
struct Pane<K, A> {
    window: Window,
    seen: usize,
    table: KeyedTable<K, A>,
    /// Where entries go, by key group, when hardly any key repeats: a table would cost more than it saves.
    passed: Vec<Vec<Entry<K, A>>>,
}

/// From this many keys on for each key group, they travel sorted by it: who merges them then finds the next one near the
/// last.
const SORTED: usize = 8;

impl<K, V, W, A> Writer<'_, K, V, W, A>
where
    K: Key,
    W: DisjointWindows,
    A: Aggregator<V>,
{
    /// Takes the records of a block, window after window: neighbors mostly share one.
    fn push_block(&mut self, block: &mut Vec<(Timestamp, (K, V))>) {
        let mut records = block.drain(..);
        while let Some(first) = records.as_slice().first() {
            if !self.window.contains(first.0) {
                self.enter(first.0);
            }
            let window = self.window;
            let run = records.as_slice().iter().take_while(|record| window.contains(record.0)).count();
            if W::HAS_PARTS && self.standing == Standing::PartlyLate {
                records.as_slice()[..run].iter().for_each(|(at, (key, value))| self.tell(*at, key, value));
            }
            self.push_run(records.by_ref().take(run.max(1)));
        }
    }

    /// Takes records of the current window.
    #[inline(always)]
    fn push_run(&mut self, mut records: impl ExactSizeIterator<Item = (Timestamp, (K, V))>) {
        let Some(pane) = self.panes.get_mut(self.current) else {
            return records.for_each(|(at, (key, value))| self.refuse(at, key, value));
        };
        let WindowSide { aggregator, recycled, operator, space, .. } = self.side;
        let space = *space;
        pane.seen += records.len();
        self.task.blame_on(operator, || {
            if pane.passed.is_empty() {
                let table = &mut pane.table;
                let has_ended = loop {
                    let Some((_, (key, value))) = records.next() else { break true };
                    let (create, add) =
                        (|value| aggregator.start(value), |acc: &mut _, value| aggregator.add(acc, value));
                    let is_new = table.upsert(hash_key(&key), key, value, create, add);
                    if is_new && recycled.trials.gives_up(table.len(), pane.seen - records.len()) {
                        break false;
                    }
                };
                if has_ended {
                    return;
                }
                pane.pass(recycled, space);
            }
            for (_, (key, value)) in records {
                let hash = hash_key(&key);
                if let Some(list) = pane.passed.get_mut(space.index_of(hash)) {
                    list.push((hash, key, aggregator.start(value)));
                }
            }
        });
    }

    #[cold]
    #[inline(never)]
    fn enter(&mut self, at: Timestamp) {
        self.window = self.side.windows.window_of(at);
        self.standing = self.side.windows.standing(self.window, self.side.closed_by);
        if matches!(self.standing, Standing::Late | Standing::Outside) {
            self.current = usize::MAX;
            return;
        }
        let found = self.panes.iter().position(|pane| pane.window == self.window);
        self.current = found.unwrap_or_else(|| {
            let table = self.side.recycled.tables.take();
            self.panes.push(Pane { window: self.window, seen: 0, table, passed: Vec::new() });
            self.panes.len() - 1
        });
    }

    #[cold]
    #[inline(never)]
    fn refuse(&mut self, at: Timestamp, key: K, value: V) {
        if self.standing == Standing::Outside {
            self.outside += u64::from(self.side.space.owns(hash_key(&key)));
        } else {
            self.tell(at, &key, &value);
        }
    }

    /// Tells of a late record, be it left out or not.
    #[cold]
    #[inline(never)]
    fn tell(&mut self, at: Timestamp, key: &K, value: &V) {
        if !self.side.space.owns(hash_key(key)) {
            return;
        }
        self.late += 1;
        if let Some(output) = &self.side.late_output {
            let (first, last, count) = self.side.windows.late_for(at, self.side.closed_by);
            let late_for = LateFor { first, last, count };
            output(key, value, Lateness::of(at, Some(late_for), &self.side.trackers))();
        }
    }

    fn finish(self) -> Vec<WindowBucket<K, A::Acc>> {
        if self.late > 0 {
            self.side.late.add(self.late);
        }
        if self.outside > 0 {
            self.side.outside.add(self.outside);
        }
        let WindowSide { partitions, space, recycled, .. } = self.side;
        let (partitions, space) = (*partitions, *space);
        let owner = space.placement(partitions);
        let mut buckets: Vec<_> = (0..partitions).map(|_| WindowBucket(Vec::new())).collect();
        for mut pane in self.panes {
            if pane.passed.is_empty() && pane.table.len() >= SORTED * space.len() {
                pane.pass(recycled, space);
            }
            let Pane { window, seen, mut table, passed } = pane;
            recycled.trials.saw(seen);
            for ((group, part), entries) in space.owned().iter().zip(&owner).zip(passed) {
                buckets[usize::from(*part)].0.push(Gathered { window, group: Some(group), entries });
            }
            if table.is_empty() {
                recycled.tables.keep(table);
                continue;
            }
            for bucket in &mut buckets {
                bucket.0.push(Gathered { window, group: None, entries: recycled.list() });
            }
            for entry in table.drain() {
                let Some(part) = owner.get(space.index_of(entry.0)) else { continue };
                if let Some(gathered) = buckets[usize::from(*part)].0.last_mut() {
                    gathered.entries.push(entry);
                }
            }
            recycled.tables.keep(table);
        }
        buckets
    }
}

impl<K: Eq, A> Pane<K, A> {
    /// Ends combining: entries are only sorted by key group.
    #[cold]
    #[inline(never)]
    fn pass(&mut self, recycled: &Recycled<K, A>, space: KeySpace) {
        self.passed = (0..space.len()).map(|_| recycled.list()).collect();
        for entry in self.table.drain() {
            if let Some(list) = self.passed.get_mut(space.index_of(entry.0)) {
                list.push(entry);
            }
        }
    }
}
