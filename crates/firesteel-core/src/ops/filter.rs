//! `filter`: the records that pass a test.

use std::sync::Arc;

use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::filter`](crate::RddOps::filter).
    pub struct Filter<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for Filter<R, F> {
    crate::narrow_lineage!();
    crate::same_placement!();
}

impl<R: Rdd, F: Fn(&R::Item) -> bool + Send + Sync + 'static> Rdd for Filter<R, F> {
    type Item = R::Item;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).filter(move |record| task.blame_on(operator, || f(record)))
    }
}
