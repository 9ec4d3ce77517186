//! Transformations of every RDD.

use std::path::Path;
use std::sync::Arc;

use crate::data::{Data, Exchange, Key, Records};
use crate::error::Result;
use crate::operator::Operator;
use crate::ops::{
    BoxRdd, By, Cartesian, Checkpointed, Coalesce, Cogroup, Filter, FlatMap, Glom, GroupedRdd, Inspect, KeyBy, Keys,
    Map, MapPartitions, MapPartitionsWithIndex, Order, Persisted, Repartitioned, Resample, Sample, Sorted, Subtracted,
    Union, Zip, ZipWithIndex, aggregated,
};
use crate::partitioner::Placement;
use crate::rdd::{Context, Rdd, to_debug_string};
use crate::storage::{MemoryOnly, StorageLevel};

/// Transformations: each makes a new RDD and runs nothing.
///
/// The exceptions say so: sorting and numbering have to look at the data first, and run a small job.
///
/// ```
/// use firesteel_core::{Actions, PairOps, RddOps};
///
/// # fn main() -> firesteel_core::Result<()> {
/// let context = firesteel_scheduler::local(2)?;
/// let lines = context.parallelize(["to be or", "not to be"]);
/// let counts = lines
///     .flat_map(|line| line.split(' '))
///     .map(|word| (word.to_owned(), 1))
///     .reduce_by_key(|a, b| a + b)
///     .sort_by_key()?;
/// assert_eq!(counts.collect()?[0], ("be".to_owned(), 2));
/// # Ok(())
/// # }
/// ```
pub trait RddOps: Rdd {
    /// Each record as `f` makes it.
    #[track_caller]
    fn map<U: Send + 'static, F: Fn(Self::Item) -> U + Send + Sync + 'static>(self, f: F) -> Map<Self, F> {
        Map::new(self, Operator::here("map"), Arc::new(f))
    }

    /// The records for which `f` holds.
    #[track_caller]
    fn filter<F: Fn(&Self::Item) -> bool + Send + Sync + 'static>(self, f: F) -> Filter<Self, F> {
        Filter::new(self, Operator::here("filter"), Arc::new(f))
    }

    /// The records that `f` makes of each.
    #[track_caller]
    fn flat_map<I, F>(self, f: F) -> FlatMap<Self, F>
    where
        I: IntoIterator<Item: Send + 'static> + 'static,
        F: Fn(Self::Item) -> I + Send + Sync + 'static,
    {
        FlatMap::new(self, Operator::here("flat_map"), Arc::new(f))
    }

    /// What `f` makes of all records of a partition: for work that is worth doing once rather than for every record.
    ///
    /// Records are pulled through as they are needed, so a partition need not fit into memory.
    ///
    /// ```
    /// use firesteel_core::{Actions, RddOps};
    /// # fn main() -> firesteel_core::Result<()> {
    /// let numbers = firesteel_scheduler::local(2)?.parallelize_with(2, 1..=6);
    /// let differences = numbers.map_partitions(|numbers| {
    ///     let mut last = 0;
    ///     Box::new(numbers.map(move |n| n - std::mem::replace(&mut last, n)))
    /// });
    /// assert_eq!(differences.collect()?, [1, 1, 1, 4, 1, 1]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn map_partitions<U, F>(self, f: F) -> MapPartitions<Self, F>
    where
        U: Send + 'static,
        F: for<'r> Fn(Records<'r, Self::Item>) -> Records<'r, U> + Send + Sync + 'static,
    {
        MapPartitions::new(self, Operator::here("map_partitions"), Arc::new(f))
    }

    /// The same for a function that is also told the partition's number.
    #[track_caller]
    fn map_partitions_with_index<U, F>(self, f: F) -> MapPartitionsWithIndex<Self, F>
    where
        U: Send + 'static,
        F: for<'r> Fn(usize, Records<'r, Self::Item>) -> Records<'r, U> + Send + Sync + 'static,
    {
        MapPartitionsWithIndex::new(self, Operator::here("map_partitions_with_index"), Arc::new(f))
    }

    /// Each partition as one record: all of its records, which must fit into memory.
    #[track_caller]
    fn glom(self) -> Glom<Self> {
        Glom::new(self, Operator::here("glom"))
    }

    /// The same records; `f` sees each as it passes. It runs in tasks, so what it prints comes in no defined order.
    #[track_caller]
    fn inspect<F: Fn(&Self::Item) + Send + Sync + 'static>(self, f: F) -> Inspect<Self, F> {
        Inspect::new(self, Operator::here("inspect"), Arc::new(f))
    }

    /// Each record with the key that `f` makes of it in front.
    #[track_caller]
    fn key_by<K: Send + 'static, F: Fn(&Self::Item) -> K + Send + Sync + 'static>(self, f: F) -> KeyBy<Self, F> {
        KeyBy::new(self, Operator::here("key_by"), Arc::new(f))
    }

    /// The records of this RDD, then those of the other. Duplicates stay. For many, [`Context::union`](crate::Context::union)
    /// takes any number at once: one after another in a loop, they make a lineage as long as they are many, and one of more
    /// than ten thousand RDDs is refused.
    #[track_caller]
    fn union<R: Rdd<Item = Self::Item>>(self, other: R) -> Union<Self, R> {
        Union::new(self, Operator::here("union"), other)
    }

    /// Pairs of a record of this RDD and the record of the other at the same place.
    ///
    /// Both must have as many partitions, with as many records in each: a job over partitions of unequal length fails.
    ///
    /// # Errors
    /// When the numbers of partitions differ.
    #[track_caller]
    fn zip<R: Rdd>(self, other: R) -> Result<Zip<Self, R>> {
        Zip::new(self, Operator::here("zip"), other)
    }

    /// Each record with its number, counted from 0 through all partitions. With more than one partition, a job counts
    /// their records first.
    ///
    /// # Errors
    /// When that job fails.
    #[track_caller]
    fn zip_with_index(self) -> Result<ZipWithIndex<Self>> {
        ZipWithIndex::counted(self, Operator::here("zip_with_index"))
    }

    /// Every record of this RDD with every record of the other, in as many partitions as there are pairs of theirs.
    #[track_caller]
    fn cartesian<R: Rdd<Item: Data>>(self, other: R) -> Cartesian<Self, R>
    where
        Self::Item: Data,
    {
        Cartesian::new(self, Operator::here("cartesian"), other)
    }

    /// Each record once, in the default number of partitions.
    #[track_caller]
    fn distinct(self) -> impl Rdd<Item = Self::Item>
    where
        Self::Item: Key,
    {
        let placement = Placement::hash(self.node().context().parallelism());
        self.distinct_with(placement)
    }

    /// Each record once; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn distinct_with(self, placement: impl Into<Placement<Self::Item>>) -> impl Rdd<Item = Self::Item>
    where
        Self::Item: Key,
    {
        let operator = Operator::here("distinct");
        let pairs = with_nothing(self, &operator);
        // No aggregation of nothing: what is left of a key's values is that there were some.
        let once = aggregated(pairs, operator.clone(), Arc::new(()), placement);
        Keys::new(once, operator.as_kind("keys"))
    }

    /// The records that are in both RDDs, each once, in the default number of partitions.
    #[track_caller]
    fn intersection<R: Rdd<Item = Self::Item>>(self, other: R) -> impl Rdd<Item = Self::Item>
    where
        Self::Item: Key,
    {
        let placement = Placement::hash(self.node().context().parallelism());
        self.intersection_with(placement, other)
    }

    /// The records that are in both RDDs, each once; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn intersection_with<R: Rdd<Item = Self::Item>>(
        self,
        placement: impl Into<Placement<Self::Item>>,
        other: R,
    ) -> impl Rdd<Item = Self::Item>
    where
        Self::Item: Key,
    {
        let operator = Operator::here("intersection");
        let (first, second) = (with_nothing(self, &operator), with_nothing(other, &operator));
        let both = Cogroup::new(operator.clone(), placement, first, second);
        let in_both = |(_, (first, second)): &(Self::Item, (Vec<()>, Vec<()>))| !first.is_empty() && !second.is_empty();
        Keys::new(Filter::new(both, operator.as_kind("filter"), Arc::new(in_both)), operator.as_kind("keys"))
    }

    /// The records that are not in the other RDD, in the default number of partitions. Duplicates stay.
    #[track_caller]
    fn subtract<R: Rdd<Item = Self::Item>>(self, other: R) -> impl Rdd<Item = Self::Item>
    where
        Self::Item: Key,
    {
        let placement = Placement::hash(self.node().context().parallelism());
        self.subtract_with(placement, other)
    }

    /// The records that are not in the other RDD; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn subtract_with<R: Rdd<Item = Self::Item>>(
        self,
        placement: impl Into<Placement<Self::Item>>,
        other: R,
    ) -> impl Rdd<Item = Self::Item>
    where
        Self::Item: Key,
    {
        let operator = Operator::here("subtract");
        let (first, second) = (with_nothing(self, &operator), with_nothing(other, &operator));
        Keys::new(Subtracted::new(operator.clone(), placement, first, second), operator.as_kind("keys"))
    }

    /// All records of each key that `f` makes. What only sums them up is cheaper by
    /// [`reduce_by_key`](crate::PairOps::reduce_by_key), which moves less.
    #[track_caller]
    fn group_by<K: Key, F>(self, f: F) -> GroupedRdd<KeyBy<Self, F>, K, Self::Item>
    where
        Self::Item: Exchange,
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        let placement = Placement::hash(self.node().context().parallelism());
        self.group_by_with(placement, f)
    }

    /// All records of each key that `f` makes; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn group_by_with<K: Key, F>(
        self,
        placement: impl Into<Placement<K>>,
        f: F,
    ) -> GroupedRdd<KeyBy<Self, F>, K, Self::Item>
    where
        Self::Item: Exchange,
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        let operator = Operator::here("group_by");
        // If `f` fails, the blame is on what the user called.
        let keyed = KeyBy::new(self, operator.clone(), Arc::new(f));
        GroupedRdd::new(keyed, operator, placement)
    }

    /// All records sorted by what `f` makes of them, smallest first; equal ones stay in the order in which they came.
    ///
    /// Runs a job that samples the keys, so as to cut ranges of about equal size: one for each of the default number
    /// of partitions. A partition that exceeds the memory budget is sorted on disk. To sort by several things, by some
    /// of them downwards, make a tuple with [`Reverse`](std::cmp::Reverse) in it.
    ///
    /// # Errors
    /// When the sampling job fails.
    #[track_caller]
    fn sort_by<K: Ord + Data, F>(self, f: F) -> Result<Sorted<Self, By<F>>>
    where
        Self::Item: Exchange,
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        let partitions = self.node().context().parallelism();
        self.sort_by_with(partitions, Order::Ascending, f)
    }

    /// The same, largest first.
    ///
    /// # Errors
    /// When the sampling job fails.
    #[track_caller]
    fn sort_by_descending<K: Ord + Data, F>(self, f: F) -> Result<Sorted<Self, By<F>>>
    where
        Self::Item: Exchange,
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        let partitions = self.node().context().parallelism();
        self.sort_by_with(partitions, Order::Descending, f)
    }

    /// The same in at most this many partitions; there are fewer if there are few distinct keys. With one, no job runs.
    ///
    /// # Errors
    /// When the sampling job fails.
    #[track_caller]
    fn sort_by_with<K: Ord + Data, F>(self, partitions: usize, order: Order, f: F) -> Result<Sorted<Self, By<F>>>
    where
        Self::Item: Exchange,
        F: Fn(&Self::Item) -> K + Send + Sync + 'static,
    {
        Sorted::new(self, Operator::here("sort_by"), By(f), order, partitions)
    }

    /// About the given fraction of the records, each drawn with the same probability. The same seed draws the same
    /// records.
    ///
    /// # Errors
    /// When the fraction is not within `[0, 1]`.
    #[track_caller]
    fn sample(self, fraction: f64, seed: u64) -> Result<Sample<Self>> {
        Sample::fraction(self, Operator::here("sample"), fraction, seed)
    }

    /// Each record as often as a draw says, `fraction` times on average. The same seed draws the same records.
    ///
    /// # Errors
    /// When the fraction is negative or not finite.
    #[track_caller]
    fn sample_with_replacement(self, fraction: f64, seed: u64) -> Result<Resample<Self>>
    where
        Self::Item: Data,
    {
        Resample::times(self, Operator::here("sample_with_replacement"), fraction, seed)
    }

    /// As many RDDs as there are weights; each record is in one of them, drawn with a probability in proportion to its
    /// weight. The same seed draws the same records. Each of them computes this RDD: persist it first if that is dear.
    ///
    /// # Errors
    /// When a weight is negative or not finite, or their sum is 0.
    #[track_caller]
    fn random_split(self, weights: &[f64], seed: u64) -> Result<Vec<Sample<Self>>> {
        Sample::split(&self, &Operator::here("random_split"), weights, seed)
    }

    /// The same records in at most this many partitions, each a run of neighboring ones. No record moves; fewer tasks
    /// do the work. None counts as one.
    #[track_caller]
    fn coalesce(self, partitions: usize) -> Coalesce<Self> {
        Coalesce::new(self, Operator::here("coalesce"), partitions)
    }

    /// The same records spread evenly over this many partitions by a shuffle. None counts as one.
    #[track_caller]
    fn repartition(self, partitions: usize) -> Repartitioned<Self>
    where
        Self::Item: Exchange,
    {
        Repartitioned::new(self, Operator::here("repartition"), partitions)
    }

    /// The same RDD, whose records are kept once they have been computed, as `level` says: [`MemoryOnly`],
    /// [`MemoryAndDisk`](crate::MemoryAndDisk) or [`DiskOnly`](crate::DiskOnly). They are dropped with the last clone
    /// of it, or by [`unpersist`](Persisted::unpersist).
    ///
    /// All persisted RDDs of a context share the memory that [`Settings`](crate::Settings) allow; the least recently
    /// used partitions have to go when there is no more.
    ///
    /// ```
    /// use firesteel_core::{Actions, MemoryAndDisk, RddOps};
    /// # fn main() -> firesteel_core::Result<()> {
    /// let context = firesteel_scheduler::local(2)?;
    /// let parsed = context.parallelize(["1", "2", "x"]).flat_map(|text| text.parse::<u32>()).persist(MemoryAndDisk);
    /// assert_eq!((parsed.count()?, parsed.max()?), (2, Some(2))); // parsed once
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn persist<L: StorageLevel<Self::Item>>(self, level: L) -> Persisted<Self, L>
    where
        Self::Item: Data,
    {
        Persisted::new(self, Operator::here("persist"), level)
    }

    /// [`persist`](Self::persist) in memory.
    #[track_caller]
    fn cache(self) -> Persisted<Self, MemoryOnly>
    where
        Self::Item: Data,
    {
        Persisted::new(self, Operator::here("cache"), MemoryOnly)
    }

    /// Writes all records into files in a new folder, by a job, and returns an RDD that reads them there. It no longer
    /// depends on how they were made, so a long lineage ends here. The files stay; remove them when they are of no use
    /// any more. [`Context::read_checkpoint`](crate::Context::read_checkpoint) takes them up again.
    ///
    /// The files carry checksums: a damaged one fails the job that reads it.
    ///
    /// # Errors
    /// When the folder exists or cannot be written to, or when the job fails.
    #[track_caller]
    fn checkpoint(&self, folder: impl AsRef<Path>) -> Result<Checkpointed<Self::Item>>
    where
        Self::Item: Exchange,
    {
        Checkpointed::write(self, Operator::here("checkpoint"), folder.as_ref())
    }

    /// The same RDD behind a type that only tells its records: for a field, a return type, a list of RDDs.
    fn boxed(self) -> BoxRdd<Self::Item> {
        BoxRdd::new(self)
    }

    /// The same RDD under a name of its own, for messages, lineages and events.
    #[must_use]
    fn named(mut self, name: &str) -> Self {
        self.node_mut().set_name(name);
        self
    }

    /// The context that its jobs run in.
    fn context(&self) -> &Context {
        self.node().context()
    }

    /// The lineage as text; see [`to_debug_string`](crate::to_debug_string).
    fn to_debug_string(&self) -> String {
        to_debug_string(self)
    }
}

impl<R: Rdd> RddOps for R {}

/// Each record as a key without a value.
fn with_nothing<R: Rdd>(rdd: R, operator: &Operator) -> Map<R, impl Fn(R::Item) -> (R::Item, ()) + use<R>> {
    Map::new(rdd, operator.as_kind("map"), Arc::new(|record| (record, ())))
}
