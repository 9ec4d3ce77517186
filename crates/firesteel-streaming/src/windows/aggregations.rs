//! The aggregations that all windows have, in one list.

/// Declares them, for an `impl` that has `aggregated`: each yields `$rows` of what it makes.
macro_rules! aggregations {
    ($rows:ident $(, $shape:ident)?) => {
        /// What `aggregator` makes of each key's values in each window.
        pub fn aggregate<A>(self, aggregator: A) -> $rows<K, A::Out $(, $shape)?>
        where
            A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        {
            self.aggregated(aggregator, Some)
        }

        /// How many values each key has in each window.
        pub fn count(self) -> $rows<K, u64 $(, $shape)?> {
            self.aggregate(Count)
        }

        /// The sum of each key's values in each window; see [`Sum`].
        pub fn sum(self) -> $rows<K, <Sum as Aggregator<V>>::Out $(, $shape)?>
        where
            V: Summand,
            Sum: Aggregator<V, Acc: Exchange, Out: Send + 'static>,
        {
            self.aggregate(Sum)
        }

        /// The smallest of each key's values in each window; see [`Min`].
        pub fn min(self) -> $rows<K, V $(, $shape)?>
        where
            V: PartialOrd + Exchange,
        {
            self.aggregated(Min, |smallest| smallest)
        }

        /// The largest of each key's values in each window; see [`Max`].
        pub fn max(self) -> $rows<K, V $(, $shape)?>
        where
            V: PartialOrd + Exchange,
        {
            self.aggregated(Max, |largest| largest)
        }

        /// The mean of each key's values in each window; see [`Mean`].
        pub fn mean(self) -> $rows<K, f64 $(, $shape)?>
        where
            V: Summand,
            Mean: Aggregator<V, Acc: Exchange, Out = Option<f64>>,
        {
            self.aggregated(Mean, |mean| mean)
        }

        /// Each key's values in each window, reduced by `f` in the order in which they came.
        pub fn reduce<F>(self, f: F) -> $rows<K, V $(, $shape)?>
        where
            V: Exchange,
            F: Fn(V, V) -> V + Send + Sync + 'static,
        {
            self.aggregated(Reduce::new(f), |reduced| reduced)
        }

        /// Each key's values in each window, folded into `zero` by `add`; `merge` joins the folds of two partitions.
        pub fn fold<Z, F, M>(self, zero: Z, add: F, merge: M) -> $rows<K, Z $(, $shape)?>
        where
            Z: Exchange,
            F: Fn(&mut Z, V) + Send + Sync + 'static,
            M: Fn(&mut Z, Z) + Send + Sync + 'static,
        {
            self.aggregate(Fold::new(zero, add, merge))
        }
    };
}
pub(super) use aggregations;
