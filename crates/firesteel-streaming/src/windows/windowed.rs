//! Aggregations of windows.

use firesteel_core::{Data, Exchange, Key, Operator};
use firesteel_window::{Aggregator, Count, Fold, Max, Mean, Min, Reduce, Sum, Summand};

use crate::plan::NodeId;
use crate::stream::{EventTime, Late, LateOutput, Pair, Shape, SideOutput, Stream, Timed, late_output};
use crate::windows::WindowResult;
use crate::windows::aggregations::aggregations;
use crate::windows::kind::WindowKind;

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Gathers each key's values in windows of event time. An aggregation follows, such as
    /// [`count`](WindowedStream::count).
    ///
    /// Windows lie side by side ([`Tumbling`](firesteel_window::Tumbling)), overlap or leave gaps
    /// ([`Sliding`](firesteel_window::Sliding)), or end with a pause ([`Session`](firesteel_window::Session)); an assigner of your own
    /// goes into [`Disjoint`](firesteel_window::Disjoint). When windows close and what is late is in `docs/time.md` of the
    /// repository.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Max, Session, Sliding, Timestamp, Watermark, seconds};
    ///
    /// let test = TestJob::new();
    /// let clicks = test
    ///     .script([vec![("ann", 3), ("bob", 4), ("ann", 11)], vec![("ann", 40)]])
    ///     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
    ///     .map(|(user, at)| (user.to_owned(), at));
    ///
    /// // How often in ten seconds, told every five.
    /// let often = clicks.clone().window(Sliding::of(seconds(10)).every(seconds(5))).count();
    /// let often = test.record(often.map(|row| format!("{} by {}: {}", row.key, row.window.end().as_secs(), row.value)));
    ///
    /// // Visits: a visit ends with a pause of more than eight seconds.
    /// let visits = clicks.window(Session::gap(seconds(8))).aggregate(Max);
    /// let visits = test.record(visits.map(|row| format!("{} from {}", row.key, row.window.start().as_secs())));
    ///
    /// test.run()?;
    /// assert_eq!(often.sorted(), [
    ///     vec!["ann by 10: 1", "ann by 5: 1", "bob by 10: 1", "bob by 5: 1"],
    ///     vec!["ann by 15: 1", "ann by 20: 1"],
    /// ]);
    /// assert_eq!(visits.sorted(), [vec![], vec!["ann from 3", "bob from 4"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn window<K, V, W>(self, windows: W) -> WindowedStream<K, V, W>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Send + 'static,
        S: EventTime,
        W: WindowKind<K>,
    {
        let operator = Operator::here("window");
        WindowedStream { stream: S::timed(T::pairs(self)), windows, operator, late: None }
    }
}

/// The results of windows.
type Rows<K, T> = Stream<WindowResult<K, T>, Timed>;

/// A keyed stream gathered in windows, waiting for an aggregation.
///
/// Results are appended: a window's result comes out once, in the batch whose records move the watermark past the
/// window's end. Records are late for a window that was closed before their batch began: they are counted, left out of it,
/// and go to the side output that [`late_to`](Self::late_to) names. Where windows overlap, a record may be late for one and count in
/// the next.
///
/// Results know when they happened: at the last instant of their window, those of a session at its end. So windows follow
/// windows, without another `event_time`.
#[must_use = "a window without an aggregation yields nothing"]
pub struct WindowedStream<K: Send + 'static, V: Send + 'static, W> {
    pub(super) stream: Stream<(K, V), Timed>,
    pub(super) windows: W,
    pub(super) operator: Operator,
    /// What is done with late records, and the side output that gets them.
    pub(super) late: Option<(LateOutput<K, V>, NodeId)>,
}

impl<K, V, W> WindowedStream<K, V, W>
where
    K: Key,
    V: Send + 'static,
    W: WindowKind<K>,
{
    /// Sends late records to a side output, each once with [why it is late](Late), however many windows it is late for.
    pub fn late_to(mut self, late: &SideOutput<Late<(K, V)>>) -> Self
    where
        V: Data,
    {
        self.late = Some((late_output(late), late.node()));
        self
    }

    aggregations!(Rows);

    /// What an aggregator makes of each key's values in each window, as far as `present` finds a result in it: some
    /// aggregators have none before the first value, and a fired window holds at least one.
    fn aggregated<A, T>(self, aggregator: A, present: fn(A::Out) -> Option<T>) -> Stream<WindowResult<K, T>, Timed>
    where
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        W::aggregated(self, aggregator, present)
    }
}
