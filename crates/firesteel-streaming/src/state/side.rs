//! The map side of an operator with state: records sorted by key group.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::shuffle::MapSide;
use firesteel_core::{Accumulator, Data, Exchange, Key, Operator, TaskContext};
use firesteel_state::KeySpace;
use firesteel_window::Timestamp;

use crate::state::lists::{Lists, count, put, trim};
use crate::state::work::Entry;
use crate::stream::{LateOutput, Lateness, Shape};
use crate::time::{Tracker, When, least};

/// The records of one map partition for one reduce partition: a list for each of its key groups.
pub(crate) struct GroupedBucket<K, T>(pub(crate) Vec<Vec<Entry<K, T>>>);

/// Where the map side puts entries: a list for each of the job's own key groups. What belongs to others stays behind.
pub struct ByGroup<'a, K, T> {
    lists: &'a mut [Vec<Entry<K, T>>],
    space: KeySpace,
}

impl<K, T> ByGroup<'_, K, T> {
    /// Whether the key with this hash is one of the job's own.
    pub(crate) fn owns(&self, hash: u64) -> bool {
        self.space.owns(hash)
    }

    #[inline(always)]
    pub(crate) fn put(&mut self, entry: Entry<K, T>) {
        if let Some(list) = self.lists.get_mut(self.space.index_of(entry.0)) {
            put(list, entry);
        }
    }
}

/// What is done to the records of a map partition before they travel: a stream's records `I` become entries.
pub trait Prepare<I, K, T>: Send + Sync + 'static {
    /// Puts the records into the lists of their key groups, those of one key in their order, on behalf of `operator`.
    fn write(
        &self,
        records: impl Iterator<Item = I>,
        groups: ByGroup<'_, K, T>,
        operator: &Operator,
        task: &TaskContext,
    );
}

/// Sorts records by key group.
pub(crate) struct StateSide<K, T, P> {
    pub(crate) space: KeySpace,
    pub(crate) partitions: usize,
    pub(crate) lists: Arc<Lists<K, T>>,
    pub(crate) prepare: Arc<P>,
    pub(crate) operator: Operator,
}

impl<I, K: Key, T: Data, P: Prepare<I, K, T>> MapSide<I> for StateSide<K, T, P> {
    type Bucket = GroupedBucket<K, T>;

    fn num_reduces(&self) -> usize {
        self.partitions
    }

    fn write(&self, records: impl Iterator<Item = I>, task: &TaskContext) -> Vec<Self::Bucket> {
        let mut groups = self.lists.take(self.space.len());
        let by_group = ByGroup { lists: &mut groups, space: self.space };
        self.prepare.write(records, by_group, &self.operator, task);
        groups.iter_mut().for_each(trim);
        let mut groups = groups.into_iter();
        let mut lists_of = |split| groups.by_ref().take(self.space.part(split, self.partitions).len()).collect();
        (0..self.partitions).map(|split| GroupedBucket(lists_of(split))).collect()
    }

    fn len(&self, bucket: &Self::Bucket) -> u64 {
        count(&bucket.0) as u64
    }
}

/// Puts records into the lists of their key groups, as `kept` makes them.
#[inline]
fn sort<S: Shape, K: Key, V: Send + 'static, T>(
    records: impl Iterator<Item = S::Record<(K, V)>>,
    mut groups: ByGroup<'_, K, T>,
    task: &TaskContext,
    mut kept: impl FnMut(Timestamp, K, V) -> Option<(K, T)>,
) {
    task.drain(records, |record| {
        let (at, (key, value)) = S::split(record);
        if let Some((key, value)) = kept(at, key, value) {
            let hash = hash_key(&key);
            groups.put((hash, key, value));
        }
    });
}

/// Keys and values as they are, without their times.
pub struct Values<S>(PhantomData<fn(S)>);

/// Keys and values as they are; with event time, with their times.
pub struct Gathered<S, V>(PhantomData<fn(S, V)>);

impl<S> Values<S> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S, V> Gathered<S, V> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<K: Key, V: Exchange, S: Shape> Prepare<S::Record<(K, V)>, K, V> for Values<S> {
    fn write(
        &self,
        records: impl Iterator<Item = S::Record<(K, V)>>,
        groups: ByGroup<'_, K, V>,
        _: &Operator,
        task: &TaskContext,
    ) {
        sort::<S, _, _, _>(records, groups, task, |_, key, value| Some((key, value)));
    }
}

impl<K: Key, V: Exchange, S: Shape> Prepare<S::Record<(K, V)>, K, S::Record<V>> for Gathered<S, V> {
    fn write(
        &self,
        records: impl Iterator<Item = S::Record<(K, V)>>,
        groups: ByGroup<'_, K, S::Record<V>>,
        _: &Operator,
        task: &TaskContext,
    ) {
        sort::<S, _, _, _>(records, groups, task, |at, key, value| Some((key, S::at(at, value))));
    }
}

/// The same, without the records that happened before the watermark.
pub struct InTime<S, K, V> {
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) count: Accumulator<u64>,
    pub(crate) output: Option<LateOutput<K, V>>,
    pub(crate) shape: PhantomData<fn(S)>,
}

impl<K, V, S> Prepare<S::Record<(K, V)>, K, S::Record<V>> for InTime<S, K, V>
where
    K: Key,
    V: Exchange,
    S: Shape,
{
    fn write(
        &self,
        records: impl Iterator<Item = S::Record<(K, V)>>,
        groups: ByGroup<'_, K, S::Record<V>>,
        _: &Operator,
        task: &TaskContext,
    ) {
        // Without event time, nothing is late.
        let watermark = if self.trackers.is_empty() { Timestamp::MIN } else { least(&self.trackers, When::AtStart) };
        let space = groups.space;
        sort::<S, _, _, _>(records, groups, task, |at, key, value| {
            if at < watermark {
                if !space.owns(hash_key(&key)) {
                    return None;
                }
                self.count.add(1);
                if let Some(output) = &self.output {
                    output(&key, &value, Lateness::of(at, None, &self.trackers))();
                }
                return None;
            }
            Some((key, S::at(at, value)))
        });
    }
}
