//! `partition_by`: every pair moved to where its key belongs.

use crate::data::{Exchange, Key};
use crate::operator::Operator;
use crate::ops::keyed::{Keyed, placed_lineage};
use crate::partitioner::Placement;
use crate::rdd::{Lineage, Node, Rdd};
use crate::task::TaskContext;

/// The RDD of [`PairOps::partition_by`](crate::PairOps::partition_by).
pub struct PartitionedRdd<R, K, V> {
    node: Node,
    input: Keyed<R, K, V>,
    placement: Placement<K>,
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Exchange> PartitionedRdd<R, K, V> {
    /// The pairs of `parent`, placed so.
    #[must_use]
    pub fn new(parent: R, operator: Operator, placement: impl Into<Placement<K>>) -> Self {
        let (node, placement) = (Node::new(parent.node().context(), operator), placement.into());
        let input = Keyed::new(&node, parent, &placement);
        Self { node, input, placement }
    }
}

impl<R: Clone, K, V> Clone for PartitionedRdd<R, K, V> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), input: self.input.clone(), placement: self.placement.clone() }
    }
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Exchange> Lineage for PartitionedRdd<R, K, V> {
    placed_lineage!(input);
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Exchange> Rdd for PartitionedRdd<R, K, V> {
    type Item = (K, V);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, V)> + 'a {
        self.input.pairs(split, task)
    }
}
