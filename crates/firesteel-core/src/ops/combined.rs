//! The reduce side of a combining shuffle.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::lineage::{Dependency, Lineage, Node};
use crate::operator::Operator;
use crate::partitioner::{Partitioner, PartitionerId};
use crate::rdd::{Key, Rdd};
use crate::shuffle::{Combine, CombineReader, CombineSide, MapSide as _, Shuffle, ShuffleDependency};
use crate::task::TaskContext;

type Exchange<R, K, V, B, P> =
    Shuffle<R, CombineSide<K, V, B, P>, crate::shuffle::Chunk<(u64, K, <B as Combine<V>>::Acc)>>;

/// Keys with the accumulators of their values: the RDD of
/// [`PairOps::combine_by_key`](crate::PairOps::combine_by_key) and its kin.
pub struct CombinedRdd<R, K: Key, V, B: Combine<V>, P> {
    node: Node,
    shuffle: Arc<Exchange<R, K, V, B, P>>,
    dependency: Arc<dyn ShuffleDependency>,
    combine: Arc<B>,
    id: PartitionerId,
    kind: PhantomData<fn() -> (K, V)>,
}

impl<R, K, V, B, P> CombinedRdd<R, K, V, B, P>
where
    R: Rdd<Item = (K, V)>,
    K: Key,
    V: Send + 'static,
    B: Combine<V>,
    P: Partitioner<K>,
{
    /// Combines the values of each key of `parent` with `combine` and places the keys by `partitioner`.
    #[must_use]
    pub fn new(parent: R, operator: Operator, combine: Arc<B>, partitioner: P) -> Self {
        let node = Node::new(parent.node().context(), operator);
        let id = partitioner.id();
        let context = node.context();
        let side = CombineSide::new(context.memory().clone(), Arc::clone(&combine), partitioner);
        let shuffle = Arc::new(Shuffle::new(context, parent, side));
        let dependency: Arc<dyn ShuffleDependency> = Arc::clone(&shuffle) as _;
        Self { node, shuffle, dependency, combine, id, kind: PhantomData }
    }
}

impl<R, K: Key, V, B: Combine<V>, P> Clone for CombinedRdd<R, K, V, B, P> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            shuffle: Arc::clone(&self.shuffle),
            dependency: Arc::clone(&self.dependency),
            combine: Arc::clone(&self.combine),
            id: self.id,
            kind: PhantomData,
        }
    }
}

impl<R, K, V, B, P> Lineage for CombinedRdd<R, K, V, B, P>
where
    R: Rdd<Item = (K, V)>,
    K: Key,
    V: Send + 'static,
    B: Combine<V>,
    P: Partitioner<K>,
{
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.shuffle.side().num_reduces()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Shuffle(&self.dependency));
    }
    fn partitioner(&self) -> Option<PartitionerId> {
        Some(self.id)
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        Some(self.dependency.reduce_len(split))
    }
}

impl<R, K, V, B, P> Rdd for CombinedRdd<R, K, V, B, P>
where
    R: Rdd<Item = (K, V)>,
    K: Key,
    V: Send + 'static,
    B: Combine<V>,
    P: Partitioner<K>,
{
    type Item = (K, B::Acc);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, B::Acc)> + 'a {
        let combine = &*self.combine;
        let operator = self.node.operator();
        let merge = move |acc: &mut B::Acc, other| task.blame_on(operator, || combine.merge(acc, other));
        let mut reader = CombineReader::new(self.node.context().memory(), task, merge);
        reader.read_all(self.shuffle.outputs(), split);
        reader.finish()
    }
}
