//! `flat_map`: any number of records for each.

use std::sync::Arc;

use crate::lineage::{Lineage, Node};
use crate::operator::Operator;
use crate::ops::narrow_lineage;
use crate::rdd::Rdd;
use crate::task::TaskContext;

/// The RDD of [`RddOps::flat_map`](crate::RddOps::flat_map).
pub struct FlatMap<R, F> {
    node: Node,
    parent: R,
    f: Arc<F>,
}

impl<R: Rdd, F> FlatMap<R, F> {
    /// `f` applied to `parent`, as `operator`.
    #[must_use]
    pub fn new(parent: R, operator: Operator, f: Arc<F>) -> Self {
        Self { node: Node::new(parent.node().context(), operator), parent, f }
    }
}

impl<R: Clone, F> Clone for FlatMap<R, F> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), parent: self.parent.clone(), f: Arc::clone(&self.f) }
    }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for FlatMap<R, F> {
    narrow_lineage!();
}

impl<R, I, F> Rdd for FlatMap<R, F>
where
    R: Rdd,
    I: IntoIterator<Item: Send + 'static> + 'static,
    F: Fn(R::Item) -> I + Send + Sync + 'static,
{
    type Item = I::Item;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = I::Item> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).flat_map(move |record| task.blame_on(operator, || f(record)))
    }
}
