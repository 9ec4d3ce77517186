//! The map side of an operator with state: records sorted by key group.

use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::shuffle::MapSide;
use firesteel_core::{Accumulator, Exchange, Key, TaskContext};
use firesteel_window::Timestamp;

use crate::state::lists::{Lists, put, trim};
use crate::state::work::Entry;
use crate::time::{Tracker, groups_of, key_group, least};

/// The records of one map partition for one reduce partition: a list for each of its key groups.
pub(crate) struct GroupedBucket<K, T>(pub(crate) Vec<Vec<Entry<K, T>>>);

/// What is done to the records of a map partition before they travel: a stream's records `I` become entries.
pub trait Prepare<I, K, T>: Send + Sync + 'static {
    /// Puts the records into the lists of their key groups, those of one key in their order.
    fn write(&self, records: impl Iterator<Item = I>, groups: &mut [Vec<Entry<K, T>>], task: &TaskContext);
}

/// Sorts records by key group.
pub(crate) struct StateSide<K, T, P> {
    pub(crate) partitions: usize,
    pub(crate) lists: Arc<Lists<K, T>>,
    pub(crate) prepare: Arc<P>,
}

impl<I, K: Key, T: Exchange, P: Prepare<I, K, T>> MapSide<I> for StateSide<K, T, P> {
    type Bucket = GroupedBucket<K, T>;

    fn num_reduces(&self) -> usize {
        self.partitions
    }

    fn write(&self, records: impl Iterator<Item = I>, task: &TaskContext) -> Vec<Self::Bucket> {
        let mut groups = self.lists.take();
        self.prepare.write(records, &mut groups, task);
        groups.iter_mut().for_each(trim);
        let mut groups = groups.into_iter();
        let mut lists_of = |split| groups.by_ref().take(groups_of(split, self.partitions).len()).collect();
        (0..self.partitions).map(|split| GroupedBucket(lists_of(split))).collect()
    }

    fn len(&self, bucket: &Self::Bucket) -> u64 {
        bucket.0.iter().map(|list| list.len() as u64).sum()
    }
}

/// Keys and values as they are.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl<K: Key, T: Exchange> Prepare<(K, T), K, T> for Plain {
    fn write(&self, records: impl Iterator<Item = (K, T)>, groups: &mut [Vec<Entry<K, T>>], task: &TaskContext) {
        task.drain(records, |(key, record)| {
            let hash = hash_key(&key);
            put(&mut groups[key_group(hash)], (hash, key, record));
        });
    }
}

/// Keys and values that know when they happened.
pub struct WithTime<K, V> {
    /// What is done about records that happened before the watermark; nothing if all are handled.
    pub(crate) late: Option<Late<K, V>>,
}

/// What is done about late records.
pub(crate) struct Late<K, V> {
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) count: Accumulator<u64>,
    pub(crate) output: Option<LateOutput<K, V>>,
}

/// What is done with a late record besides counting it.
type LateOutput<K, V> = Arc<dyn Fn(Timestamp, K, V) + Send + Sync>;

impl<K: Key, V: Exchange> Prepare<(Timestamp, (K, V)), K, (Timestamp, V)> for WithTime<K, V> {
    fn write(
        &self,
        records: impl Iterator<Item = (Timestamp, (K, V))>,
        groups: &mut [Vec<Entry<K, (Timestamp, V)>>],
        task: &TaskContext,
    ) {
        let watermark = self.late.as_ref().map_or(Timestamp::MIN, |late| least(&late.trackers, Tracker::at_start));
        task.drain(records, |(at, (key, value))| {
            if at < watermark
                && let Some(late) = &self.late
            {
                late.count.add(1);
                if let Some(output) = &late.output {
                    output(at, key, value);
                }
                return;
            }
            let hash = hash_key(&key);
            put(&mut groups[key_group(hash)], (hash, key, (at, value)));
        });
    }
}
