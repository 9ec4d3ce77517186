//! What windows that may fire more than once yield.

use std::sync::Arc;

use firesteel_connect::{AppliesChanges, Sink};
use firesteel_core::{Data, FlatMapStep, MapStep, Operator};
use firesteel_window::{Change, Firing, Timestamp};

use crate::output::OutputHandle;
use crate::stream::{Plain, Shape, Stream, Timed};
use crate::windows::WindowResult;

/// The rows of windows that may fire more than once, and what becomes of them: what
/// [`allow_late`](crate::WindowedStream::allow_late) and [`trigger`](crate::WindowedStream::trigger) lead to.
///
/// A row is that of one key in one window. Each firing puts it anew, and the row of a session that has grown is withdrawn. So
/// there is no one stream of results, and to write or sum up all that comes would count most of it more than once. Choose what
/// follows:
///
/// | | is | for |
/// |---|---|---|
/// | [`write`](Self::write) | the newest row of each key and window | sinks that [apply changes](AppliesChanges): a table, a store by key |
/// | [`on_time`](Self::on_time) | one row for each key and window, with event time | files and other sinks that append; a second window |
/// | [`changelog`](Self::changelog) | every [`Change`] | whoever knows what to do with each |
///
/// ```
/// use firesteel_testkit::TestJob;
/// use firesteel_window::{Early, Timestamp, Tumbling, Watermark, seconds};
///
/// let test = TestJob::new();
/// let counts = test
///     .script([vec![("ann", 3), ("ann", 4)], vec![("ann", 11)], vec![("ann", 5)], vec![("ann", 25)]])
///     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
///     .map(|(user, at)| (user.to_owned(), at))
///     .window(Tumbling::of(seconds(10)))
///     .allow_late(seconds(5))
///     .trigger(Early::every_records(2))
///     .count();
///
/// // Windows of windows count each record once.
/// let totals = counts.clone().on_time().map(|row| (row.key, row.value)).window(Tumbling::of(seconds(20))).sum();
/// let totals = test.record(totals.map(|row| row.value));
/// let changes = test.record(counts.changelog().map(|change| (change.firing.to_string(), change.value)));
/// test.run()?;
///
/// let text = |firing: &str, count| (firing.to_owned(), Some(count));
/// assert_eq!(changes.batches(), [
///     vec![text("early", 2)],
///     vec![text("on time", 2)],
///     vec![text("late", 3)],
///     vec![text("on time", 1)],
/// ]);
/// assert_eq!(totals.batches().concat(), [3], "the late one came when this window was told two, and one more at 11");
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[must_use = "changes without an output compute nothing: end them with write, or with on_time or changelog and what follows"]
pub struct Changes<K: Send + 'static, T: Send + 'static> {
    pub(super) stream: Stream<Change<K, T>, Timed>,
}

impl<K: Send + 'static, T: Send + 'static> Changes<K, T> {
    /// Gives the windowed aggregation a name: see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self { stream: self.stream.named(name) }
    }

    /// The version of the aggregation: see [`Stream::version`].
    pub fn version(self, version: u32) -> Self {
        Self { stream: self.stream.version(version) }
    }

    /// The same rows with what `f` makes of their values.
    #[track_caller]
    pub fn map_values<U, F>(self, f: F) -> Changes<K, U>
    where
        U: Send + 'static,
        F: Fn(T) -> U + Send + Sync + 'static,
    {
        let step = MapStep::new(move |(at, change): (Timestamp, Change<K, T>)| (at, change.map(&f)));
        Changes { stream: self.stream.step(Operator::here("map_values"), false, Arc::new(step)) }
    }

    /// Has a sink apply every change: it has the newest row of each key and window, and no other.
    ///
    /// ```
    /// use firesteel_connect_memory::LatestRows;
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Session, Timestamp, Watermark, seconds};
    ///
    /// let (test, visits) = (TestJob::new(), LatestRows::new());
    /// test.script([vec![("ann", 3), ("bob", 40)], vec![("ann", 9)]])
    ///     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
    ///     .map(|(user, at)| (user.to_owned(), at))
    ///     .window(Session::gap(seconds(8)))
    ///     .allow_late(seconds(60))
    ///     .count()
    ///     .write(visits.clone());
    /// test.run()?;
    ///
    /// // Ann's visit was [3, 11) at first; that row is gone.
    /// let rows = visits.rows().into_iter().map(|(window, user, count)| (user, window.start().as_secs(), count));
    /// assert_eq!(rows.collect::<Vec<_>>(), [("ann".to_owned(), 3, 2)]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn write<W>(self, sink: W) -> OutputHandle
    where
        W: Sink<Change<K, T>> + AppliesChanges,
    {
        self.stream.write(sink)
    }

    /// The rows of windows that fire on time: one for each key and window that had something then. They happened at the last
    /// instant of their window, as results of windows do, so that windows may follow.
    ///
    /// What comes late is not in them.
    #[track_caller]
    pub fn on_time(self) -> Stream<WindowResult<K, T>, Timed> {
        let step = FlatMapStep::new(|(at, change): (Timestamp, Change<K, T>)| {
            let Change { window, key, firing, value } = change;
            let value = value.filter(|_| firing == Firing::OnTime);
            value.map(|value| (at, WindowResult { window, key, value })).into_iter()
        });
        self.stream.step(Operator::here("on_time"), false, Arc::new(step))
    }

    /// Every change as a record, without event time: who sums them up, or appends them, counts rows that have been corrected
    /// again.
    #[track_caller]
    pub fn changelog(self) -> Stream<Change<K, T>> {
        let step = MapStep::new(|record: (Timestamp, Change<K, T>)| <Timed as Shape>::split(record).1);
        self.stream.step::<_, Plain>(Operator::here("changelog"), false, Arc::new(step))
    }
}

/// The same for another consumer: see the clone of a [`Stream`].
impl<K: Data, T: Data> Clone for Changes<K, T> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone() }
    }
}
