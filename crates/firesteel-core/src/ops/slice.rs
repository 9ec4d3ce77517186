//! A collection in memory, cut into partitions.

use std::sync::Arc;

use crate::data::Data;
use crate::operator::Operator;
use crate::rdd::{Context, Dependency, Lineage, Node, Rdd};
use crate::source::Numbered;
use crate::task::TaskContext;

/// The RDD of [`Context::parallelize`].
pub struct SliceRdd<T> {
    node: Node,
    partitions: Arc<[Vec<T>]>,
}

impl<T: Data> SliceRdd<T> {
    /// One partition for each vector.
    #[must_use]
    pub fn new(context: &Context, operator: Operator, partitions: impl Into<Arc<[Vec<T>]>>) -> Self {
        Self { node: Node::new(context, operator), partitions: partitions.into() }
    }
}

impl<T> Clone for SliceRdd<T> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), partitions: Arc::clone(&self.partitions) }
    }
}

impl<T: Data> Lineage for SliceRdd<T> {
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.partitions.len()
    }
    fn dependencies(&self, _: &mut dyn FnMut(Dependency<'_>)) {}
    fn size_hint(&self, split: usize) -> Option<u64> {
        Some(self.partitions[split].len() as u64)
    }
}

impl<T: Data> Rdd for SliceRdd<T> {
    type Item = T;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = T> + 'a {
        Numbered::new(Blocks { records: &self.partitions[split], task }, task)
    }
}

/// Clones of the records. Folds in blocks, so that a cancelled task notices and the loop within a block stays tight.
struct Blocks<'a, T> {
    records: &'a [T],
    task: &'a TaskContext,
}

impl<T: Clone> Iterator for Blocks<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let (first, rest) = self.records.split_first()?;
        self.records = rest;
        Some(first.clone())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.records.len(), Some(self.records.len()))
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, mut each: F) -> B {
        let mut acc = start;
        for block in self.records.chunks(8192) {
            self.task.check_cancelled();
            acc = block.iter().cloned().fold(acc, &mut each);
        }
        acc
    }
}

impl Context {
    /// An RDD of the collection, cut into the default number of partitions of about equal size.
    #[track_caller]
    pub fn parallelize<T: Data>(&self, records: impl IntoIterator<Item = T>) -> SliceRdd<T> {
        let operator = Operator::here("parallelize");
        self.cut(operator, records.into_iter().collect(), self.parallelism())
    }

    /// An RDD of the collection, cut into `partitions` partitions of about equal size; none counts as one.
    #[track_caller]
    pub fn parallelize_with<T: Data>(&self, partitions: usize, records: impl IntoIterator<Item = T>) -> SliceRdd<T> {
        let operator = Operator::here("parallelize");
        self.cut(operator, records.into_iter().collect(), partitions)
    }

    /// An RDD with one partition for each of the vectors.
    #[track_caller]
    pub fn from_partitions<T: Data>(&self, partitions: Vec<Vec<T>>) -> SliceRdd<T> {
        SliceRdd::new(self, Operator::here("from_partitions"), partitions)
    }

    fn cut<T: Data>(&self, operator: Operator, records: Vec<T>, partitions: usize) -> SliceRdd<T> {
        let (len, partitions) = (records.len(), partitions.max(1));
        let mut records = records.into_iter();
        // As Spark cuts: partition i holds [i * len / n, (i + 1) * len / n).
        let size = |part: usize| (part + 1) * len / partitions - part * len / partitions;
        let parts: Vec<Vec<T>> = (0..partitions).map(|part| records.by_ref().take(size(part)).collect()).collect();
        SliceRdd::new(self, operator, parts)
    }
}
