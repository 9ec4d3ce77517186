//! What a stream's records carry besides themselves: nothing, or the time at which they happened; and what a key is.

use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::{MapStep, Operator, Step};
use firesteel_window::Timestamp;

use crate::stream::Stream;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Plain {}
    impl Sealed for super::Timed {}
    impl<K, V> Sealed for (K, V) {}
}

/// Whether the records of a [`Stream`] know when they happened: [`Plain`] or [`Timed`].
pub trait Shape: sealed::Sealed + Send + Sync + 'static {
    /// A record `T` as it travels: itself, or with its event time.
    type Record<T: Send + 'static>: Send + 'static;

    /// The records that one record becomes.
    #[doc(hidden)]
    type Many<I: Iterator<Item: Send + 'static>>: Iterator<Item = Self::Record<I::Item>>;

    /// The timeouts that functions with state may set.
    type Timeout: 'static;

    /// Whether records know when they happened.
    const HAS_TIME: bool;

    /// The same for another record made of it.
    #[doc(hidden)]
    fn map<T: Send + 'static, U: Send + 'static>(record: Self::Record<T>, f: impl FnOnce(T) -> U) -> Self::Record<U>;

    /// As [`map`](Self::map), where there may be nothing.
    #[doc(hidden)]
    fn try_map<T: Send + 'static, U: Send + 'static>(
        record: Self::Record<T>,
        f: impl FnOnce(T) -> Option<U>,
    ) -> Option<Self::Record<U>>;

    /// As [`map`](Self::map), for any number of records.
    #[doc(hidden)]
    fn flat_map<T: Send + 'static, I: IntoIterator<Item: Send + 'static>>(
        record: Self::Record<T>,
        f: impl FnOnce(T) -> I,
    ) -> Self::Many<I::IntoIter>;

    /// The record alone.
    #[doc(hidden)]
    fn get<T: Send + 'static>(record: &Self::Record<T>) -> &T;

    /// The time, [`Timestamp::MIN`] where there is none, and the record.
    fn split<T: Send + 'static>(record: Self::Record<T>) -> (Timestamp, T);

    /// A record as it travels: with this time, where it has one.
    fn at<T: Send + 'static>(at: Timestamp, record: T) -> Self::Record<T>;

    /// The records without their times.
    #[doc(hidden)]
    fn plain<T: Send + 'static>(rdd: BoxRdd<Self::Record<T>>, operator: &Operator) -> BoxRdd<T>;
}

/// The records of a stream say nothing of when they happened.
#[derive(Debug, Clone, Copy)]
pub enum Plain {}

/// The records of a stream know when they happened: they come after [`event_time`](Stream::event_time), or out of a
/// window.
#[derive(Debug, Clone, Copy)]
pub enum Timed {}

impl Shape for Plain {
    type Record<T: Send + 'static> = T;
    type Many<I: Iterator<Item: Send + 'static>> = I;
    type Timeout = ProcessingTimeout;
    const HAS_TIME: bool = false;

    #[inline]
    fn map<T: Send + 'static, U: Send + 'static>(record: T, f: impl FnOnce(T) -> U) -> U {
        f(record)
    }
    #[inline]
    fn try_map<T: Send + 'static, U: Send + 'static>(record: T, f: impl FnOnce(T) -> Option<U>) -> Option<U> {
        f(record)
    }
    #[inline]
    fn flat_map<T: Send + 'static, I: IntoIterator<Item: Send + 'static>>(
        record: T,
        f: impl FnOnce(T) -> I,
    ) -> I::IntoIter {
        f(record).into_iter()
    }
    #[inline]
    fn get<T: Send + 'static>(record: &T) -> &T {
        record
    }
    #[inline]
    fn split<T: Send + 'static>(record: T) -> (Timestamp, T) {
        (Timestamp::MIN, record)
    }
    #[inline]
    fn at<T: Send + 'static>(_: Timestamp, record: T) -> T {
        record
    }
    fn plain<T: Send + 'static>(rdd: BoxRdd<T>, _: &Operator) -> BoxRdd<T> {
        rdd
    }
}

impl Shape for Timed {
    type Record<T: Send + 'static> = (Timestamp, T);
    type Many<I: Iterator<Item: Send + 'static>> = Stamped<I>;
    type Timeout = EventTimeout;
    const HAS_TIME: bool = true;

    #[inline]
    fn map<T: Send + 'static, U: Send + 'static>(
        (at, record): (Timestamp, T),
        f: impl FnOnce(T) -> U,
    ) -> (Timestamp, U) {
        (at, f(record))
    }
    #[inline]
    fn try_map<T: Send + 'static, U: Send + 'static>(
        (at, record): (Timestamp, T),
        f: impl FnOnce(T) -> Option<U>,
    ) -> Option<(Timestamp, U)> {
        Some((at, f(record)?))
    }
    #[inline]
    fn flat_map<T: Send + 'static, I: IntoIterator<Item: Send + 'static>>(
        (at, record): (Timestamp, T),
        f: impl FnOnce(T) -> I,
    ) -> Stamped<I::IntoIter> {
        Stamped { at, records: f(record).into_iter() }
    }
    #[inline]
    fn get<T: Send + 'static>((_, record): &(Timestamp, T)) -> &T {
        record
    }
    #[inline]
    fn split<T: Send + 'static>(record: (Timestamp, T)) -> (Timestamp, T) {
        record
    }
    #[inline]
    fn at<T: Send + 'static>(at: Timestamp, record: T) -> (Timestamp, T) {
        (at, record)
    }
    fn plain<T: Send + 'static>(rdd: BoxRdd<(Timestamp, T)>, operator: &Operator) -> BoxRdd<T> {
        let step: Arc<dyn Step<(Timestamp, T), T>> = Arc::new(MapStep::new(|(_, record)| record));
        BoxRdd::step(rdd, operator, false, &step)
    }
}

/// The function may set timeouts of processing time.
#[derive(Debug, Clone, Copy)]
pub enum ProcessingTimeout {}

/// The function may set timeouts of processing time and of event time.
#[derive(Debug, Clone, Copy)]
pub enum EventTimeout {}

/// Records that happened at the same time.
#[doc(hidden)]
#[derive(Debug)]
pub struct Stamped<I> {
    at: Timestamp,
    records: I,
}

impl<I: Iterator> Iterator for Stamped<I> {
    type Item = (Timestamp, I::Item);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.at, self.records.next()?))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

/// A [`Shape`] that has event time: [`Timed`].
#[diagnostic::on_unimplemented(
    message = "this stream has no event time",
    label = "needs to know when its records happened",
    note = "say when records happened, and how late they may come, before this: \
            `.event_time(|record| record.at, Watermark::bounded(minutes(1)))`"
)]
pub trait EventTime: Shape {
    /// The same stream, known to have event time.
    #[doc(hidden)]
    fn timed<T: Send + 'static>(stream: Stream<T, Self>) -> Stream<T, Timed>
    where
        Self: Sized;
}

impl EventTime for Timed {
    fn timed<T: Send + 'static>(stream: Stream<T, Self>) -> Stream<T, Timed> {
        stream
    }
}

/// A record with a key: a pair `(key, value)`, as [`key_by`](Stream::key_by) makes it.
#[diagnostic::on_unimplemented(
    message = "the records of this stream, `{Self}`, have no key",
    label = "needs pairs of a key and a value",
    note = "say what records are grouped by, before this: `.key_by(|record| record.user.clone())`"
)]
pub trait Pair: sealed::Sealed + Send + Sized + 'static {
    /// What records are grouped by.
    type Key: Send + 'static;
    /// What is kept under the key.
    type Value: Send + 'static;

    /// The same stream, known to be one of pairs.
    #[doc(hidden)]
    fn pairs<S: Shape>(stream: Stream<Self, S>) -> Stream<(Self::Key, Self::Value), S>;
}

impl<K: Send + 'static, V: Send + 'static> Pair for (K, V) {
    type Key = K;
    type Value = V;

    fn pairs<S: Shape>(stream: Stream<Self, S>) -> Stream<(K, V), S> {
        stream
    }
}
