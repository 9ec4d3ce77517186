//! Transformations of RDDs of keys and values.

use std::sync::Arc;

use crate::operator::Operator;
use crate::ops::CombinedRdd;
use crate::partitioner::HashPartitioner;
use crate::rdd::{Key, Rdd};
use crate::shuffle::Combine;

/// Transformations of RDDs of pairs: each makes a new RDD and runs nothing.
pub trait PairOps<K: Key, V: Send + 'static>: Rdd<Item = (K, V)> {
    /// The values of each key combined by `combine`, within the map side first.
    #[track_caller]
    fn combine_with<B: Combine<V>>(self, combine: B) -> CombinedRdd<Self, K, V, B, HashPartitioner> {
        let partitions = self.node().context().parallelism();
        CombinedRdd::new(self, Operator::here("combine_by_key"), Arc::new(combine), HashPartitioner::new(partitions))
    }
}

impl<K: Key, V: Send + 'static, R: Rdd<Item = (K, V)>> PairOps<K, V> for R {}
