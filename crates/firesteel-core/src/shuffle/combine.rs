//! A map side that combines the values of each key before they travel.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::hash::hash_key;
use crate::operator::Operator;
use crate::partitioner::Partitioner;
use crate::rdd::{Exchange, Key};
use crate::shuffle::chunk::Chunk;
use crate::shuffle::exchange::MapSide;
use crate::shuffle::growing::GrowingTable;
use crate::shuffle::route::Buckets;
use crate::storage::Memory;
use crate::task::TaskContext;

/// How values of one key become one accumulator.
pub trait Combine<V>: Send + Sync + 'static {
    /// What the values of a key become.
    type Acc: Exchange;
    /// The accumulator of a first value.
    fn create(&self, value: V) -> Self::Acc;
    /// Adds a further value.
    fn add(&self, acc: &mut Self::Acc, value: V);
    /// Merges the accumulator of another partition, whose values come later.
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc);
}

/// A combined record on its way: the key's hash, the key, its accumulator.
pub type Combined<K, C> = (u64, K, C);

/// Combines within the map partition, then sorts by partition.
pub struct CombineSide<K, V, B, P> {
    operator: Operator,
    combine: Arc<B>,
    partitioner: Arc<P>,
    memory: Memory,
    kind: PhantomData<fn(K, V)>,
}

impl<K, V, B, P> CombineSide<K, V, B, P> {
    pub(crate) fn new(operator: Operator, memory: Memory, combine: Arc<B>, partitioner: Arc<P>) -> Self {
        Self { operator, combine, partitioner, memory, kind: PhantomData }
    }
}

impl<K: Key, V: 'static, B: Combine<V>, P: Partitioner<K>> MapSide<(K, V)> for CombineSide<K, V, B, P> {
    type Bucket = Chunk<Combined<K, B::Acc>>;

    fn num_reduces(&self) -> usize {
        self.partitioner.num_partitions()
    }

    fn write(&self, records: impl Iterator<Item = (K, V)>, task: &TaskContext) -> Vec<Self::Bucket> {
        let mut buckets = Buckets::new(self.num_reduces(), &self.memory);
        let mut table = GrowingTable::<K, B::Acc>::new(&self.memory);
        let combine = &*self.combine;
        let mut route = |entries: Vec<Combined<K, B::Acc>>| {
            task.blame_on(&self.operator, || {
                for (hash, key, acc) in entries {
                    buckets.push(self.partitioner.partition(&key, hash), (hash, key, acc), task);
                }
            });
        };
        task.drain(records, |(key, value)| {
            let full = task.blame_on(&self.operator, || {
                let hash = hash_key(&key);
                table.upsert(hash, key, value, |value| combine.create(value), |acc, value| combine.add(acc, value))
            });
            if full && !table.check(task) {
                route(table.take());
            }
        });
        route(table.into_parts().0);
        buckets.finish()
    }

    fn len(&self, bucket: &Self::Bucket) -> u64 {
        bucket.len()
    }
}
