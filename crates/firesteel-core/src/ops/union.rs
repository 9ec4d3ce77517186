//! `union`: the records of several RDDs.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use crate::ids::PartitionerId;
use crate::operator::Operator;
use crate::ops::either::Either;
use crate::rdd::{Context, Dependency, Lineage, Location, Node, Rdd};
use crate::task::TaskContext;

/// The RDD of [`RddOps::union`](crate::RddOps::union): the partitions of the one, then those of the other. If both
/// place their keys alike, it places them so as well: each partition then holds those of both.
#[derive(Clone)]
pub struct Union<A, B> {
    node: Node,
    first: A,
    second: B,
    alike: bool,
    /// Whether one of them wants positions: each union in a row is asked for it in each task.
    wants_positions: bool,
    /// How many partitions the first has, and both.
    counts: OnceLock<(usize, usize)>,
}

fn placed_alike(first: &dyn Lineage, second: &dyn Lineage) -> bool {
    first.partitioner().is_some() && first.partitioner() == second.partitioner()
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Union<A, B> {
    /// The records of `first`, then those of `second`.
    #[must_use]
    pub fn new(first: A, operator: Operator, second: B) -> Self {
        let alike = placed_alike(&first, &second);
        let wants_positions = first.wants_positions() || second.wants_positions();
        let node = Node::new(first.node().context(), operator);
        Self { node, first, second, alike, wants_positions, counts: OnceLock::new() }
    }

    fn counts(&self) -> (usize, usize) {
        if let Some(counts) = self.counts.get() {
            return *counts;
        }
        let first = self.first.num_partitions();
        let both = first + if self.alike { 0 } else { self.second.num_partitions() };
        *self.counts.get_or_init(|| (first, both))
    }

    /// The number among the partitions of the second, of one that is not the first's.
    fn of_second(&self, split: usize) -> Option<usize> {
        split.checked_sub(self.counts().0)
    }
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Lineage for Union<A, B> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.counts().1
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.first));
        visit(Dependency::Narrow(&self.second));
    }
    fn partitioner(&self) -> Option<PartitionerId> {
        self.alike.then(|| self.first.partitioner()).flatten()
    }
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.alike.then(|| self.first.placement()).flatten()
    }
    fn wants_positions(&self) -> bool {
        self.wants_positions
    }
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        match self.of_second(split) {
            None => self.first.preferred_locations(split),
            Some(split) => self.second.preferred_locations(split),
        }
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        match self.of_second(split) {
            None if self.alike => Some(self.first.size_hint(split)?.saturating_add(self.second.size_hint(split)?)),
            None => self.first.size_hint(split),
            Some(split) => self.second.size_hint(split),
        }
    }
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Rdd for Union<A, B> {
    type Item = A::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = A::Item> + 'a {
        let alike = self.alike.then(|| self.second.compute(split, task)).into_iter().flatten();
        match self.of_second(split) {
            None => Either::Left(self.first.compute(split, task).chain(alike)),
            Some(split) => Either::Right(self.second.compute(split, task)),
        }
    }
}

/// The RDD of [`Context::union`]: the partitions of all its parents, one parent after the other. If all place their
/// keys alike, it places them so as well.
pub struct UnionAll<R> {
    node: Node,
    parents: Arc<[R]>,
    alike: bool,
    /// The number of each parent's first partition, and of all partitions.
    begins: OnceLock<Arc<[usize]>>,
}

impl<R> Clone for UnionAll<R> {
    fn clone(&self) -> Self {
        let (node, parents, begins) = (self.node.clone(), Arc::clone(&self.parents), self.begins.clone());
        Self { node, parents, alike: self.alike, begins }
    }
}

impl<R: Rdd> UnionAll<R> {
    /// The records of all parents.
    #[must_use]
    pub fn new(context: &Context, operator: Operator, parents: impl Into<Arc<[R]>>) -> Self {
        let parents = parents.into();
        let alike = parents.len() > 1 && parents.iter().all(|parent| placed_alike(&parents[0], parent));
        Self { node: Node::new(context, operator), parents, alike, begins: OnceLock::new() }
    }

    fn begins(&self) -> &[usize] {
        self.begins.get_or_init(|| {
            let counted = if self.alike { &self.parents[..1] } else { &self.parents };
            let ends = counted.iter().scan(0, |end, parent| {
                *end += parent.num_partitions();
                Some(*end)
            });
            std::iter::once(0).chain(ends).collect()
        })
    }

    /// The parent that a partition comes from, and its number there.
    fn locate(&self, split: usize) -> (&R, usize) {
        let begins = self.begins();
        // The last that begins there or before: parents without partitions begin where the next one does.
        let parent = begins.partition_point(|begin| *begin <= split).saturating_sub(1);
        (&self.parents[parent], split - begins[parent])
    }
}

impl<R: Rdd> Lineage for UnionAll<R> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.begins().last().copied().unwrap_or(0)
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        for parent in self.parents.iter() {
            visit(Dependency::Narrow(parent));
        }
    }
    fn partitioner(&self) -> Option<PartitionerId> {
        self.alike.then(|| self.parents[0].partitioner()).flatten()
    }
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.alike.then(|| self.parents[0].placement()).flatten()
    }
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        let (parent, split) = self.locate(split);
        parent.preferred_locations(split)
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        if self.alike {
            return self.parents.iter().map(|parent| parent.size_hint(split)).sum();
        }
        let (parent, split) = self.locate(split);
        parent.size_hint(split)
    }
}

impl<R: Rdd> Rdd for UnionAll<R> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        if self.alike {
            Either::Left(self.parents.iter().flat_map(move |parent| task.as_a_whole(|| parent.compute(split, task))))
        } else {
            let (parent, split) = self.locate(split);
            Either::Right(parent.compute(split, task))
        }
    }
}

impl Context {
    /// The records of all these RDDs, one after the other. Those of different types are [boxed] first.
    ///
    /// [boxed]: crate::RddOps::boxed
    #[track_caller]
    pub fn union<R: Rdd>(&self, rdds: Vec<R>) -> UnionAll<R> {
        UnionAll::new(self, Operator::here("union"), rdds)
    }
}
