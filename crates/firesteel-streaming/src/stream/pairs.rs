//! Operators on streams of keys and values, within a batch.

use std::sync::Arc;

use firesteel_core::ops::{aggregated, aggregated_some};
use firesteel_core::{Data, Exchange, FlatMapStep, Key, MapStep, Operator, PairOps, Placement, Rdd, RddOps};
use firesteel_window::{Aggregator, Combine, Reduce};

use crate::plan::Width;
use crate::stream::{Pair, Shape, Stream, called};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Each value as `f` makes it, under the same key; with event time, at the same time.
    #[track_caller]
    pub fn map_values<K, V, U, F>(self, f: F) -> Stream<(K, U), S>
    where
        T: Pair<Key = K, Value = V>,
        K: Send + 'static,
        V: Send + 'static,
        U: Send + 'static,
        F: Fn(V) -> U + Send + Sync + 'static,
    {
        let step = MapStep::new(move |record| S::map(record, |(key, value)| (key, f(value))));
        T::pairs(self).step(Operator::here("map_values"), true, Arc::new(step))
    }

    /// The values that `f` makes of each, under the same key; with event time, at the same time.
    #[track_caller]
    pub fn flat_map_values<K, V, I, F>(self, f: F) -> Stream<(K, I::Item), S>
    where
        T: Pair<Key = K, Value = V>,
        K: Data,
        V: Send + 'static,
        I: IntoIterator<Item: Send + 'static, IntoIter: 'static> + 'static,
        F: Fn(V) -> I + Send + Sync + 'static,
    {
        let step = FlatMapStep::new(move |record| {
            S::flat_map(record, |(key, value): (K, V)| f(value).into_iter().map(move |made| (key.clone(), made)))
        });
        T::pairs(self).step(Operator::here("flat_map_values"), true, Arc::new(step))
    }

    /// All values of each key in a batch, in the order in which they came.
    #[track_caller]
    pub fn group_by_key<K, V>(self) -> Stream<(K, Vec<V>)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
    {
        T::pairs(self).then(Operator::here("group_by_key"), Width::Wide, |rdd, operator, _| {
            Ok(called(S::plain(rdd, operator).group_by_key(), operator))
        })
    }

    /// The values of each key in a batch reduced to one by `f`, in each partition first.
    #[track_caller]
    pub fn reduce_by_key<K, V, F>(self, f: F) -> Stream<(K, V)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        F: Fn(V, V) -> V + Send + Sync + 'static,
    {
        let reduce = Arc::new(Reduce::new(f));
        T::pairs(self).then(Operator::here("reduce_by_key"), Width::Wide, move |rdd, operator, _| {
            let (rdd, placement) = placed(S::plain(rdd, operator));
            Ok(aggregated_some(rdd, operator.clone(), Arc::clone(&reduce), placement).boxed())
        })
    }

    /// What `aggregator` makes of the values of each key in a batch, in each partition first. For all that a key has had
    /// so far there is [`running_aggregate`](Self::running_aggregate), for windows of event time
    /// [`aggregate`](crate::WindowedStream::aggregate).
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Count, Sum};
    ///
    /// let test = TestJob::new();
    /// let sizes = test.script([vec![("a", 3), ("b", 1), ("a", 4)], vec![("a", 2)]]);
    /// let sizes = sizes.map(|(name, size)| (name.to_owned(), size)).aggregate_by_key((Count, Sum));
    /// let sizes = test.record(sizes.map(|(name, (count, sum))| format!("{name}: {sum} in {count}")));
    /// test.run()?;
    /// assert_eq!(sizes.sorted(), [vec!["a: 7 in 2", "b: 1 in 1"], vec!["a: 2 in 1"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn aggregate_by_key<K, V, A>(self, aggregator: A) -> Stream<(K, A::Out)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        let aggregator = Arc::new(aggregator);
        T::pairs(self).then(Operator::here("aggregate_by_key"), Width::Wide, move |rdd, operator, _| {
            let (rdd, placement) = placed(S::plain(rdd, operator));
            Ok(aggregated(rdd, operator.clone(), Arc::clone(&aggregator), placement).boxed())
        })
    }

    /// The values of each key in a batch combined: `create` makes an accumulator of a first value, `add` takes a further
    /// one in, `merge` unites what two partitions made.
    #[track_caller]
    pub fn combine_by_key<K, V, U, C, F, M>(self, create: C, add: F, merge: M) -> Stream<(K, U)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Send + 'static,
        U: Exchange,
        C: Fn(V) -> U + Send + Sync + 'static,
        F: Fn(U, V) -> U + Send + Sync + 'static,
        M: Fn(U, U) -> U + Send + Sync + 'static,
    {
        let combine = Arc::new(Combine::new(create, add, merge));
        T::pairs(self).then(Operator::here("combine_by_key"), Width::Wide, move |rdd, operator, _| {
            let (rdd, placement) = placed(S::plain(rdd, operator));
            Ok(aggregated_some(rdd, operator.clone(), Arc::clone(&combine), placement).boxed())
        })
    }
}

/// An RDD and where its keys go if nothing is said.
fn placed<K: Key, R: Rdd>(rdd: R) -> (R, Placement<K>) {
    let placement = Placement::default_for(&[&rdd]);
    (rdd, placement)
}
