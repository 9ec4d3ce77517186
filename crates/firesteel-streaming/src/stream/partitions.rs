//! Operators on partitions, and on streams as a whole.

use std::sync::Arc;

use firesteel_core::ops::{Glom, Inspect, MapPartitions, Repartitioned, SliceRdd, Union};
use firesteel_core::{Data, Exchange, Operator, PairOps, RddOps, Records};

use crate::stream::lift::{Width, called};
use crate::stream::{DStream, Stream};

impl<D: DStream> Stream<D> {
    /// What `f` makes of all records of a partition of a batch, pulled through as they are needed.
    #[track_caller]
    pub fn map_partitions<U, F>(self, f: F) -> Stream<impl DStream<Item = U>>
    where
        U: Send + 'static,
        F: for<'r> Fn(Records<'r, D::Item>) -> Records<'r, U> + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("map_partitions"), Width::Narrow, move |rdd, operator, _| {
            Ok(MapPartitions::new(rdd, operator.clone(), Arc::clone(&f)))
        })
    }

    /// Each partition of a batch as one record.
    #[track_caller]
    pub fn glom(self) -> Stream<impl DStream<Item = Vec<D::Item>>> {
        self.lift(Operator::here("glom"), Width::Narrow, |rdd, operator, _| Ok(Glom::new(rdd, operator.clone())))
    }

    /// The same records; `f` sees each as it goes by. What it does outside happens again if a task is repeated.
    #[track_caller]
    pub fn inspect<F>(self, f: F) -> Stream<impl DStream<Item = D::Item>>
    where
        F: Fn(&D::Item) + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("inspect"), Width::Narrow, move |rdd, operator, _| {
            Ok(Inspect::new(rdd, operator.clone(), Arc::clone(&f)))
        })
    }

    /// The same records spread evenly over so many partitions, by a shuffle.
    #[track_caller]
    pub fn repartition(self, partitions: usize) -> Stream<impl DStream<Item = D::Item>>
    where
        D::Item: Exchange,
    {
        self.lift(Operator::here("repartition"), Width::Wide, move |rdd, operator, _| {
            Ok(Repartitioned::new(rdd, operator.clone(), partitions))
        })
    }

    /// The records of both streams: in each batch those of this one, then those of the other.
    #[track_caller]
    pub fn union<E>(self, other: Stream<E>) -> Stream<impl DStream<Item = D::Item>>
    where
        E: DStream<Item = D::Item>,
    {
        self.lift_with(other, Operator::here("union"), Width::Narrow, |first, second, operator, _| {
            Ok(Union::new(first, operator.clone(), second))
        })
    }

    /// How many records each batch has: one number for each batch, also for an empty one.
    #[track_caller]
    pub fn count(self) -> Stream<impl DStream<Item = u64>> {
        self.lift(Operator::here("count"), Width::Wide, |rdd, operator, batch| {
            let zero: Arc<[Vec<((), u64)>]> = [vec![((), 0)]].into();
            let zero = SliceRdd::new(batch.context(), operator.clone(), zero);
            let ones = called(rdd.map(|_| ((), 1)), operator);
            let counted = called(called(ones.union(zero), operator).reduce_by_key_into(1, |a, b| a + b), operator);
            Ok(called(counted.values(), operator))
        })
    }

    /// All records of each batch reduced to one by `f`; an empty batch yields nothing.
    #[track_caller]
    pub fn reduce<F>(self, f: F) -> Stream<impl DStream<Item = D::Item>>
    where
        D::Item: Exchange,
        F: Fn(D::Item, D::Item) -> D::Item + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("reduce"), Width::Wide, move |rdd, operator, _| {
            let f = Arc::clone(&f);
            let reduced = called(rdd.map(|record| ((), record)), operator).reduce_by_key_into(1, move |a, b| f(a, b));
            Ok(called(called(reduced, operator).values(), operator))
        })
    }

    /// How often each value occurs in each batch.
    #[track_caller]
    pub fn count_by_value(self) -> Stream<impl DStream<Item = (D::Item, u64)>>
    where
        D::Item: firesteel_core::Key,
    {
        self.lift(Operator::here("count_by_value"), Width::Wide, |rdd, operator, _| {
            Ok(called(called(rdd.map(|record| (record, 1)), operator).reduce_by_key(|a, b| a + b), operator))
        })
    }

    /// The stream behind a type that only tells its records: for a field, or to keep types short.
    pub fn boxed(self) -> Stream<super::BoxStream<D::Item>> {
        Stream { graph: self.graph, node: super::BoxStream::new(self.node) }
    }

    /// Prints the first ten records of each batch on standard output, under the batch's time.
    #[track_caller]
    pub fn print(self)
    where
        D::Item: Data + std::fmt::Debug,
    {
        self.print_first(10);
    }

    /// Prints the first `records` records of each batch on standard output, under the batch's time.
    #[track_caller]
    pub fn print_first(self, records: usize)
    where
        D::Item: Data + std::fmt::Debug,
    {
        self.for_each_rdd(move |rdd, batch| super::print::print(rdd, batch, records));
    }
}
