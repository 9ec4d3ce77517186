//! Operators on streams of keys and values, within a batch.

use std::sync::Arc;

use firesteel_core::{Data, Exchange, Key, Operator, PairOps};

use crate::plan::Width;
use crate::shape::{Pair, Shape};
use crate::stream::{Stream, called};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Each value as `f` makes it, under the same key; with event time, at the same time.
    #[track_caller]
    pub fn map_values<U, F>(self, f: F) -> Stream<(T::Key, U), S>
    where
        T: Pair,
        U: Send + 'static,
        F: Fn(T::Value) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        T::pairs(self).then(Operator::here("map_values"), Width::Narrow, move |rdd, operator, _| {
            Ok(S::map_values(rdd, operator, &f))
        })
    }

    /// The values that `f` makes of each, under the same key; with event time, at the same time.
    #[track_caller]
    pub fn flat_map_values<I, F>(self, f: F) -> Stream<(T::Key, I::Item), S>
    where
        T: Pair<Key: Data>,
        I: IntoIterator<Item: Send + 'static, IntoIter: 'static> + 'static,
        F: Fn(T::Value) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        T::pairs(self).then(Operator::here("flat_map_values"), Width::Narrow, move |rdd, operator, _| {
            Ok(S::flat_map_values(rdd, operator, &f))
        })
    }

    /// All values of each key in a batch, in the order in which they came.
    #[track_caller]
    pub fn group_by_key(self) -> Stream<(T::Key, Vec<T::Value>)>
    where
        T: Pair<Key: Key, Value: Exchange>,
    {
        T::pairs(self).then(Operator::here("group_by_key"), Width::Wide, |rdd, operator, _| {
            Ok(called(S::plain(rdd, operator).group_by_key(), operator))
        })
    }

    /// The values of each key in a batch reduced to one by `f`, in each partition first.
    #[track_caller]
    pub fn reduce_by_key<F>(self, f: F) -> Stream<(T::Key, T::Value)>
    where
        T: Pair<Key: Key, Value: Exchange>,
        F: Fn(T::Value, T::Value) -> T::Value + Send + Sync + 'static,
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
    pub fn combine_by_key<U, A, D, C>(self, create: A, add: D, merge: C) -> Stream<(T::Key, U)>
    where
        T: Pair<Key: Key>,
        U: Exchange,
        A: Fn(T::Value) -> U + Send + Sync + 'static,
        D: Fn(U, T::Value) -> U + Send + Sync + 'static,
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
