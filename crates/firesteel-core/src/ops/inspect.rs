//! `inspect`: a look at each record as it passes.

use std::sync::Arc;

use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::inspect`](crate::RddOps::inspect).
    pub struct Inspect<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for Inspect<R, F> {
    crate::narrow_lineage!();
    crate::same_placement!();
}

impl<R: Rdd, F: Fn(&R::Item) + Send + Sync + 'static> Rdd for Inspect<R, F> {
    type Item = R::Item;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).inspect(move |record| task.blame_on(operator, || f(record)))
    }
}
