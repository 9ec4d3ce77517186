//! Transformations of RDDs of keys and values.

// Long file: one trait, of which every operator appears in a form with and a form without a placement.

use std::sync::Arc;

use firesteel_window::{Aggregator, Combine, Fold, Reduce};

use crate::data::{Data, Exchange, Key};
use crate::error::Result;
use crate::operator::Operator;
use crate::ops::{
    AggregatedRdd, ByPairKey, Cogroup, Cogroup3, FilterByRange, FlatMapValues, FullOuter, GroupedRdd, Inner, Joined,
    Keys, LeftOuter, MapValues, Order, PartitionedRdd, RightOuter, Sorted, Subtracted, Values, aggregated,
    aggregated_some,
};
use crate::partitioner::Placement;
use crate::rdd::Rdd;

/// Transformations of RDDs of pairs: each makes a new RDD and runs nothing, but for sorting.
///
/// # Where keys go
///
/// An operator that brings equal keys together places them by hash into the default number of partitions, unless a
/// parent is already placed: it then follows that parent, whose records stay where they are. The form that ends in
/// `_with` says where: it takes a number of partitions or any partitioner (see [`Placement`]). Operators over parents
/// that are placed alike move nothing at all.
///
/// ```
/// use firesteel_core::{Actions, PairOps};
/// # fn main() -> firesteel_core::Result<()> {
/// let context = firesteel_scheduler::local(2)?;
/// let users = context.parallelize([(1, "Ada"), (2, "Bob")].map(|(id, name)| (id, name.to_owned())));
/// let logins = context.parallelize([(1, 10), (3, 5), (1, 32)]);
///
/// let minutes = logins.reduce_by_key_with(4, |a, b| a + b);
/// let by_name = users.join(minutes); // in four partitions as well: the sums stay where they are
/// assert_eq!(by_name.collect()?, [(1, ("Ada".to_owned(), 42))]);
/// # Ok(())
/// # }
/// ```
///
/// # Order
///
/// Values of one key come in the order of their partitions and places in the parent, keys of one partition in the
/// order in which they first came, whatever the number of threads. Functions that combine values must be associative;
/// they need not be commutative.
pub trait PairOps<K: Send + 'static, V: Send + 'static>: Rdd<Item = (K, V)> {
    /// Each value as `f` makes it, under the same key. Keys stay where they are.
    #[track_caller]
    fn map_values<U: Send + 'static, F: Fn(V) -> U + Send + Sync + 'static>(self, f: F) -> MapValues<Self, F> {
        MapValues::new(self, Operator::here("map_values"), Arc::new(f))
    }

    /// The values that `f` makes of each, under the same key. Keys stay where they are.
    #[track_caller]
    fn flat_map_values<I, F>(self, f: F) -> FlatMapValues<Self, F>
    where
        K: Data,
        I: IntoIterator<Item: Send + 'static> + 'static,
        F: Fn(V) -> I + Send + Sync + 'static,
    {
        FlatMapValues::new(self, Operator::here("flat_map_values"), Arc::new(f))
    }

    /// The keys, as often as they occur.
    #[track_caller]
    fn keys(self) -> Keys<Self> {
        Keys::new(self, Operator::here("keys"))
    }

    /// The values.
    #[track_caller]
    fn values(self) -> Values<Self> {
        Values::new(self, Operator::here("values"))
    }

    /// All values of each key. They must fit into memory key by key; what only sums them up is cheaper by
    /// [`reduce_by_key`](Self::reduce_by_key), which moves less.
    #[track_caller]
    fn group_by_key(self) -> GroupedRdd<Self, K, V>
    where
        K: Key,
        V: Exchange,
    {
        let placement = Placement::<K>::default_for(&[&self]);
        GroupedRdd::new(self, Operator::here("group_by_key"), placement)
    }

    /// All values of each key; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn group_by_key_with(self, placement: impl Into<Placement<K>>) -> GroupedRdd<Self, K, V>
    where
        K: Key,
        V: Exchange,
    {
        GroupedRdd::new(self, Operator::here("group_by_key"), placement)
    }

    /// The values of each key reduced to one by `f`, within each partition first.
    #[track_caller]
    fn reduce_by_key<F>(self, f: F) -> AggregatedRdd<Self, K, V, Reduce<F>, V>
    where
        K: Key,
        V: Exchange,
        F: Fn(V, V) -> V + Send + Sync + 'static,
    {
        let placement = Placement::<K>::default_for(&[&self]);
        self.reduce_by_key_with(placement, f)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn reduce_by_key_with<F>(self, placement: impl Into<Placement<K>>, f: F) -> AggregatedRdd<Self, K, V, Reduce<F>, V>
    where
        K: Key,
        V: Exchange,
        F: Fn(V, V) -> V + Send + Sync + 'static,
    {
        aggregated_some(self, Operator::here("reduce_by_key"), Arc::new(Reduce::new(f)), placement)
    }

    /// What `aggregator` makes of the values of each key, within each partition first.
    ///
    /// ```
    /// use firesteel_core::{Actions, PairOps};
    /// use firesteel_window::{Count, Mean};
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_scheduler::local(2)?.parallelize([('a', 3.0), ('b', 1.0), ('a', 5.0)]);
    /// let means = pairs.aggregate_by_key((Count, Mean));
    /// assert_eq!(means.sort_by_key()?.collect()?, [('a', (2, Some(4.0))), ('b', (1, Some(1.0)))]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn aggregate_by_key<A>(self, aggregator: A) -> AggregatedRdd<Self, K, V, A, A::Out>
    where
        K: Key,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        let placement = Placement::<K>::default_for(&[&self]);
        self.aggregate_by_key_with(placement, aggregator)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn aggregate_by_key_with<A>(
        self,
        placement: impl Into<Placement<K>>,
        aggregator: A,
    ) -> AggregatedRdd<Self, K, V, A, A::Out>
    where
        K: Key,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        aggregated(self, Operator::here("aggregate_by_key"), Arc::new(aggregator), placement)
    }

    /// The values of each key folded into `zero`: `add` takes a value in, `merge` what another partition made. Every
    /// partition that has the key starts from a clone of `zero`, so it must be neutral: 0 for a sum, 1 for a product.
    ///
    /// ```
    /// use firesteel_core::{Actions, PairOps};
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_scheduler::local(2)?.parallelize([('a', 3), ('b', 1), ('a', 5)]);
    /// let products = pairs.fold_by_key(1, |product, n| *product *= n, |product, other| *product *= other);
    /// assert_eq!(products.sort_by_key()?.collect()?, [('a', 15), ('b', 1)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn fold_by_key<Z, F, M>(self, zero: Z, add: F, merge: M) -> AggregatedRdd<Self, K, V, Fold<Z, F, M>, Z>
    where
        K: Key,
        Z: Exchange,
        F: Fn(&mut Z, V) + Send + Sync + 'static,
        M: Fn(&mut Z, Z) + Send + Sync + 'static,
    {
        let placement = Placement::<K>::default_for(&[&self]);
        self.fold_by_key_with(placement, zero, add, merge)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn fold_by_key_with<Z, F, M>(
        self,
        placement: impl Into<Placement<K>>,
        zero: Z,
        add: F,
        merge: M,
    ) -> AggregatedRdd<Self, K, V, Fold<Z, F, M>, Z>
    where
        K: Key,
        Z: Exchange,
        F: Fn(&mut Z, V) + Send + Sync + 'static,
        M: Fn(&mut Z, Z) + Send + Sync + 'static,
    {
        let fold = Arc::new(Fold::new(zero, add, merge));
        aggregated(self, Operator::here("fold_by_key"), fold, placement)
    }

    /// The values of each key combined: `create` makes an accumulator of a first value, `add` takes a further one in,
    /// `merge` unites what two partitions made.
    #[track_caller]
    fn combine_by_key<U, C, F, M>(self, create: C, add: F, merge: M) -> AggregatedRdd<Self, K, V, Combine<C, F, M>, U>
    where
        K: Key,
        U: Exchange,
        C: Fn(V) -> U + Send + Sync + 'static,
        F: Fn(U, V) -> U + Send + Sync + 'static,
        M: Fn(U, U) -> U + Send + Sync + 'static,
    {
        let placement = Placement::<K>::default_for(&[&self]);
        self.combine_by_key_with(placement, create, add, merge)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn combine_by_key_with<U, C, F, M>(
        self,
        placement: impl Into<Placement<K>>,
        create: C,
        add: F,
        merge: M,
    ) -> AggregatedRdd<Self, K, V, Combine<C, F, M>, U>
    where
        K: Key,
        U: Exchange,
        C: Fn(V) -> U + Send + Sync + 'static,
        F: Fn(U, V) -> U + Send + Sync + 'static,
        M: Fn(U, U) -> U + Send + Sync + 'static,
    {
        let combine = Arc::new(Combine::new(create, add, merge));
        aggregated_some(self, Operator::here("combine_by_key"), combine, placement)
    }

    /// The same pairs, each in the partition of its key; `placement` is a number of partitions or a partitioner.
    ///
    /// Worth it before several operators by key over the same RDD, together with [`persist`](crate::RddOps::persist).
    #[track_caller]
    fn partition_by(self, placement: impl Into<Placement<K>>) -> PartitionedRdd<Self, K, V>
    where
        K: Key,
        V: Exchange,
    {
        PartitionedRdd::new(self, Operator::here("partition_by"), placement)
    }

    /// All pairs sorted by key, smallest first; see [`RddOps::sort_by`](crate::RddOps::sort_by). The result is placed
    /// by ranges of keys, which [`filter_by_range`](Self::filter_by_range) and [`lookup`](crate::PairActions::lookup)
    /// use.
    ///
    /// # Errors
    /// When the sampling job fails.
    #[track_caller]
    fn sort_by_key(self) -> Result<Sorted<Self, ByPairKey>>
    where
        K: Key + Ord,
        V: Exchange,
    {
        let partitions = self.node().context().parallelism();
        self.sort_by_key_with(partitions, Order::Ascending)
    }

    /// The same in at most this many partitions, either way.
    ///
    /// # Errors
    /// When the sampling job fails.
    #[track_caller]
    fn sort_by_key_with(self, partitions: usize, order: Order) -> Result<Sorted<Self, ByPairKey>>
    where
        K: Key + Ord,
        V: Exchange,
    {
        Sorted::new(self, Operator::here("sort_by_key"), ByPairKey, order, partitions)
    }

    /// The pairs with keys from `low` to `high`, both included. If the RDD is placed by ranges, as a sorted one is,
    /// only the partitions that can hold such keys are computed.
    #[track_caller]
    fn filter_by_range(self, low: K, high: K) -> FilterByRange<Self, K>
    where
        K: Key + Ord,
    {
        FilterByRange::new(self, Operator::here("filter_by_range"), low, high)
    }

    /// For each key that both RDDs have, every value of the one with every value of the other.
    #[track_caller]
    fn join<W: Exchange, R: Rdd<Item = (K, W)>>(self, other: R) -> Joined<Self, R, K, V, W, Inner>
    where
        K: Key,
        V: Exchange,
    {
        let placement = Placement::<K>::default_for(&[&self, &other]);
        Joined::new(Operator::here("join"), placement, self, other)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn join_with<W: Exchange, R: Rdd<Item = (K, W)>>(
        self,
        placement: impl Into<Placement<K>>,
        other: R,
    ) -> Joined<Self, R, K, V, W, Inner>
    where
        K: Key,
        V: Exchange,
    {
        Joined::new(Operator::here("join"), placement, self, other)
    }

    /// A [`join`](Self::join) that keeps this RDD's keys which the other does not have.
    #[track_caller]
    fn left_outer_join<W: Exchange, R: Rdd<Item = (K, W)>>(self, other: R) -> Joined<Self, R, K, V, W, LeftOuter>
    where
        K: Key,
        V: Exchange,
    {
        let placement = Placement::<K>::default_for(&[&self, &other]);
        Joined::new(Operator::here("left_outer_join"), placement, self, other)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn left_outer_join_with<W: Exchange, R: Rdd<Item = (K, W)>>(
        self,
        placement: impl Into<Placement<K>>,
        other: R,
    ) -> Joined<Self, R, K, V, W, LeftOuter>
    where
        K: Key,
        V: Exchange,
    {
        Joined::new(Operator::here("left_outer_join"), placement, self, other)
    }

    /// A [`join`](Self::join) that keeps the other RDD's keys which this one does not have.
    #[track_caller]
    fn right_outer_join<W: Exchange, R: Rdd<Item = (K, W)>>(self, other: R) -> Joined<Self, R, K, V, W, RightOuter>
    where
        K: Key,
        V: Exchange,
    {
        let placement = Placement::<K>::default_for(&[&self, &other]);
        Joined::new(Operator::here("right_outer_join"), placement, self, other)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn right_outer_join_with<W: Exchange, R: Rdd<Item = (K, W)>>(
        self,
        placement: impl Into<Placement<K>>,
        other: R,
    ) -> Joined<Self, R, K, V, W, RightOuter>
    where
        K: Key,
        V: Exchange,
    {
        Joined::new(Operator::here("right_outer_join"), placement, self, other)
    }

    /// A [`join`](Self::join) that keeps the keys which only one of the RDDs has.
    #[track_caller]
    fn full_outer_join<W: Exchange, R: Rdd<Item = (K, W)>>(self, other: R) -> Joined<Self, R, K, V, W, FullOuter>
    where
        K: Key,
        V: Exchange,
    {
        let placement = Placement::<K>::default_for(&[&self, &other]);
        Joined::new(Operator::here("full_outer_join"), placement, self, other)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn full_outer_join_with<W: Exchange, R: Rdd<Item = (K, W)>>(
        self,
        placement: impl Into<Placement<K>>,
        other: R,
    ) -> Joined<Self, R, K, V, W, FullOuter>
    where
        K: Key,
        V: Exchange,
    {
        Joined::new(Operator::here("full_outer_join"), placement, self, other)
    }

    /// For each key of either RDD, all its values in the one and all its values in the other.
    #[track_caller]
    fn cogroup<W: Exchange, R: Rdd<Item = (K, W)>>(self, other: R) -> Cogroup<Self, R, K, V, W>
    where
        K: Key,
        V: Exchange,
    {
        let placement = Placement::<K>::default_for(&[&self, &other]);
        Cogroup::new(Operator::here("cogroup"), placement, self, other)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn cogroup_with<W: Exchange, R: Rdd<Item = (K, W)>>(
        self,
        placement: impl Into<Placement<K>>,
        other: R,
    ) -> Cogroup<Self, R, K, V, W>
    where
        K: Key,
        V: Exchange,
    {
        Cogroup::new(Operator::here("cogroup"), placement, self, other)
    }

    /// For each key of any of three RDDs, all its values in each.
    #[track_caller]
    fn cogroup3<W: Exchange, X: Exchange, R: Rdd<Item = (K, W)>, S: Rdd<Item = (K, X)>>(
        self,
        second: R,
        third: S,
    ) -> Cogroup3<Self, R, S, K, V, W, X>
    where
        K: Key,
        V: Exchange,
    {
        let placement = Placement::<K>::default_for(&[&self, &second, &third]);
        Cogroup3::new(Operator::here("cogroup3"), placement, self, second, third)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn cogroup3_with<W: Exchange, X: Exchange, R: Rdd<Item = (K, W)>, S: Rdd<Item = (K, X)>>(
        self,
        placement: impl Into<Placement<K>>,
        second: R,
        third: S,
    ) -> Cogroup3<Self, R, S, K, V, W, X>
    where
        K: Key,
        V: Exchange,
    {
        Cogroup3::new(Operator::here("cogroup3"), placement, self, second, third)
    }

    /// The pairs whose keys the other RDD does not have.
    #[track_caller]
    fn subtract_by_key<W: Send + 'static, R: Rdd<Item = (K, W)>>(self, other: R) -> Subtracted<Self, R, K, V, W>
    where
        K: Key,
        V: Exchange,
    {
        let placement = Placement::<K>::default_for(&[&self, &other]);
        Subtracted::new(Operator::here("subtract_by_key"), placement, self, other)
    }

    /// The same; `placement` is a number of partitions or a partitioner.
    #[track_caller]
    fn subtract_by_key_with<W: Send + 'static, R: Rdd<Item = (K, W)>>(
        self,
        placement: impl Into<Placement<K>>,
        other: R,
    ) -> Subtracted<Self, R, K, V, W>
    where
        K: Key,
        V: Exchange,
    {
        Subtracted::new(Operator::here("subtract_by_key"), placement, self, other)
    }
}

impl<K: Send + 'static, V: Send + 'static, R: Rdd<Item = (K, V)>> PairOps<K, V> for R {}
