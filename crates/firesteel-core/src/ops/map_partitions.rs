//! `map_partitions`: a function over all records of a partition at once.

use std::sync::Arc;

use crate::data::Records;
use crate::operator::Operator;
use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::map_partitions`](crate::RddOps::map_partitions).
    pub struct MapPartitions<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for MapPartitions<R, F> {
    crate::narrow_lineage!();
}

impl<R, U, F> Rdd for MapPartitions<R, F>
where
    R: Rdd,
    U: Send + 'static,
    F: for<'r> Fn(Records<'r, R::Item>) -> Records<'r, U> + Send + Sync + 'static,
{
    type Item = U;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = U> + 'a {
        let operator = self.node.operator();
        let records = Box::new(task.guard(self.parent.compute(split, task)));
        Blamed { records: task.blame_on(operator, || (self.f)(records)), operator, task }
    }
}

operator! {
    /// The RDD of [`RddOps::map_partitions_with_index`](crate::RddOps::map_partitions_with_index).
    pub struct MapPartitionsWithIndex<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for MapPartitionsWithIndex<R, F> {
    crate::narrow_lineage!();
}

impl<R, U, F> Rdd for MapPartitionsWithIndex<R, F>
where
    R: Rdd,
    U: Send + 'static,
    F: for<'r> Fn(usize, Records<'r, R::Item>) -> Records<'r, U> + Send + Sync + 'static,
{
    type Item = U;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = U> + 'a {
        let operator = self.node.operator();
        let records = Box::new(task.guard(self.parent.compute(split, task)));
        Blamed { records: task.blame_on(operator, || (self.f)(split, records)), operator, task }
    }
}

/// What the user's function yields; it runs as it is asked for records.
struct Blamed<'a, U> {
    records: Records<'a, U>,
    operator: &'a Operator,
    task: &'a TaskContext,
}

impl<U> Iterator for Blamed<'_, U> {
    type Item = U;

    fn next(&mut self) -> Option<U> {
        self.task.blame_on(self.operator, || self.records.next())
    }
}
