//! `flat_map`: any number of records for each.

use std::sync::Arc;

use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::flat_map`](crate::RddOps::flat_map).
    pub struct FlatMap<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for FlatMap<R, F> {
    crate::narrow_lineage!();
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
