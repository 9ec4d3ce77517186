//! `map`: one record for each.

use std::sync::Arc;

use crate::lineage::{Lineage, Node};
use crate::operator::Operator;
use crate::ops::narrow_lineage;
use crate::rdd::Rdd;
use crate::task::TaskContext;

/// The RDD of [`RddOps::map`](crate::RddOps::map).
pub struct Map<R, F> {
    node: Node,
    parent: R,
    f: Arc<F>,
}

impl<R: Rdd, F> Map<R, F> {
    /// `f` applied to `parent`, as `operator`.
    #[must_use]
    pub fn new(parent: R, operator: Operator, f: Arc<F>) -> Self {
        Self { node: Node::new(parent.node().context(), operator), parent, f }
    }
}

impl<R: Clone, F> Clone for Map<R, F> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), parent: self.parent.clone(), f: Arc::clone(&self.f) }
    }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for Map<R, F> {
    narrow_lineage!();
}

impl<R: Rdd, U: Send + 'static, F: Fn(R::Item) -> U + Send + Sync + 'static> Rdd for Map<R, F> {
    type Item = U;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = U> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).map(move |record| task.blame_on(operator, || f(record)))
    }
}
