//! The values of each key combined, within the map side first.

use std::any::Any;
use std::sync::Arc;

use crate::hash::hash_key;
use crate::lineage::{Dependency, Lineage, Node};
use crate::operator::Operator;
use crate::partitioner::{Partitioner, PartitionerId, Placement};
use crate::rdd::{Key, Rdd};
use crate::shuffle::{Chunk, Combine, CombineReader, CombineSide, Combined, Shuffle, ShuffleDependency};
use crate::source::Numbered;
use crate::task::TaskContext;

type Exchanged<R, K, V, B, P> = Shuffle<R, CombineSide<K, V, B, P>, Chunk<Combined<K, <B as Combine<V>>::Acc>>>;

/// Keys with the accumulators of their values: what all of [`PairOps`](crate::PairOps) that combines is built on.
///
/// If the parent already places its keys so, its values are combined where they are; otherwise each of its partitions
/// is combined, then shuffled, then merged in partition order.
pub struct CombinedRdd<R, K: Key, V, B: Combine<V>, P> {
    node: Node,
    input: Input<R, K, V, B, P>,
    combine: Arc<B>,
    placement: Placement<K>,
}

enum Input<R, K: Key, V, B: Combine<V>, P> {
    InPlace(R),
    Moved(Arc<Exchanged<R, K, V, B, P>>, Arc<dyn ShuffleDependency>),
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
        let partitioner = Arc::new(partitioner);
        let placement = Placement::shared(Arc::clone(&partitioner));
        if parent.partitioner() == Some(placement.id()) {
            return Self { node, input: Input::InPlace(parent), combine, placement };
        }
        let memory = node.context().memory().clone();
        let side = CombineSide::new(node.operator().clone(), memory, Arc::clone(&combine), partitioner);
        let shuffle = Arc::new(Shuffle::new(node.context(), parent, side));
        let dependency = Arc::clone(&shuffle) as _;
        Self { node, input: Input::Moved(shuffle, dependency), combine, placement }
    }
}

impl<R: Clone, K: Key, V, B: Combine<V>, P> Clone for CombinedRdd<R, K, V, B, P> {
    fn clone(&self) -> Self {
        let input = match &self.input {
            Input::InPlace(parent) => Input::InPlace(parent.clone()),
            Input::Moved(shuffle, dependency) => Input::Moved(Arc::clone(shuffle), Arc::clone(dependency)),
        };
        let (combine, placement) = (Arc::clone(&self.combine), self.placement.clone());
        Self { node: self.node.clone(), input, combine, placement }
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
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.placement.num_partitions()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        match &self.input {
            Input::InPlace(parent) => visit(Dependency::Narrow(parent)),
            Input::Moved(_, dependency) => visit(Dependency::Shuffle(dependency)),
        }
    }
    fn partitioner(&self) -> Option<PartitionerId> {
        Some(self.placement.id())
    }
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(self.placement.clone()))
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        match &self.input {
            Input::InPlace(parent) => parent.size_hint(split),
            Input::Moved(_, dependency) => Some(dependency.reduce_len(split)),
        }
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
        let (combine, operator) = (&*self.combine, self.node.operator());
        let merge = move |acc: &mut B::Acc, other| task.blame_on(operator, || combine.merge(acc, other));
        let mut reader = CombineReader::new(self.node.context().memory(), task, merge);
        match &self.input {
            Input::Moved(shuffle, _) => task.blame_on(operator, || reader.read_all(shuffle.outputs(), split)),
            Input::InPlace(parent) => task.drain(parent.compute(split, task), |(key, value)| {
                task.blame_on(operator, || {
                    let hash = hash_key(&key);
                    reader.push(hash, key, value, |value| combine.create(value), |acc, value| combine.add(acc, value));
                });
            }),
        }
        Numbered::after_shuffle(reader.finish(), task)
    }
}
