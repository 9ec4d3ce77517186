//! `zip`: the records of two RDDs, pair by pair.

use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::rdd::{Dependency, Lineage, Location, Node, Rdd};
use crate::task::TaskContext;

/// The RDD of [`RddOps::zip`](crate::RddOps::zip).
#[derive(Clone)]
pub struct Zip<A, B> {
    node: Node,
    first: A,
    second: B,
}

impl<A: Rdd, B: Rdd> Zip<A, B> {
    /// The records of `first`, each with its partner in `second`.
    ///
    /// # Errors
    /// When the numbers of partitions differ.
    pub fn new(first: A, operator: Operator, second: B) -> Result<Self> {
        let partitions = (first.num_partitions(), second.num_partitions());
        if partitions.0 != partitions.1 {
            let reason = format!(
                "one side has {} partitions, the other {}: zip needs RDDs cut alike, such as one and a map of it",
                partitions.0, partitions.1
            );
            return Err(Error::Argument { operator: operator.to_string(), reason });
        }
        Ok(Self { node: Node::new(first.node().context(), operator), first, second })
    }
}

impl<A: Rdd, B: Rdd> Lineage for Zip<A, B> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.first.num_partitions()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.first));
        visit(Dependency::Narrow(&self.second));
    }
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        self.first.preferred_locations(split)
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        self.first.size_hint(split)
    }
}

impl<A: Rdd, B: Rdd> Rdd for Zip<A, B> {
    type Item = (A::Item, B::Item);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        let (first, second) = (self.first.compute(split, task), self.second.compute(split, task));
        Zipped { first, second, in_first: false, operator: self.node.operator(), split, task }
    }
}

struct Zipped<'a, I, J> {
    first: I,
    second: J,
    in_first: bool,
    operator: &'a Operator,
    split: usize,
    task: &'a TaskContext,
}

impl<I: Iterator, J: Iterator> Iterator for Zipped<'_, I, J> {
    type Item = (I::Item, J::Item);

    fn next(&mut self) -> Option<Self::Item> {
        if self.in_first {
            // The last call unwound out of the first side, and its record was set aside: so is its partner.
            self.second.next();
        }
        self.in_first = true;
        let first = self.first.next();
        self.in_first = false;
        match (first, self.second.next()) {
            (Some(first), Some(second)) => Some((first, second)),
            (None, None) => None,
            (first, _) => {
                let shorter = if first.is_none() { "first" } else { "second" };
                let reason = format!("partition {} of the {shorter} side has fewer records than the other", self.split);
                let operator = self.operator.to_string();
                self.task.fail_with(Error::Argument { operator, reason }, false)
            }
        }
    }
}
