//! `cartesian`: every record of one RDD with every record of another.

use crate::data::Data;
use crate::operator::Operator;
use crate::ops::either::Either;
use crate::rdd::{Dependency, Lineage, Node, Rdd};
use crate::storage::SpillMemory;
use crate::task::TaskContext;

/// The RDD of [`RddOps::cartesian`](crate::RddOps::cartesian): one partition for each pair of partitions.
#[derive(Clone)]
pub struct Cartesian<A, B> {
    node: Node,
    first: A,
    second: B,
}

impl<A: Rdd<Item: Data>, B: Rdd<Item: Data>> Cartesian<A, B> {
    /// All pairs of a record of `first` and one of `second`.
    #[must_use]
    pub fn new(first: A, operator: Operator, second: B) -> Self {
        Self { node: Node::new(first.node().context(), operator), first, second }
    }

    fn locate(&self, split: usize) -> (usize, usize) {
        let second = self.second.num_partitions();
        (split / second, split % second)
    }

    /// The records of a partition of the second RDD, if the memory budget allows to keep them.
    fn keep_second(&self, split: usize, task: &TaskContext) -> Option<Kept<B::Item>> {
        let mut kept = Kept { records: Vec::new(), memory: self.node.context().memory().reserve_nothing() };
        let mut check_at = SpillMemory::FIRST_CHECK;
        for record in task.guard(self.second.compute(split, task)) {
            kept.records.push(record);
            if kept.records.len() >= check_at {
                if !kept.memory.grow(std::mem::size_of_val(&kept.records[..]) as u64) {
                    return None;
                }
                check_at = SpillMemory::next_check(kept.records.len());
            }
        }
        Some(kept)
    }
}

struct Kept<T> {
    records: Vec<T>,
    memory: crate::storage::Reservation,
}

impl<A: Rdd<Item: Data>, B: Rdd<Item: Data>> Lineage for Cartesian<A, B> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.first.num_partitions() * self.second.num_partitions()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.first));
        visit(Dependency::Narrow(&self.second));
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        let (first, second) = self.locate(split);
        Some(self.first.size_hint(first)?.saturating_mul(self.second.size_hint(second)?))
    }
    fn repeats_parents(&self) -> bool {
        true
    }
}

impl<A: Rdd<Item: Data>, B: Rdd<Item: Data>> Rdd for Cartesian<A, B> {
    type Item = (A::Item, B::Item);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        let (first, second) = self.locate(split);
        let lefts = self.first.compute(first, task);
        match self.keep_second(second, task) {
            Some(kept) => Either::Left(Pairs { lefts, left: None, kept, next: 0 }),
            // What does not fit into memory is computed again for each record of the other side, as Spark does always.
            None => Either::Right(lefts.flat_map(move |left: A::Item| {
                task.as_a_whole(|| self.second.compute(second, task)).map(move |right| (left.clone(), right))
            })),
        }
    }
}

struct Pairs<I: Iterator, U> {
    lefts: I,
    left: Option<I::Item>,
    kept: Kept<U>,
    next: usize,
}

impl<I: Iterator<Item: Clone>, U: Clone> Iterator for Pairs<I, U> {
    type Item = (I::Item, U);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(left) = &self.left
                && let Some(right) = self.kept.records.get(self.next)
            {
                self.next += 1;
                return Some((left.clone(), right.clone()));
            }
            self.left = Some(self.lefts.next()?);
            self.next = 0;
        }
    }
}
