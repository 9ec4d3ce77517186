//! Aggregations of windows that may fire more than once.

use firesteel_core::{Data, Exchange, Key};
use firesteel_window::{Aggregator, Count, Duration, Early, Fold, Max, Mean, Min, Reduce, Sum, Summand};

use crate::stream::{Late, SideOutput, late_output};
use crate::windows::again::Firings;
use crate::windows::aggregations::aggregations;
use crate::windows::kind::WindowKind;
use crate::windows::{Changes, WindowedStream};

impl<K, V, W> WindowedStream<K, V, W>
where
    K: Key,
    V: Send + 'static,
    W: WindowKind<K>,
{
    /// Keeps windows for some time after they have fired, by event time: a record that comes for one of them is taken in, and the
    /// window fires again with the corrected result.
    ///
    /// A window is gone when the watermark reaches its end and this much more; a session, when the watermark is past that.
    /// Records that come then are late, as without it. What comes within fires a window once for each key and batch. So
    /// results change, and what follows has to be able to: see [`Changes`].
    ///
    /// In a program that resumes from a checkpoint, it may be another one: windows that are there stay as long as it says, and those that are
    /// gone do not come back.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
    ///
    /// let test = TestJob::new();
    /// let counts = test
    ///     .script([vec![("ann", 3), ("bob", 4), ("ann", 11)], vec![("ann", 7)], vec![("ann", 17)], vec![("bob", 5)]])
    ///     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
    ///     .map(|(user, at)| (user.to_owned(), at))
    ///     .window(Tumbling::of(seconds(10)))
    ///     .allow_late(seconds(5))
    ///     .count();
    /// let told = counts.changelog().map(|change| format!("{} {}: {:?}", change.firing, change.key, change.value));
    /// let told = test.record(told);
    ///
    /// test.run()?;
    /// assert_eq!(told.sorted(), [
    ///     vec!["on time ann: Some(1)", "on time bob: Some(1)"],
    ///     vec!["late ann: Some(2)"],
    ///     vec![], // 17 is seven seconds after the end of the window, which is gone,
    ///     vec![], // and what comes for it now is late.
    /// ]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn allow_late(self, lateness: Duration) -> ChangingWindows<K, V, W> {
        ChangingWindows { of: self, firings: Firings { late: lateness, ..Firings::default() } }
    }

    /// Has windows fire before they are closed, with what they have gathered so far: by the clock, or by the number of
    /// records. So results change, and what follows has to be able to: see [`Changes`].
    ///
    /// A window fires early for a key only if it has changed since it fired last, and at the end of the batch: what a batch brings beside
    /// is in the result. Early results do not move event time.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Early, Timestamp, Tumbling, Watermark, seconds};
    ///
    /// let test = TestJob::new();
    /// let counts = test
    ///     .script([vec![("ann", 3), ("bob", 4)], vec![("ann", 5)], vec![("ann", 12)]])
    ///     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
    ///     .map(|(user, at)| (user.to_owned(), at))
    ///     .window(Tumbling::of(seconds(10)))
    ///     .trigger(Early::every_records(2))
    ///     .count();
    /// let told = counts.changelog().map(|change| format!("{} {}: {:?}", change.firing, change.key, change.value));
    /// let told = test.record(told);
    ///
    /// test.run()?;
    /// assert_eq!(told.sorted(), [
    ///     vec![],
    ///     vec!["early ann: Some(2)"],
    ///     vec!["on time ann: Some(2)", "on time bob: Some(1)"],
    /// ]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn trigger(self, early: Early) -> ChangingWindows<K, V, W> {
        ChangingWindows { of: self, firings: Firings { early: Some(early), ..Firings::default() } }
    }
}

/// A keyed stream gathered in windows that may fire more than once, waiting for an aggregation.
///
/// Made by [`WindowedStream::allow_late`] and [`WindowedStream::trigger`]; the other one can follow.
#[must_use = "a window without an aggregation yields nothing"]
pub struct ChangingWindows<K: Send + 'static, V: Send + 'static, W> {
    of: WindowedStream<K, V, W>,
    firings: Firings,
}

impl<K, V, W> ChangingWindows<K, V, W>
where
    K: Key,
    V: Send + 'static,
    W: WindowKind<K>,
{
    pub(super) fn into_parts(self) -> (WindowedStream<K, V, W>, Firings) {
        (self.of, self.firings)
    }

    /// Keeps windows for some time after they have fired: see [`WindowedStream::allow_late`].
    pub fn allow_late(self, lateness: Duration) -> Self {
        Self { firings: Firings { late: lateness, ..self.firings }, ..self }
    }

    /// Has windows fire before they are closed: see [`WindowedStream::trigger`].
    pub fn trigger(self, early: Early) -> Self {
        Self { firings: Firings { early: Some(early), ..self.firings }, ..self }
    }

    /// Sends records that come when their window is gone to a side output, each once with [why it is late](Late), however many
    /// windows it is late for.
    pub fn late_to(mut self, late: &SideOutput<Late<(K, V)>>) -> Self
    where
        V: Data,
    {
        self.of.late = Some((late_output(late), late.node()));
        self
    }

    aggregations!(Changes);

    fn aggregated<A, T>(self, aggregator: A, present: fn(A::Out) -> Option<T>) -> Changes<K, T>
    where
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        Changes { stream: W::changing(self.of, self.firings, aggregator, present) }
    }
}
