//! `coalesce`: fewer partitions, without moving a record.

use std::ops::Range;

use crate::ops::macros::operator;
use crate::rdd::{Dependency, Lineage, Location, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::coalesce`](crate::RddOps::coalesce): each partition is a run of neighboring partitions of
    /// the parent.
    pub struct Coalesce<R> { partitions: usize }
}

impl<R: Rdd> Coalesce<R> {
    /// The parent's partitions that make up this one.
    fn group(&self, split: usize) -> Range<usize> {
        let (len, partitions) = (self.parent.num_partitions(), self.num_partitions());
        split * len / partitions..(split + 1) * len / partitions
    }
}

impl<R: Rdd> Lineage for Coalesce<R> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.partitions.max(1).min(self.parent.num_partitions())
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.parent));
    }
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        let mut locations: Vec<Location> = Vec::new();
        for location in self.group(split).flat_map(|split| self.parent.preferred_locations(split)) {
            if !locations.contains(&location) {
                locations.push(location);
            }
        }
        locations
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        self.group(split).try_fold(0u64, |sum, split| Some(sum.saturating_add(self.parent.size_hint(split)?)))
    }
}

impl<R: Rdd> Rdd for Coalesce<R> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        self.group(split).flat_map(move |split| task.as_a_whole(|| self.parent.compute(split, task)))
    }
}
