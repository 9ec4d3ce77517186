//! `sort_by` and `sort_by_key`: all records in order, over all partitions.

mod sample;

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::data::{Data, Exchange, Key};
use crate::error::Result;
use crate::ids::PartitionerId;
use crate::operator::Operator;
use crate::partitioner::{Partitioner, Placement, RangePartitioner};
use crate::rdd::{Dependency, Lineage, Node, Rdd, ShuffleDependency};
use crate::shuffle::{Chunk, Route, RouteSide, Shuffle};
use crate::source::Numbered;
use crate::storage::{SortOrder, Sorter};
use crate::task::TaskContext;

/// Which way to sort. Records that are equal stay in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The smallest first.
    #[default]
    Ascending,
    /// The largest first.
    Descending,
}

/// The [`Placement`] of keys whose type is not told.
#[derive(Clone)]
pub struct Placed {
    id: PartitionerId,
    placement: Arc<dyn Any + Send + Sync>,
}

/// What records are sorted by.
pub trait SortKey<T>: Send + Sync + 'static {
    /// A key of its own, for the sample that cuts the ranges.
    type Key: Ord + Data;
    /// The record's key.
    fn key(&self, record: &T) -> Self::Key;
    /// Compares the keys of two records.
    fn compare(&self, a: &T, b: &T) -> Ordering;
    /// Sorts by key; equal records keep their order.
    fn sort(&self, records: &mut [T], order: Order);
    /// The range that the record's key falls into.
    fn place(&self, ranges: &RangePartitioner<Self::Key>, record: &T) -> usize;
    /// The placement of the sorted records' keys, if they have any.
    fn placement(&self, ranges: &Arc<RangePartitioner<Self::Key>>) -> Option<Placed>;
}

/// Sorts by what a function makes of a record.
pub struct By<F>(pub F);

impl<T, K: Ord + Data, F: Fn(&T) -> K + Send + Sync + 'static> SortKey<T> for By<F> {
    type Key = K;
    fn key(&self, record: &T) -> K {
        (self.0)(record)
    }
    fn compare(&self, a: &T, b: &T) -> Ordering {
        (self.0)(a).cmp(&(self.0)(b))
    }
    fn sort(&self, records: &mut [T], order: Order) {
        match order {
            Order::Ascending => records.sort_by_cached_key(&self.0),
            Order::Descending => records.sort_by_cached_key(|record| std::cmp::Reverse((self.0)(record))),
        }
    }
    fn place(&self, ranges: &RangePartitioner<K>, record: &T) -> usize {
        ranges.place(&(self.0)(record))
    }
    fn placement(&self, _: &Arc<RangePartitioner<K>>) -> Option<Placed> {
        None
    }
}

/// Sorts pairs by their keys.
#[derive(Debug, Clone, Copy)]
pub struct ByPairKey;

impl<K: Key + Ord, V> SortKey<(K, V)> for ByPairKey {
    type Key = K;
    fn key(&self, record: &(K, V)) -> K {
        record.0.clone()
    }
    fn compare(&self, a: &(K, V), b: &(K, V)) -> Ordering {
        a.0.cmp(&b.0)
    }
    fn sort(&self, records: &mut [(K, V)], order: Order) {
        match order {
            Order::Ascending => records.sort_by(|a, b| a.0.cmp(&b.0)),
            Order::Descending => records.sort_by(|a, b| b.0.cmp(&a.0)),
        }
    }
    fn place(&self, ranges: &RangePartitioner<K>, record: &(K, V)) -> usize {
        ranges.place(&record.0)
    }
    fn placement(&self, ranges: &Arc<RangePartitioner<K>>) -> Option<Placed> {
        Some(Placed { id: ranges.id(), placement: Arc::new(Placement::<K>::from(Arc::clone(ranges))) })
    }
}

/// A key and a direction.
struct Sorting<'a, S> {
    key: &'a S,
    order: Order,
}

impl<T, S: SortKey<T>> SortOrder<T> for Sorting<'_, S> {
    fn compare(&self, a: &T, b: &T) -> Ordering {
        match self.order {
            Order::Ascending => self.key.compare(a, b),
            Order::Descending => self.key.compare(b, a),
        }
    }
    fn sort(&self, records: &mut [T]) {
        self.key.sort(records, self.order);
    }
}

/// Sends each record to the range of its key.
struct ByRange<S, K> {
    key: Arc<S>,
    ranges: Arc<RangePartitioner<K>>,
}

impl<T: Exchange, S: SortKey<T>> Route<T> for ByRange<S, S::Key> {
    type Sent = T;
    type State = ();

    fn num_reduces(&self) -> usize {
        self.ranges.num_partitions()
    }
    fn start(&self, _: &TaskContext) {}
    #[inline]
    fn route(&self, (): &mut (), record: T) -> (usize, T) {
        (self.key.place(&self.ranges, &record), record)
    }
}

type Exchanged<R, T, S> = Shuffle<R, RouteSide<ByRange<S, <S as SortKey<T>>::Key>>, Chunk<T>>;

/// The RDD of [`RddOps::sort_by`](crate::RddOps::sort_by) and [`PairOps::sort_by_key`](crate::PairOps::sort_by_key):
/// each partition sorted, and all records of one before those of the next.
pub struct Sorted<R: Rdd, S: SortKey<R::Item>> {
    node: Node,
    shuffle: Arc<Exchanged<R, R::Item, S>>,
    dependency: Arc<dyn ShuffleDependency>,
    key: Arc<S>,
    order: Order,
    placed: Option<Placed>,
}

impl<R: Rdd<Item: Exchange>, S: SortKey<R::Item>> Sorted<R, S> {
    /// Samples the keys of `parent`, by a job, cuts at most this many ranges of about equal size, and sorts.
    ///
    /// # Errors
    /// When the job fails.
    pub fn new(parent: R, operator: Operator, key: S, order: Order, partitions: usize) -> Result<Self> {
        let key = Arc::new(key);
        let sample = if partitions > 1 { sample::keys(&parent, &operator, &key, partitions)? } else { Vec::new() };
        let ranges = RangePartitioner::from_weighted(sample, partitions, order == Order::Ascending);
        let (ranges, node) = (Arc::new(ranges), Node::new(parent.node().context(), operator));
        let placed = key.placement(&ranges);
        let route = ByRange { key: Arc::clone(&key), ranges };
        let side = RouteSide::new(node.operator().clone(), node.context().memory().clone(), route);
        let shuffle = Arc::new(Shuffle::new(node.context(), parent, side));
        let dependency = Arc::clone(&shuffle) as _;
        Ok(Self { node, shuffle, dependency, key, order, placed })
    }
}

impl<R: Rdd, S: SortKey<R::Item>> Clone for Sorted<R, S> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            shuffle: Arc::clone(&self.shuffle),
            dependency: Arc::clone(&self.dependency),
            key: Arc::clone(&self.key),
            order: self.order,
            placed: self.placed.clone(),
        }
    }
}

impl<R: Rdd<Item: Exchange>, S: SortKey<R::Item>> Lineage for Sorted<R, S> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.dependency.num_reduces()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Shuffle(&self.dependency));
    }
    fn partitioner(&self) -> Option<PartitionerId> {
        self.placed.as_ref().map(|placed| placed.id)
    }
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::clone(&self.placed.as_ref()?.placement))
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        Some(self.dependency.reduce_len(split))
    }
}

impl<R: Rdd<Item: Exchange>, S: SortKey<R::Item>> Rdd for Sorted<R, S> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let order = Sorting { key: &*self.key, order: self.order };
        let sorted = task.blame_on(self.node.operator(), || {
            let mut sorter = Sorter::new(self.node.context().memory(), order, task);
            let outputs = self.shuffle.outputs();
            for map in 0..outputs.num_maps() {
                outputs.fetch(map, split, task).for_each(task, |record| sorter.push(record));
            }
            sorter.finish()
        });
        Numbered::after_shuffle(sorted, task)
    }
}
