//! `repartition`: records spread evenly over another number of partitions.

use std::sync::Arc;

use crate::data::Exchange;
use crate::operator::Operator;
use crate::random::Random;
use crate::rdd::{Dependency, Lineage, Node, Rdd, ShuffleDependency};
use crate::shuffle::{Chunk, Route, RouteSide, Shuffle};
use crate::source::Numbered;
use crate::task::TaskContext;

/// Deals the records of a map partition out in turn. Each starts elsewhere, lest the first partition get the odd
/// record of all of them, but always at the same place.
struct RoundRobin(usize);

impl<T: Exchange> Route<T> for RoundRobin {
    type Sent = T;
    type State = usize;

    fn num_reduces(&self) -> usize {
        self.0
    }

    fn start(&self, task: &TaskContext) -> usize {
        Random::of_partition(0, task.partition()).below(self.0 as u64) as usize
    }

    #[inline]
    fn route(&self, next: &mut usize, record: T) -> (usize, T) {
        let to = *next;
        *next = if to + 1 == self.0 { 0 } else { to + 1 };
        (to, record)
    }
}

/// The RDD of [`RddOps::repartition`](crate::RddOps::repartition).
pub struct Repartitioned<R: Rdd> {
    node: Node,
    shuffle: Arc<Shuffle<R, RouteSide<RoundRobin>, Chunk<R::Item>>>,
    dependency: Arc<dyn ShuffleDependency>,
}

impl<R: Rdd<Item: Exchange>> Repartitioned<R> {
    /// The records of `parent` in this many partitions; none counts as one.
    #[must_use]
    pub fn new(parent: R, operator: Operator, partitions: usize) -> Self {
        let node = Node::new(parent.node().context(), operator);
        let context = node.context();
        let side = RouteSide::new(node.operator().clone(), context.memory().clone(), RoundRobin(partitions.max(1)));
        let shuffle = Arc::new(Shuffle::new(context, parent, side));
        let dependency = Arc::clone(&shuffle) as _;
        Self { node, shuffle, dependency }
    }
}

impl<R: Rdd> Clone for Repartitioned<R> {
    fn clone(&self) -> Self {
        let (shuffle, dependency) = (Arc::clone(&self.shuffle), Arc::clone(&self.dependency));
        Self { node: self.node.clone(), shuffle, dependency }
    }
}

impl<R: Rdd<Item: Exchange>> Lineage for Repartitioned<R> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.dependency.num_reduces()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Shuffle(&self.dependency));
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        Some(self.dependency.reduce_len(split))
    }
}

impl<R: Rdd<Item: Exchange>> Rdd for Repartitioned<R> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let outputs = self.shuffle.outputs();
        let chunks = (0..outputs.num_maps()).map(move |map| outputs.fetch(map, split, task));
        Numbered::after_shuffle(chunks.flat_map(move |chunk| chunk.into_records(task)), task)
    }
}
