//! Operators on streams of keys and values, within a batch.

use std::sync::Arc;

use firesteel_core::{Exchange, Key, Operator, PairOps};

use crate::stream::lift::{Width, called};
use crate::stream::{DStream, Stream};

impl<K, V, D> Stream<D>
where
    K: Key,
    V: Send + 'static,
    D: DStream<Item = (K, V)>,
{
    /// Each value as `f` makes it, under the same key.
    #[track_caller]
    pub fn map_values<U, F>(self, f: F) -> Stream<impl DStream<Item = (K, U)>>
    where
        U: Send + 'static,
        F: Fn(V) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("map_values"), Width::Narrow, move |rdd, operator, _| {
            let f = Arc::clone(&f);
            Ok(called(rdd.map_values(move |value| f(value)), operator))
        })
    }

    /// The values that `f` makes of each, under the same key.
    #[track_caller]
    pub fn flat_map_values<I, F>(self, f: F) -> Stream<impl DStream<Item = (K, I::Item)>>
    where
        I: IntoIterator<Item: Send + 'static, IntoIter: 'static> + 'static,
        F: Fn(V) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("flat_map_values"), Width::Narrow, move |rdd, operator, _| {
            let f = Arc::clone(&f);
            Ok(called(rdd.flat_map_values(move |value| f(value)), operator))
        })
    }

    /// All values of each key in a batch, in the order in which they came.
    #[track_caller]
    pub fn group_by_key(self) -> Stream<impl DStream<Item = (K, Vec<V>)>>
    where
        V: Exchange,
    {
        self.lift(Operator::here("group_by_key"), Width::Wide, |rdd, operator, _| {
            Ok(called(rdd.group_by_key(), operator))
        })
    }

    /// The values of each key in a batch reduced to one by `f`, in each partition first.
    #[track_caller]
    pub fn reduce_by_key<F>(self, f: F) -> Stream<impl DStream<Item = (K, V)>>
    where
        V: Exchange,
        F: Fn(V, V) -> V + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("reduce_by_key"), Width::Wide, move |rdd, operator, _| {
            let f = Arc::clone(&f);
            Ok(called(rdd.reduce_by_key(move |a, b| f(a, b)), operator))
        })
    }

    /// The values of each key in a batch combined: `create` makes an accumulator of a first value, `add` takes a further
    /// one in, `merge` unites what two partitions made.
    #[track_caller]
    pub fn combine_by_key<U, A, S, C>(self, create: A, add: S, merge: C) -> Stream<impl DStream<Item = (K, U)>>
    where
        U: Exchange,
        A: Fn(V) -> U + Send + Sync + 'static,
        S: Fn(U, V) -> U + Send + Sync + 'static,
        C: Fn(U, U) -> U + Send + Sync + 'static,
    {
        let functions = Arc::new((create, add, merge));
        self.lift(Operator::here("combine_by_key"), Width::Wide, move |rdd, operator, _| {
            let [create, add, merge] = std::array::from_fn(|_| Arc::clone(&functions));
            let combined = rdd.combine_by_key(
                move |value| (create.0)(value),
                move |acc, value| (add.1)(acc, value),
                move |acc, later| (merge.2)(acc, later),
            );
            Ok(called(combined, operator))
        })
    }
}
