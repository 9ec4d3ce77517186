//! `union`: the records of several RDDs.

use std::any::Any;
use std::sync::Arc;

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
}

fn placed_alike(first: &dyn Lineage, second: &dyn Lineage) -> bool {
    first.partitioner().is_some() && first.partitioner() == second.partitioner()
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Union<A, B> {
    /// The records of `first`, then those of `second`.
    #[must_use]
    pub fn new(first: A, operator: Operator, second: B) -> Self {
        let alike = placed_alike(&first, &second);
        Self { node: Node::new(first.node().context(), operator), first, second, alike }
    }
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Lineage for Union<A, B> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.first.num_partitions() + if self.alike { 0 } else { self.second.num_partitions() }
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
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        match split.checked_sub(self.first.num_partitions()) {
            None => self.first.preferred_locations(split),
            Some(split) => self.second.preferred_locations(split),
        }
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        match split.checked_sub(self.first.num_partitions()) {
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
        match split.checked_sub(self.first.num_partitions()) {
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
}

impl<R> Clone for UnionAll<R> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), parents: Arc::clone(&self.parents), alike: self.alike }
    }
}

impl<R: Rdd> UnionAll<R> {
    /// The records of all parents.
    #[must_use]
    pub fn new(context: &Context, operator: Operator, parents: impl Into<Arc<[R]>>) -> Self {
        let parents = parents.into();
        let alike = parents.len() > 1 && parents.iter().all(|parent| placed_alike(&parents[0], parent));
        Self { node: Node::new(context, operator), parents, alike }
    }

    /// The parent that a partition comes from, and its number there.
    fn locate(&self, split: usize) -> (&R, usize) {
        let mut split = split;
        for parent in self.parents.iter() {
            match split.checked_sub(parent.num_partitions()) {
                None => return (parent, split),
                Some(rest) => split = rest,
            }
        }
        unreachable!("the scheduler asks for partitions below num_partitions")
    }
}

impl<R: Rdd> Lineage for UnionAll<R> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        let counted = if self.alike { &self.parents[..1] } else { &self.parents };
        counted.iter().map(Lineage::num_partitions).sum()
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
