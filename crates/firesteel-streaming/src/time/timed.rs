//! Streams with event times.

use std::collections::HashSet;
use std::sync::Arc;

use firesteel_core::ops::{Filter, FlatMap, Map};
use firesteel_core::{Lineage, Node, Operator, Rdd, TaskContext};
use firesteel_window::{Timestamp, WatermarkStrategy};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::input::unique_name;
use crate::stream::{DStream, Origins, Stream, Width};
use crate::time::{KeyedTimedStream, Tracker};

/// A stream whose records know when they happened.
///
/// Made by [`Stream::event_time`]. The operators that keep a record's time are here; [`without_time`](Self::without_time)
/// goes back to a plain stream, of records with their times.
#[must_use = "a stream without an output computes nothing"]
pub struct TimedStream<D> {
    pub(crate) stream: Stream<D>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
}

impl<D: DStream> Stream<D> {
    /// Says when each record happened, and how late records may come.
    ///
    /// Watermarks are kept per split of the source, so that a split which lags behind the others makes no record late.
    #[track_caller]
    pub fn event_time<F, W>(self, at: F, watermark: W) -> TimedStream<Timed<D, F>>
    where
        F: Fn(&D::Item) -> Timestamp + Send + Sync + 'static,
        W: WatermarkStrategy + Send + Sync + 'static,
    {
        let operator = Operator::here("event_time");
        let origins = Origins::of(&self.node);
        let inputs = if origins.shuffled { Vec::new() } else { origins.inputs };
        let refused = watermark.validate().err();
        let tracker = self.graph.change(|parts| {
            let taken: HashSet<&str> = parts.trackers.iter().map(|tracker| tracker.name.as_str()).collect();
            let name = unique_name("event_time", &taken);
            let tracker = Arc::new(Tracker::new(name, Box::new(watermark), inputs));
            parts.trackers.push(Arc::clone(&tracker));
            if let Some(source) = refused {
                parts.faults.push(Error::Window { operator: operator.to_string(), source });
            }
            tracker
        });
        let node = Timed { parent: self.node, operator, at: Arc::new(at), tracker: Arc::clone(&tracker) };
        TimedStream { stream: Stream { graph: self.graph, node }, trackers: [tracker].into() }
    }
}

impl<T: Send + 'static, D: DStream<Item = (Timestamp, T)>> TimedStream<D> {
    /// Gives the last operator a name.
    pub fn named(mut self, name: &str) -> Self {
        self.stream = self.stream.named(name);
        self
    }

    /// Each record as `f` makes it, at the same time.
    #[track_caller]
    pub fn map<U, F>(self, f: F) -> TimedStream<impl DStream<Item = (Timestamp, U)>>
    where
        U: Send + 'static,
        F: Fn(T) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(move |(at, record)| (at, f(record)));
        let stream = self.stream.lift(Operator::here("map"), Width::Narrow, move |rdd, operator, _| {
            Ok(Map::new(rdd, operator.clone(), Arc::clone(&f)))
        });
        TimedStream { stream, trackers: self.trackers }
    }

    /// The records for which `f` holds.
    #[track_caller]
    pub fn filter<F>(self, f: F) -> TimedStream<impl DStream<Item = (Timestamp, T)>>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        let f = Arc::new(move |record: &(Timestamp, T)| f(&record.1));
        let stream = self.stream.lift(Operator::here("filter"), Width::Narrow, move |rdd, operator, _| {
            Ok(Filter::new(rdd, operator.clone(), Arc::clone(&f)))
        });
        TimedStream { stream, trackers: self.trackers }
    }

    /// The records that `f` makes of each, at the same time.
    #[track_caller]
    pub fn flat_map<I, F>(self, f: F) -> TimedStream<impl DStream<Item = (Timestamp, I::Item)>>
    where
        I: IntoIterator<Item: Send + 'static, IntoIter: 'static> + 'static,
        F: Fn(T) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(move |(at, record)| f(record).into_iter().map(move |made| (at, made)));
        let stream = self.stream.lift(Operator::here("flat_map"), Width::Narrow, move |rdd, operator, _| {
            Ok(FlatMap::new(rdd, operator.clone(), Arc::clone(&f)))
        });
        TimedStream { stream, trackers: self.trackers }
    }

    /// Groups the records by the key that `f` finds in each.
    #[track_caller]
    pub fn key_by<K, F>(self, f: F) -> KeyedTimedStream<impl DStream<Item = (Timestamp, (K, T))>>
    where
        K: Send + 'static,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        let f = Arc::new(move |(at, record)| (at, (f(&record), record)));
        let stream = self.stream.lift(Operator::here("key_by"), Width::Narrow, move |rdd, operator, _| {
            Ok(Map::new(rdd, operator.clone(), Arc::clone(&f)))
        });
        KeyedTimedStream { stream, trackers: self.trackers }
    }

    /// The records of both streams. The watermark is the smaller one of the two.
    #[track_caller]
    pub fn union<E>(self, other: TimedStream<E>) -> TimedStream<impl DStream<Item = (Timestamp, T)>>
    where
        E: DStream<Item = (Timestamp, T)>,
    {
        let trackers = self.trackers.iter().chain(other.trackers.iter()).cloned().collect();
        TimedStream { stream: self.stream.union(other.stream), trackers }
    }

    /// The plain stream of records with their times.
    pub fn without_time(self) -> Stream<D> {
        self.stream
    }
}

/// The stream of [`Stream::event_time`].
pub struct Timed<D, F> {
    parent: D,
    operator: Operator,
    at: Arc<F>,
    tracker: Arc<Tracker>,
}

impl<D, F> DStream for Timed<D, F>
where
    D: DStream,
    F: Fn(&D::Item) -> Timestamp + Send + Sync + 'static,
{
    type Item = (Timestamp, D::Item);
    type Rdd = TimedRdd<D::Rdd, F>;

    fn rdd(&self, batch: &Batch) -> Result<Self::Rdd> {
        let parent = self.parent.rdd(batch)?;
        let node = Node::new(parent.node().context(), self.operator.clone());
        Ok(TimedRdd { node, parent, at: Arc::clone(&self.at), tracker: Arc::clone(&self.tracker) })
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn trace(&self, origins: &mut Origins) {
        self.parent.trace(origins);
    }
}

/// The RDD of [`Stream::event_time`].
pub struct TimedRdd<R, F> {
    node: Node,
    parent: R,
    at: Arc<F>,
    tracker: Arc<Tracker>,
}

impl<R: Clone, F> Clone for TimedRdd<R, F> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            parent: self.parent.clone(),
            at: Arc::clone(&self.at),
            tracker: Arc::clone(&self.tracker),
        }
    }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for TimedRdd<R, F> {
    firesteel_core::narrow_lineage!();
}

impl<R: Rdd, F: Fn(&R::Item) -> Timestamp + Send + Sync + 'static> Rdd for TimedRdd<R, F> {
    type Item = (Timestamp, R::Item);

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        let (at, operator) = (&*self.at, self.node.operator());
        let stamped = self.parent.compute(split, task).map(move |record| {
            let at = task.blame_on(operator, || at(&record));
            (at, record)
        });
        Watched { inner: stamped, watch: Watch::new(&self.tracker, task) }
    }
}

/// Passes records on and remembers the largest event time of each split.
struct Watched<'a, I> {
    inner: I,
    watch: Watch<'a>,
}

struct Watch<'a> {
    tracker: &'a Tracker,
    task: &'a TaskContext,
    /// The split of the record seen last, by its number; before the first one, a number that none has.
    split: u32,
    largest: Timestamp,
}

impl<'a> Watch<'a> {
    const NONE: u32 = u32::MAX;

    fn new(tracker: &'a Tracker, task: &'a TaskContext) -> Self {
        Self { tracker, task, split: Self::NONE, largest: Timestamp::MIN }
    }

    #[inline(always)]
    fn saw(&mut self, at: Timestamp) {
        let split = self.task.origin_number();
        if self.split != split {
            self.enter(split);
        }
        self.largest = self.largest.max(at);
    }

    #[cold]
    fn enter(&mut self, split: u32) {
        self.report();
        (self.split, self.largest) = (split, Timestamp::MIN);
    }

    fn report(&mut self) {
        if self.split != Self::NONE {
            self.tracker.saw(self.split, self.largest);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.report();
        }
    }
}

impl<T, I: Iterator<Item = (Timestamp, T)>> Iterator for Watched<'_, I> {
    type Item = (Timestamp, T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (at, record) = self.inner.next()?;
        self.watch.saw(at);
        Some((at, record))
    }

    #[inline]
    fn fold<B, G: FnMut(B, Self::Item) -> B>(self, start: B, mut each: G) -> B {
        let mut watch = self.watch;
        self.inner.fold(start, |acc, (at, record)| {
            watch.saw(at);
            each(acc, (at, record))
        })
    }
}
