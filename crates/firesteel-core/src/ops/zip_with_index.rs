//! `zip_with_index`: each record with its place in the whole.

use std::sync::Arc;

use crate::error::Result;
use crate::operator::Operator;
use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::zip_with_index`](crate::RddOps::zip_with_index).
    pub struct ZipWithIndex<R> { first: Arc<[u64]> }
}

impl<R: Rdd> ZipWithIndex<R> {
    /// Counts the records of all partitions but the last, by a job, and numbers them.
    ///
    /// # Errors
    /// When the job fails.
    pub fn counted(parent: R, operator: Operator) -> Result<Self> {
        let before_last = parent.num_partitions().saturating_sub(1);
        let counts = if before_last == 0 {
            Vec::new()
        } else {
            let context = parent.node().context().ahead();
            let count = |rdd: &R, split, task: &TaskContext| task.fold(rdd.compute(split, task), 0, |n, _| n + 1);
            context.run_some(&parent, 0..before_last, count)?.0
        };
        let mut next = 0;
        let first = std::iter::once(0).chain(counts.into_iter().map(|count: u64| {
            next += count;
            next
        }));
        let first = first.collect();
        Ok(Self::new(parent, operator, first))
    }
}

impl<R: Rdd> Lineage for ZipWithIndex<R> {
    crate::narrow_lineage!();
}

impl<R: Rdd> Rdd for ZipWithIndex<R> {
    type Item = (R::Item, u64);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        self.parent.compute(split, task).zip(self.first[split]..)
    }
}
