//! `map`: one record for each.

use std::sync::Arc;

use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::map`](crate::RddOps::map).
    pub struct Map<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for Map<R, F> {
    crate::narrow_lineage!();
}

impl<R: Rdd, U: Send + 'static, F: Fn(R::Item) -> U + Send + Sync + 'static> Rdd for Map<R, F> {
    type Item = U;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = U> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).map(move |record| task.blame_on(operator, || f(record)))
    }
}
