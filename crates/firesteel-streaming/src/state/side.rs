//! The map side of an operator with state: records sorted by key group.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::shuffle::MapSide;
use firesteel_core::{Exchange, Key, TaskContext};

use crate::state::lists::Lists;
use crate::state::work::Entry;
use crate::time::{KEY_GROUPS, groups_of, key_group};

/// The records of one map partition for one reduce partition: a list for each of its key groups.
pub(crate) struct GroupedBucket<K, T>(pub(crate) Vec<Vec<Entry<K, T>>>);

/// Sorts records by key group.
pub(crate) struct StateSide<K, T> {
    pub(crate) partitions: usize,
    pub(crate) lists: Arc<Lists<K, T>>,
    pub(crate) kind: PhantomData<fn(K, T)>,
}

impl<K: Key, T: Exchange> MapSide<(K, T)> for StateSide<K, T> {
    type Bucket = GroupedBucket<K, T>;

    fn num_reduces(&self) -> usize {
        self.partitions
    }

    fn write(&self, records: impl Iterator<Item = (K, T)>, task: &TaskContext) -> Vec<Self::Bucket> {
        let mut groups = self.lists.take(KEY_GROUPS);
        task.drain(records, |(key, record)| {
            let hash = hash_key(&key);
            groups[key_group(hash)].push((hash, key, record));
        });
        let mut groups = groups.into_iter();
        let mut lists_of = |split| groups.by_ref().take(groups_of(split, self.partitions).len()).collect();
        (0..self.partitions).map(|split| GroupedBucket(lists_of(split))).collect()
    }

    fn len(&self, bucket: &Self::Bucket) -> u64 {
        bucket.0.iter().map(|list| list.len() as u64).sum()
    }
}
