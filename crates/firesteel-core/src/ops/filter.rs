//! `filter`: the records that pass a test.

use std::sync::Arc;

use crate::lineage::{Lineage, Node};
use crate::operator::Operator;
use crate::ops::narrow_lineage;
use crate::rdd::Rdd;
use crate::task::TaskContext;

/// The RDD of [`RddOps::filter`](crate::RddOps::filter).
pub struct Filter<R, F> {
    node: Node,
    parent: R,
    f: Arc<F>,
}

impl<R: Rdd, F> Filter<R, F> {
    /// `f` applied to `parent`, as `operator`.
    #[must_use]
    pub fn new(parent: R, operator: Operator, f: Arc<F>) -> Self {
        Self { node: Node::new(parent.node().context(), operator), parent, f }
    }
}

impl<R: Clone, F> Clone for Filter<R, F> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), parent: self.parent.clone(), f: Arc::clone(&self.f) }
    }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for Filter<R, F> {
    narrow_lineage!();
    fn partitioner(&self) -> Option<crate::partitioner::PartitionerId> {
        self.parent.partitioner()
    }
}

impl<R: Rdd, F: Fn(&R::Item) -> bool + Send + Sync + 'static> Rdd for Filter<R, F> {
    type Item = R::Item;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).filter(move |record| task.blame_on(operator, || f(record)))
    }
}
