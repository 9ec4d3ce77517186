//! Actions: they run a job and bring its result to the caller.

mod aggregate;
mod bounded;
mod distinct;
mod local;
mod number;
mod stats;
mod text;
mod tree;

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;

use firesteel_window::{Aggregator, Fold};

use crate::data::{Data, Exchange, Key, Records};
use crate::error::Result;
use crate::hash::BuildKeyHasher;
use crate::operator::Operator;
use crate::rdd::Rdd;
use crate::task::TaskContext;

pub(crate) use aggregate::count as count_keys;
pub use local::LocalIter;
pub use number::Number;
pub use stats::{Histogram, Stats};

/// A map from keys with the engine's hash: what actions by key return. Its iteration order is the same every time.
pub type KeyMap<K, V> = HashMap<K, V, BuildKeyHasher>;

/// Actions on every RDD: each runs a job and returns its result.
///
/// What comes of several partitions is merged in partition order, so that a result never depends on timing. Functions
/// that merge must be associative; they need not be commutative.
pub trait Actions: Rdd {
    /// All records, in partition order. They must fit into memory.
    ///
    /// # Errors
    /// When the job fails.
    fn collect(&self) -> Result<Vec<Self::Item>> {
        let partitions = self.node().context().run(self, |rdd, split, task| {
            let mut records = Vec::new();
            task.drain(rdd.compute(split, task), |record| records.push(record));
            records
        })?;
        Ok(partitions.into_iter().flatten().collect())
    }

    /// How many records there are.
    ///
    /// # Errors
    /// When the job fails.
    fn count(&self) -> Result<u64> {
        let counts = self
            .node()
            .context()
            .run(self, |rdd, split, task| task.fold(rdd.compute(split, task), 0u64, |count, _| count + 1))?;
        Ok(counts.into_iter().sum())
    }

    /// The first record, if there is one. Computes no more partitions than it takes to find it.
    ///
    /// # Errors
    /// When a job fails.
    fn first(&self) -> Result<Option<Self::Item>> {
        Ok(self.take(1)?.pop())
    }

    /// Whether there are no records. Computes no more partitions than it takes to find one.
    ///
    /// # Errors
    /// When a job fails.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.take(1)?.is_empty())
    }

    /// The first `n` records. Runs a job over the first partition, then, while that is not enough, over four times as
    /// many more as before.
    ///
    /// # Errors
    /// When a job fails.
    fn take(&self, n: usize) -> Result<Vec<Self::Item>> {
        let context = self.node().context().ahead();
        let (mut found, mut next, mut width) = (Vec::new(), 0, 1);
        while found.len() < n && next < self.num_partitions() {
            let (wanted, end) = (n - found.len(), (next + width).min(self.num_partitions()));
            let (partitions, _) = context.run_some(self, next..end, move |rdd, split, task| {
                let first: Vec<_> = task.guard(rdd.compute(split, task)).take(wanted).collect();
                first
            })?;
            found.extend(partitions.into_iter().flatten().take(wanted));
            (next, width) = (end, width * 4);
        }
        Ok(found)
    }

    /// The `n` smallest records, smallest first. Among equal ones the earlier come first.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn take_ordered(&self, n: usize) -> Result<Vec<Self::Item>>
    where
        Self::Item: Ord,
    {
        bounded::smallest(self, Operator::here("take_ordered"), n, Ord::cmp)
    }

    /// The `n` records of which `f` makes the smallest keys, smallest first.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn take_ordered_by_key<K: Ord, F>(&self, n: usize, f: F) -> Result<Vec<Self::Item>>
    where
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        bounded::smallest(self, Operator::here("take_ordered_by_key"), n, move |a, b| f(a).cmp(&f(b)))
    }

    /// The `n` largest records, largest first. Among equal ones the earlier come first.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn top(&self, n: usize) -> Result<Vec<Self::Item>>
    where
        Self::Item: Ord,
    {
        bounded::smallest(self, Operator::here("top"), n, |a, b| b.cmp(a))
    }

    /// The `n` records of which `f` makes the largest keys, largest first.
    ///
    /// ```
    /// use firesteel_core::Actions;
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pages = firesteel_scheduler::local(2)?.parallelize([("/", 40), ("/about", 2), ("/blog", 41)]);
    /// assert_eq!(pages.top_by_key(2, |(_, clicks)| *clicks)?, [("/blog", 41), ("/", 40)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn top_by_key<K: Ord, F>(&self, n: usize, f: F) -> Result<Vec<Self::Item>>
    where
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        bounded::smallest(self, Operator::here("top_by_key"), n, move |a, b| f(b).cmp(&f(a)))
    }

    /// The largest record, if there is one; the first of equal ones.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn max(&self) -> Result<Option<Self::Item>>
    where
        Self::Item: Ord,
    {
        aggregate::extreme(self, Operator::here("max"), |a, b| b.cmp(a))
    }

    /// The record of which `f` makes the largest key, if there is one; the first of equal ones.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn max_by_key<K: Ord, F>(&self, f: F) -> Result<Option<Self::Item>>
    where
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        aggregate::extreme(self, Operator::here("max_by_key"), move |a, b| f(b).cmp(&f(a)))
    }

    /// The smallest record, if there is one; the first of equal ones.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn min(&self) -> Result<Option<Self::Item>>
    where
        Self::Item: Ord,
    {
        aggregate::extreme(self, Operator::here("min"), Ord::cmp)
    }

    /// The record of which `f` makes the smallest key, if there is one; the first of equal ones.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn min_by_key<K: Ord, F>(&self, f: F) -> Result<Option<Self::Item>>
    where
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        aggregate::extreme(self, Operator::here("min_by_key"), move |a, b| f(a).cmp(&f(b)))
    }

    /// All records reduced to one by `f`; `None` if there are none.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn reduce<F: Fn(Self::Item, Self::Item) -> Self::Item + Send + Sync + 'static>(
        &self,
        f: F,
    ) -> Result<Option<Self::Item>> {
        aggregate::reduce(self, Operator::here("reduce"), f)
    }

    /// All records folded into `zero`: `add` takes a record in, `merge` what another partition made. Every partition
    /// starts from a clone of `zero`, so it must be neutral: 0 for a sum, 1 for a product.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn fold<Z, F, M>(&self, zero: Z, add: F, merge: M) -> Result<Z>
    where
        Z: Data,
        F: Fn(&mut Z, Self::Item) + Send + Sync + 'static,
        M: Fn(&mut Z, Z) + Send + Sync + 'static,
    {
        aggregate::aggregate(self, Operator::here("fold"), Fold::new(zero, add, merge))
    }

    /// What `aggregator` makes of all records.
    ///
    /// ```
    /// use firesteel_core::Actions;
    /// use firesteel_window::{Aggregator, Count, Max, Sum};
    /// # fn main() -> firesteel_core::Result<()> {
    /// let words = firesteel_scheduler::local(2)?.parallelize(["to", "be", "or", "not"]);
    /// let letters = words.aggregate((Count, Sum, Max).of(|word: &str| word.len()))?;
    /// assert_eq!(letters, (4, 9, Some(3)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn aggregate<A>(&self, aggregator: A) -> Result<A::Out>
    where
        A: Aggregator<Self::Item, Acc: Send + 'static, Out: Send + 'static> + Send + Sync + 'static,
    {
        aggregate::aggregate(self, Operator::here("aggregate"), aggregator)
    }

    /// The same where what a partition makes is large: the partial results are merged by tasks, in a tree of about
    /// `depth` levels, and only a few reach the caller.
    ///
    /// # Errors
    /// When a job fails.
    #[track_caller]
    fn tree_aggregate<A>(&self, aggregator: A, depth: usize) -> Result<A::Out>
    where
        A: Aggregator<Self::Item, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        tree::aggregate(self, Operator::here("tree_aggregate"), aggregator, depth)
    }

    /// Calls `f` for every record, in tasks: for what it does elsewhere. A task that is retried calls it again.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn for_each<F: Fn(Self::Item) + Send + Sync + 'static>(&self, f: F) -> Result<()> {
        let operator = Operator::here("for_each");
        let each = move |rdd: &Self, split, task: &TaskContext| {
            let called = rdd.compute(split, task).map(|record| task.blame_on(&operator, || f(record)));
            task.drain(called, drop);
        };
        self.node().context().run(self, each).map(drop)
    }

    /// Calls `f` once for each partition, with its records: for a connection worth opening once.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn for_each_partition<F>(&self, f: F) -> Result<()>
    where
        F: for<'r> Fn(Records<'r, Self::Item>) + Send + Sync + 'static,
    {
        let operator = Operator::here("for_each_partition");
        let each = move |rdd: &Self, split, task: &TaskContext| {
            let records = Box::new(task.guard(rdd.compute(split, task)));
            task.blame_on(&operator, || f(records));
        };
        self.node().context().run(self, each).map(drop)
    }

    /// How often each record occurs. The distinct records must fit into memory; if they may not, count by
    /// [`reduce_by_key`](crate::PairOps::reduce_by_key).
    ///
    /// # Errors
    /// When the job fails.
    fn count_by_value(&self) -> Result<KeyMap<Self::Item, u64>>
    where
        Self::Item: Key,
    {
        count_keys(self, |record| record)
    }

    /// The sum of all records, whole numbers exactly and floating-point numbers in twice their precision: how the records
    /// are split does not show.
    ///
    /// # Errors
    /// When the job fails, or when the sum exceeds what the type can hold.
    #[track_caller]
    fn sum(&self) -> Result<Self::Item>
    where
        Self::Item: Number,
    {
        number::sum(self, Operator::here("sum"))
    }

    /// Count, mean, variance and extremes of all records, in one pass.
    ///
    /// ```
    /// use firesteel_core::Actions;
    /// # fn main() -> firesteel_core::Result<()> {
    /// let stats = firesteel_scheduler::local(2)?.parallelize([2, 4, 4, 4, 5, 5, 7, 9]).stats()?;
    /// assert_eq!((stats.mean(), stats.stdev()), (Some(5.0), Some(2.0)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn stats(&self) -> Result<Stats>
    where
        Self::Item: Number,
    {
        stats::of(self, Operator::here("stats"))
    }

    /// The mean of all records; `None` if there are none.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn mean(&self) -> Result<Option<f64>>
    where
        Self::Item: Number,
    {
        Ok(self.stats()?.mean())
    }

    /// The variance of all records, taken as the whole population; `None` if there are none.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn variance(&self) -> Result<Option<f64>>
    where
        Self::Item: Number,
    {
        Ok(self.stats()?.variance())
    }

    /// The standard deviation of all records, taken as the whole population; `None` if there are none.
    ///
    /// # Errors
    /// When the job fails.
    #[track_caller]
    fn stdev(&self) -> Result<Option<f64>>
    where
        Self::Item: Number,
    {
        Ok(self.stats()?.stdev())
    }

    /// How many records fall into each of this many equal intervals between the smallest and the largest record. A
    /// first job finds these two. If they are equal, there is one bucket.
    ///
    /// # Errors
    /// When a job fails, when no bucket is asked for, or when there are no records or one is infinite or not a number.
    #[track_caller]
    fn histogram(&self, buckets: usize) -> Result<Histogram>
    where
        Self::Item: Number,
    {
        stats::even_histogram(self, Operator::here("histogram"), buckets)
    }

    /// How many records fall into each of the intervals between these edges. An interval includes its lower edge, the
    /// last one its upper edge too. Records beyond the edges and those that are not numbers count nowhere.
    ///
    /// # Errors
    /// When the job fails, or when there are fewer than two edges or they do not ascend.
    #[track_caller]
    fn histogram_between(&self, edges: &[f64]) -> Result<Histogram>
    where
        Self::Item: Number,
    {
        stats::histogram(self, Operator::here("histogram_between"), edges.into())
    }

    /// About how many distinct records there are, within about `error` of the truth (relative standard deviation; 0.01
    /// is one percent). Uses a HyperLogLog sketch of at most 256 KiB per partition, with the bias correction of
    /// LogLog-Beta (Qin, Kim and Tung, 2016). The same records always give the same answer.
    ///
    /// # Errors
    /// When the job fails, or when `error` is not between 0.0021 and 0.26.
    #[track_caller]
    fn count_approx_distinct(&self, error: f64) -> Result<u64>
    where
        Self::Item: std::hash::Hash,
    {
        distinct::count(self, Operator::here("count_approx_distinct"), error)
    }

    /// Writes each partition as a text file with one line per record, `part-00000` and so on, into a new folder.
    ///
    /// A file appears under its name when it is whole, and `_SUCCESS` when all are. If the job fails, what it wrote is
    /// removed.
    ///
    /// # Errors
    /// When the folder exists or cannot be written to, or when the job fails.
    #[track_caller]
    fn save_as_text_files(&self, folder: impl AsRef<Path>) -> Result<()>
    where
        Self::Item: Display,
    {
        text::save(self, &Operator::here("save_as_text_files"), folder.as_ref())
    }

    /// All records, one partition at a time: each is computed by a job of its own when the iterator gets there, so that
    /// only one has to fit into memory. The iterator ends after an error.
    ///
    /// Persist the RDD first if it stands on a shuffle's worth of work.
    fn to_local_iter(&self) -> LocalIter<Self> {
        LocalIter::new(self.clone())
    }
}

impl<R: Rdd> Actions for R {}
