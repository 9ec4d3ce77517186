//! `key_by`: a key for each record.

use std::sync::Arc;

use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::key_by`](crate::RddOps::key_by).
    pub struct KeyBy<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for KeyBy<R, F> {
    crate::narrow_lineage!();
}

impl<R: Rdd, K: Send + 'static, F: Fn(&R::Item) -> K + Send + Sync + 'static> Rdd for KeyBy<R, F> {
    type Item = (K, R::Item);

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).map(move |record| (task.blame_on(operator, || f(&record)), record))
    }
}
