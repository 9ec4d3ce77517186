//! The operators that work on each record alone, or on a partition as it is.

use std::sync::Arc;

use firesteel_core::ops::{Glom, MapPartitions};
use firesteel_core::{FilterStep, FlatMapStep, MapStep, Operator, RddOps, Records};
use firesteel_window::Timestamp;

use crate::plan::Width;
use crate::stream::{Shape, Stream};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Each record as `f` makes it; with event time, at the same time.
    #[track_caller]
    pub fn map<U, F>(self, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        F: Fn(T) -> U + Send + Sync + 'static,
    {
        let step = MapStep::new(move |record| S::map(record, &f));
        self.step(Operator::here("map"), false, Arc::new(step))
    }

    /// The records for which `f` holds.
    #[track_caller]
    pub fn filter<F>(self, f: F) -> Self
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        let step = FilterStep::new(move |record: &S::Record<T>| f(S::get(record)));
        self.step(Operator::here("filter"), true, Arc::new(step))
    }

    /// The records that `f` makes of each; with event time, at the same time.
    #[track_caller]
    pub fn flat_map<I, F>(self, f: F) -> Stream<I::Item, S>
    where
        I: IntoIterator<Item: Send + 'static, IntoIter: 'static> + 'static,
        F: Fn(T) -> I + Send + Sync + 'static,
    {
        let step = FlatMapStep::new(move |record| S::flat_map(record, &f));
        self.step(Operator::here("flat_map"), false, Arc::new(step))
    }

    /// A pair of each record and the key that `f` finds in it: the stream is keyed.
    #[track_caller]
    pub fn key_by<K, F>(self, f: F) -> Stream<(K, T), S>
    where
        K: Send + 'static,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        let step = MapStep::new(move |record| S::map(record, |record| (f(&record), record)));
        self.step(Operator::here("key_by"), false, Arc::new(step))
    }

    /// The same records; `f` sees each as it goes by. What it does outside happens again if a task is repeated.
    #[track_caller]
    pub fn inspect<F>(self, f: F) -> Self
    where
        F: Fn(&T) + Send + Sync + 'static,
    {
        let step = MapStep::new(move |record: S::Record<T>| {
            f(S::get(&record));
            record
        });
        self.step(Operator::here("inspect"), true, Arc::new(step))
    }

    /// What `f` makes of all records of a partition of a batch, pulled through as they are needed. Event time ends here:
    /// nobody but `f` knows which record came of which.
    #[track_caller]
    pub fn map_partitions<U, F>(self, f: F) -> Stream<U>
    where
        U: Send + 'static,
        F: for<'r> Fn(Records<'r, T>) -> Records<'r, U> + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.then(Operator::here("map_partitions"), Width::Narrow, move |rdd, operator, _| {
            Ok(MapPartitions::new(S::plain(rdd, operator), operator.clone(), Arc::clone(&f)).boxed())
        })
    }

    /// Each partition of a batch as one record.
    #[track_caller]
    pub fn glom(self) -> Stream<Vec<T>> {
        self.then(Operator::here("glom"), Width::Narrow, |rdd, operator, _| {
            Ok(Glom::new(S::plain(rdd, operator), operator.clone()).boxed())
        })
    }

    /// The stream of the records alone, without event time.
    #[track_caller]
    pub fn without_time(self) -> Stream<T> {
        self.then(Operator::here("without_time"), Width::Narrow, |rdd, operator, _| Ok(S::plain(rdd, operator)))
    }

    /// The plain stream of each record with its event time; [`Timestamp::MIN`] where it has none.
    #[track_caller]
    pub fn with_time(self) -> Stream<(Timestamp, T)> {
        self.step(Operator::here("with_time"), false, Arc::new(MapStep::new(S::split)))
    }
}
