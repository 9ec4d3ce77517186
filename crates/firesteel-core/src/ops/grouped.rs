//! `group_by_key`: all values of each key.

use crate::data::{Exchange, Key};
use crate::operator::Operator;
use crate::ops::keyed::{Keyed, placed_lineage};
use crate::partitioner::Placement;
use crate::rdd::{Lineage, Node, Rdd};
use crate::shuffle::CombineReader;
use crate::source::Numbered;
use crate::task::TaskContext;

/// The RDD of [`PairOps::group_by_key`](crate::PairOps::group_by_key).
pub struct GroupedRdd<R, K, V> {
    node: Node,
    input: Keyed<R, K, V>,
    placement: Placement<K>,
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Exchange> GroupedRdd<R, K, V> {
    /// The values of each key of `parent`, keys placed so.
    #[must_use]
    pub fn new(parent: R, operator: Operator, placement: impl Into<Placement<K>>) -> Self {
        let (node, placement) = (Node::new(parent.node().context(), operator), placement.into());
        let input = Keyed::new(&node, parent, &placement);
        Self { node, input, placement }
    }
}

impl<R: Clone, K, V> Clone for GroupedRdd<R, K, V> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), input: self.input.clone(), placement: self.placement.clone() }
    }
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Exchange> Lineage for GroupedRdd<R, K, V> {
    placed_lineage!(input);
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Exchange> Rdd for GroupedRdd<R, K, V> {
    type Item = (K, Vec<V>);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, Vec<V>)> + 'a {
        let append = |group: &mut Vec<V>, later| group.extend::<Vec<V>>(later);
        let mut groups = CombineReader::new(self.node.context().memory(), task, append);
        self.input.for_each(split, task, |hash, key, value| {
            task.blame_on(self.node.operator(), || {
                groups.push(hash, key, value, |value| vec![value], |group, value| group.push(value));
            });
        });
        Numbered::after_shuffle(groups.finish(), task)
    }
}
