//! Timed streams of keys and values.

use std::sync::Arc;

use firesteel_core::ops::{Filter, Map};
use firesteel_core::{Key, Operator};
use firesteel_window::{DisjointWindows, Timestamp};

use crate::error::Error;
use crate::stream::{DStream, Stream, Width};
use crate::time::{Tracker, WindowedStream};

/// A stream of keys and values that know when they happened. Made by [`TimedStream::key_by`](crate::TimedStream::key_by).
#[must_use = "a stream without an output computes nothing"]
pub struct KeyedTimedStream<D> {
    pub(crate) stream: Stream<D>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
}

impl<K, V, D> KeyedTimedStream<D>
where
    K: Send + 'static,
    V: Send + 'static,
    D: DStream<Item = (Timestamp, (K, V))>,
{
    /// Gives the last operator a name.
    pub fn named(mut self, name: &str) -> Self {
        self.stream = self.stream.named(name);
        self
    }

    /// Each value as `f` makes it, under the same key, at the same time.
    #[track_caller]
    pub fn map_values<U, F>(self, f: F) -> KeyedTimedStream<impl DStream<Item = (Timestamp, (K, U))>>
    where
        U: Send + 'static,
        F: Fn(V) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(move |(at, (key, value))| (at, (key, f(value))));
        let stream = self.stream.lift(Operator::here("map_values"), Width::Narrow, move |rdd, operator, _| {
            Ok(Map::new(rdd, operator.clone(), Arc::clone(&f)))
        });
        KeyedTimedStream { stream, trackers: self.trackers }
    }

    /// The keys and values for which `f` holds.
    #[track_caller]
    pub fn filter<F>(self, f: F) -> KeyedTimedStream<impl DStream<Item = (Timestamp, (K, V))>>
    where
        F: Fn(&K, &V) -> bool + Send + Sync + 'static,
    {
        let f = Arc::new(move |record: &(Timestamp, (K, V))| f(&record.1.0, &record.1.1));
        let stream = self.stream.lift(Operator::here("filter"), Width::Narrow, move |rdd, operator, _| {
            Ok(Filter::new(rdd, operator.clone(), Arc::clone(&f)))
        });
        KeyedTimedStream { stream, trackers: self.trackers }
    }

    /// Gathers each key's values in windows of event time.
    #[track_caller]
    pub fn window<W>(self, windows: W) -> WindowedStream<D, W>
    where
        K: Key,
        W: DisjointWindows + Clone + Send + Sync + 'static,
    {
        let operator = Operator::here("window");
        if let Err(source) = windows.validate() {
            let operator = operator.to_string();
            self.stream.graph.change(|parts| parts.faults.push(Error::Window { operator, source }));
        }
        WindowedStream { stream: self.stream, trackers: self.trackers, windows, operator, late: None }
    }
}
