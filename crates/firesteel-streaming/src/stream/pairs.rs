//! Operators on streams of keys and values, within a batch.

use std::sync::Arc;

use firesteel_core::{Data, Exchange, FlatMapStep, Key, MapStep, Operator, PairOps};

use crate::plan::Width;
use crate::shape::{Pair, Shape};
use crate::stream::{Stream, called};

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
        let step = MapStep(move |record| S::map(record, |(key, value)| (key, f(value))));
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
        let step = FlatMapStep(move |record| {
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
        let f = Arc::new(f);
        T::pairs(self).then(Operator::here("reduce_by_key"), Width::Wide, move |rdd, operator, _| {
            let f = Arc::clone(&f);
            Ok(called(S::plain(rdd, operator).reduce_by_key(move |a, b| f(a, b)), operator))
        })
    }

    /// The values of each key in a batch combined: `create` makes an accumulator of a first value, `add` takes a further
    /// one in, `merge` unites what two partitions made.
    #[track_caller]
    pub fn combine_by_key<K, V, U, A, D, C>(self, create: A, add: D, merge: C) -> Stream<(K, U)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Send + 'static,
        U: Exchange,
        A: Fn(V) -> U + Send + Sync + 'static,
        D: Fn(U, V) -> U + Send + Sync + 'static,
        C: Fn(U, U) -> U + Send + Sync + 'static,
    {
        let functions = Arc::new((create, add, merge));
        T::pairs(self).then(Operator::here("combine_by_key"), Width::Wide, move |rdd, operator, _| {
            let [create, add, merge] = std::array::from_fn(|_| Arc::clone(&functions));
            let combined = S::plain(rdd, operator).combine_by_key(
                move |value| (create.0)(value),
                move |acc, value| (add.1)(acc, value),
                move |acc, later| (merge.2)(acc, later),
            );
            Ok(called(combined, operator))
        })
    }
}
