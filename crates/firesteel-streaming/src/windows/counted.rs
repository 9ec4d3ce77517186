//! Windows by count: a number of records of a key, whenever they happened.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Data, Exchange, Key, Operator};
use firesteel_state::{Declaration, Result, Setting, Value};
use firesteel_window::{
    Aggregator, Count, CountWindow, Counted, Fold, Max, Mean, Min, Reduce, Sum, Summand, Timestamp,
};

use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results, WithTimes};
use crate::stream::{Pair, Shape, Stream};
use crate::windows::aggregations::aggregations;

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Gathers each key's values in windows that hold a number of them. An aggregation follows, such as
    /// [`aggregate`](CountedStream::aggregate).
    ///
    /// A window's result comes out in the batch that has its last record. The records of a key are counted in the order in which
    /// they arrive, whenever they happened: none is late, and where batches begin and end does not show. Between several
    /// splits there is no order that holds for all runs: which of their records share a window depends on how fast they are read.
    ///
    /// A window that is not complete has no result, at the end of the input neither: it is state, counted among the keys in
    /// progress, survives a stop as all state does, and continues with what comes after it. A key that never comes again keeps its
    /// incomplete window.
    ///
    /// Where records have event time, a result has that of the latest record of its window. If that record is late, the result is
    /// late for windows of event time that follow.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::CountWindow;
    ///
    /// let test = TestJob::new();
    /// let readings = test.script([vec![("a", 1.0), ("a", 2.0), ("b", 5.0)], vec![("a", 6.0), ("a", 8.0), ("a", 0.0)]]);
    /// let readings = readings.map(|(sensor, value)| (sensor.to_owned(), value));
    ///
    /// let means = readings.clone().count_window(CountWindow::of(3)).mean();
    /// let means = test.record(means.map(|(sensor, mean)| format!("{sensor} {mean}")));
    /// // The largest of the last three, with every second one.
    /// let peaks = readings.count_window(CountWindow::of(3).every(2)).max();
    /// let peaks = test.record(peaks.map(|(sensor, peak)| format!("{sensor} {peak}")));
    ///
    /// test.run()?;
    /// assert_eq!(means.batches(), [vec![], vec!["a 3"]]);
    /// assert_eq!(peaks.batches(), [vec!["a 2"], vec!["a 8"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn count_window<K, V>(self, windows: CountWindow) -> CountedStream<K, V, S>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
    {
        CountedStream { stream: T::pairs(self), windows, operator: Operator::here("count_window") }
    }
}

/// The results of windows by count.
type Pairs<K, T, S> = Stream<(K, T), S>;

/// A keyed stream gathered in windows by count, waiting for an aggregation. The results are pairs of the key and what
/// the aggregation makes of the window.
///
/// An accumulator is kept for each slice that windows share, as long as the greatest common divisor of size and slide: in
/// `CountWindow::of(100).every(10)`, ten of them for each key, in one value of the state.
#[must_use = "a window without an aggregation yields nothing"]
pub struct CountedStream<K: Send + 'static, V: Send + 'static, S: Shape> {
    stream: Stream<(K, V), S>,
    windows: CountWindow,
    operator: Operator,
}

impl<K, V, S> CountedStream<K, V, S>
where
    K: Key,
    V: Exchange,
    S: Shape,
    S::Record<V>: Data,
{
    aggregations!(Pairs, S);

    fn aggregated<A, U>(self, aggregator: A, present: fn(A::Out) -> Option<U>) -> Stream<(K, U), S>
    where
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        U: Send + 'static,
    {
        let Self { stream, windows, operator } = self;
        let aggregator = Latest(Arc::new(aggregator));
        let results = stream.apply_at(operator, Counting { windows, aggregator, present, kind: PhantomData });
        results.plan.refuse_windows(results.node, windows.validate().err());
        results
    }
}

/// An aggregation that keeps beside its own when the latest value happened.
struct Latest<A>(Arc<A>);

impl<V, A: Aggregator<V>> Aggregator<(Timestamp, V)> for Latest<A> {
    type Acc = (A::Acc, Timestamp);
    type Out = (A::Out, Timestamp);

    #[inline]
    fn create(&self) -> Self::Acc {
        (self.0.create(), Timestamp::MIN)
    }

    #[inline]
    fn add(&self, (acc, latest): &mut Self::Acc, (at, value): (Timestamp, V)) {
        self.0.add(acc, value);
        *latest = at.max(*latest);
    }

    fn merge(&self, (acc, latest): &mut Self::Acc, (other, at): Self::Acc) {
        self.0.merge(acc, other);
        *latest = at.max(*latest);
    }

    fn finish(&self, (acc, latest): &Self::Acc) -> Self::Out {
        (self.0.finish(acc), *latest)
    }

    fn finish_owned(&self, (acc, latest): Self::Acc) -> Self::Out {
        (self.0.finish_owned(acc), latest)
    }

    fn kind(&self) -> Cow<'static, str> {
        self.0.kind()
    }
}

/// What is kept of a key.
type Kept<V, A> = Counted<<Latest<A> as Aggregator<(Timestamp, V)>>::Acc>;

/// The operator of count windows.
struct Counting<V, A: Aggregator<V>, U> {
    windows: CountWindow,
    aggregator: Latest<A>,
    /// The result, as far as there is one: a window holds a value.
    present: fn(A::Out) -> Option<U>,
    kind: PhantomData<fn(V)>,
}

impl<K, V, S, A, U> KeyedOperator<K, V, S> for Counting<V, A, U>
where
    K: Key,
    V: Exchange,
    S: Shape,
    S::Record<V>: Data,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    U: Send + 'static,
{
    type Route = WithTimes;
    type State = Value<Kept<V, A>>;
    type Out = (K, U);
    type OutShape = S;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("count_window").folds_by(self.aggregator.kind());
        // What is stored was cut by them.
        self.windows
            .settings()
            .into_iter()
            .fold(info, |info, (name, value)| info.setting(Setting::refused(name, value)))
    }

    fn route(&self) -> WithTimes {
        WithTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Value<Kept<V, A>> {
        states.value("windows")
    }

    fn run(
        &self,
        kept: &Value<Kept<V, A>>,
        group: &mut GroupBatch<'_, K, S::Record<V>>,
        results: &mut Results<'_, (K, U), S>,
    ) -> Result<()> {
        group.prefetch()?;
        let times = group.times();
        let (records, state) = group.records();
        for (hash, key, record) in records {
            let (at, value) = S::split(record);
            let complete = kept.update(&mut state.key(hash, &key, times.at(at)), |of_key| {
                let counted = of_key.get_or_insert_default();
                let complete = counted.add(self.windows, &self.aggregator, (at, value));
                if counted.is_empty() {
                    *of_key = None;
                }
                complete
            })?;
            if let Some((out, latest)) = complete
                && let Some(result) = (self.present)(out)
            {
                results.emit(latest, (key, result));
            }
        }
        Ok(())
    }
}
