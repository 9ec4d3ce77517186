//! `glom`: each partition as one record.

use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::glom`](crate::RddOps::glom).
    pub struct Glom<R> {}
}

impl<R: Rdd> Lineage for Glom<R> {
    crate::narrow_lineage!();
}

impl<R: Rdd> Rdd for Glom<R> {
    type Item = Vec<R::Item>;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        std::iter::once_with(move || {
            let mut records = Vec::new();
            task.as_a_whole(|| task.drain(self.parent.compute(split, task), |record| records.push(record)));
            records
        })
    }
}
