//! `filter_by_range`: the pairs whose keys are within bounds, from the partitions that can hold them.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use crate::data::Key;
use crate::operator::Operator;
use crate::partitioner::{Partitioner as _, Placement};
use crate::rdd::{Dependency, Lineage, Location, Node, Rdd};
use crate::task::TaskContext;

/// The RDD of [`PairOps::filter_by_range`](crate::PairOps::filter_by_range).
///
/// If the parent is sorted or otherwise placed by ranges, it has only those of its partitions that may hold such keys;
/// the others are not computed.
pub struct FilterByRange<R, K> {
    node: Node,
    parent: R,
    splits: Range<usize>,
    bounds: Arc<(K, K)>,
}

impl<R: Rdd<Item = (K, V)>, K: Key + Ord, V: Send + 'static> FilterByRange<R, K> {
    /// The pairs of `parent` whose keys are between the bounds, both included.
    #[must_use]
    pub fn new(parent: R, operator: Operator, low: K, high: K) -> Self {
        let placement = Placement::<K>::known(&parent);
        let between = placement.and_then(|placement| placement.partitions_between(&low, &high));
        let splits = between.unwrap_or(0..parent.num_partitions());
        Self { node: Node::new(parent.node().context(), operator), parent, splits, bounds: Arc::new((low, high)) }
    }
}

impl<R: Clone, K> Clone for FilterByRange<R, K> {
    fn clone(&self) -> Self {
        let (node, parent) = (self.node.clone(), self.parent.clone());
        Self { node, parent, splits: self.splits.clone(), bounds: Arc::clone(&self.bounds) }
    }
}

impl<R: Rdd, K: Key> Lineage for FilterByRange<R, K> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.splits.len()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.parent));
    }
    fn partitioner(&self) -> Option<crate::ids::PartitionerId> {
        self.is_whole().then(|| self.parent.partitioner()).flatten()
    }
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.is_whole().then(|| self.parent.placement()).flatten()
    }
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        self.parent.preferred_locations(self.splits.start + split)
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        self.parent.size_hint(self.splits.start + split)
    }
}

impl<R: Rdd, K> FilterByRange<R, K> {
    /// Whether no partition was left out: keys are then still where the parent's partitioner says.
    fn is_whole(&self) -> bool {
        self.splits.len() == self.parent.num_partitions()
    }
}

impl<R: Rdd<Item = (K, V)>, K: Key + Ord, V: Send + 'static> Rdd for FilterByRange<R, K> {
    type Item = (K, V);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, V)> + 'a {
        let (low, high) = &*self.bounds;
        self.parent.compute(self.splits.start + split, task).filter(move |(key, _)| key >= low && key <= high)
    }
}
