//! A map side that aggregates the values of each key before they travel.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_window::Aggregator;

use crate::data::{Exchange, Key};
use crate::hash::hash_key;
use crate::operator::Operator;
use crate::partitioner::{Partitioner, Placement};
use crate::shuffle::chunk::Chunk;
use crate::shuffle::exchange::MapSide;
use crate::shuffle::growing::GrowingTable;
use crate::shuffle::route::Buckets;
use crate::storage::SpillMemory;
use crate::task::TaskContext;

/// A combined record on its way: the key's hash, the key, its accumulator.
pub type Combined<K, C> = (u64, K, C);

/// Aggregates within the map partition, then sorts by partition.
pub struct CombineSide<K, V, A> {
    operator: Operator,
    aggregator: Arc<A>,
    placement: Placement<K>,
    memory: SpillMemory,
    kind: PhantomData<fn(V)>,
}

impl<K, V, A> CombineSide<K, V, A> {
    pub(crate) fn new(operator: Operator, memory: SpillMemory, aggregator: Arc<A>, placement: Placement<K>) -> Self {
        Self { operator, aggregator, placement, memory, kind: PhantomData }
    }
}

impl<K, V, A> MapSide<(K, V)> for CombineSide<K, V, A>
where
    K: Key,
    V: 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    type Bucket = Chunk<Combined<K, A::Acc>>;

    fn num_reduces(&self) -> usize {
        self.placement.num_partitions()
    }

    fn write(&self, records: impl Iterator<Item = (K, V)>, task: &TaskContext) -> Vec<Self::Bucket> {
        let mut buckets = Buckets::new(self.num_reduces(), &self.memory);
        let mut table = GrowingTable::<K, A::Acc>::new(&self.memory);
        let aggregator = &*self.aggregator;
        let mut route = |entries: Vec<Combined<K, A::Acc>>| {
            task.blame_on(&self.operator, || {
                for (hash, key, acc) in entries {
                    buckets.push(self.placement.partition(&key, hash), (hash, key, acc), task);
                }
            });
        };
        task.drain(records, |(key, value)| {
            let full = task.blame_on(&self.operator, || {
                let hash = hash_key(&key);
                let add = |acc: &mut A::Acc, value| aggregator.add(acc, value);
                table.upsert(hash, key, value, |value| aggregator.start(value), add)
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
