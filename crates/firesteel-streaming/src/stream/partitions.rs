//! Operators on partitions, and on streams as a whole.

use std::sync::Arc;

use firesteel_core::ops::{Repartitioned, SliceRdd, Union};
use firesteel_core::{Data, Exchange, Key, Operator, PairOps, RddOps};

use crate::plan::Width;
use crate::stream::{Shape, Stream, called};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// The same records spread evenly over this many partitions, by a shuffle.
    #[track_caller]
    pub fn repartition(self, partitions: usize) -> Self
    where
        S::Record<T>: Exchange,
    {
        self.then(Operator::here("repartition"), Width::Wide, move |rdd, operator, _| {
            Ok(Repartitioned::new(rdd, operator.clone(), partitions).boxed())
        })
    }

    /// The records of both streams: in each batch those of this one, then those of the other. With event time, the
    /// watermark is the smaller one of the two; one whose input has ended, or is silent and
    /// [idle](firesteel_window::BoundedOutOfOrderness::idle_after), is not waited for.
    #[track_caller]
    pub fn union(self, other: Self) -> Self {
        let united = self.then_with(other, Operator::here("union"), Width::Narrow, |first, second, operator, _| {
            Ok(Union::new(first, operator.clone(), second).boxed())
        });
        if S::HAS_TIME {
            united.plan.merge_watermarks(united.node);
        }
        united
    }

    /// How many records each batch has: one number for each batch, also for an empty one.
    #[track_caller]
    pub fn count(self) -> Stream<u64> {
        self.then(Operator::here("count"), Width::Wide, |rdd, operator, batch| {
            let zero: Arc<[Vec<((), u64)>]> = [vec![((), 0)]].into();
            let zero = SliceRdd::new(batch.context(), operator.clone(), zero);
            let ones = called(rdd.map(|_| ((), 1)), operator);
            let counted = called(called(ones.union(zero), operator).reduce_by_key_with(1, |a, b| a + b), operator);
            Ok(called(counted.values(), operator))
        })
    }

    /// All records of each batch reduced to one by `f`; an empty batch yields nothing.
    #[track_caller]
    pub fn reduce<F>(self, f: F) -> Stream<T>
    where
        T: Exchange,
        F: Fn(T, T) -> T + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.then(Operator::here("reduce"), Width::Wide, move |rdd, operator, _| {
            let f = Arc::clone(&f);
            let records = S::plain(rdd, operator);
            let reduced = called(records.map(|record| ((), record)), operator);
            let reduced = called(reduced.reduce_by_key_with(1, move |a, b| f(a, b)), operator);
            Ok(called(reduced.values(), operator))
        })
    }

    /// How often each value occurs in each batch.
    #[track_caller]
    pub fn count_by_value(self) -> Stream<(T, u64)>
    where
        T: Key,
    {
        self.then(Operator::here("count_by_value"), Width::Wide, |rdd, operator, _| {
            let ones = called(S::plain(rdd, operator).map(|record| (record, 1)), operator);
            Ok(called(ones.reduce_by_key(|a, b| a + b), operator))
        })
    }

    /// Prints the first ten records of each batch on standard output, under the batch's time.
    #[track_caller]
    pub fn print(self)
    where
        T: Data + std::fmt::Debug,
    {
        self.print_first(10);
    }

    /// Prints the first `records` records of each batch on standard output, under the batch's time.
    #[track_caller]
    pub fn print_first(self, records: usize)
    where
        T: Data + std::fmt::Debug,
    {
        self.for_each_rdd(move |rdd, batch| super::print::print(rdd, batch, records));
    }
}
