//! Windows that fire as a trigger says, value by value; and windows that are purged when they fire.

use std::marker::PhantomData;

use firesteel_core::{Data, Exchange, Key};
use firesteel_window::{
    Aggregator, Change, Count, DisjointWindows, Duration, Early, Firing, Fold, Max, Mean, Min, Piece, Reduce, Sum,
    Summand, WindowTrigger,
};

use crate::stream::{Late, SideOutput, Stream, Timed, late_output};
use crate::windows::aggregations::aggregations;
use crate::windows::kind::WindowKind;
use crate::windows::triggering::{Row, triggering};
use crate::windows::{Changes, ChangingWindows, WindowedStream};

impl<K, V, W> WindowedStream<K, V, W>
where
    K: Key + Ord,
    V: Exchange,
    W: WindowKind<K> + DisjointWindows,
{
    /// Has windows fire before they are closed when a [trigger](WindowTrigger) of your own says so: a state machine of each key and window, whose state
    /// is kept with the window. So results change, and what follows has to be able to: see [`Changes`]; or each firing gives what is new, with
    /// [`purging`](TriggeredWindows::purging).
    ///
    /// The trigger sees each value, so that values travel to their windows one by one. [`trigger`](WindowedStream::trigger) with
    /// [`Early`] fires by number and by the clock for less.
    pub fn trigger_by<P: WindowTrigger<V>>(self, trigger: P) -> TriggeredWindows<K, V, W, P> {
        TriggeredWindows { of: self, trigger, allowed: Duration::ZERO }
    }

    /// Yields [pieces](Piece) instead of rows: see [`ChangingWindows::purging`]. Without a trigger or an allowance, a window has one.
    pub fn purging(self) -> PurgedWindows<K, V, W, Option<Early>> {
        PurgedWindows(TriggeredWindows { of: self, trigger: None, allowed: Duration::ZERO })
    }
}

impl<K, V, W> ChangingWindows<K, V, W>
where
    K: Key + Ord,
    V: Exchange,
    W: WindowKind<K> + DisjointWindows,
{
    /// Empties a window whenever it fires: each firing gives what has come since the last one, as a numbered [`Piece`]. So pieces are
    /// added up and not replaced, may be written to sinks that append, and feed second windows that count each record once.
    ///
    /// A firing without anything new has no piece. Windows that overlap share what they hold, and sessions become one with others: neither can be
    /// emptied, and the compiler says so.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Early, Timestamp, Tumbling, Watermark, seconds};
    ///
    /// let test = TestJob::new();
    /// let clicks = test
    ///     .script([vec![("ann", 3), ("ann", 4)], vec![("ann", 5)], vec![("ann", 12)]])
    ///     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
    ///     .map(|(user, at)| (user.to_owned(), at));
    /// let pieces = clicks.window(Tumbling::of(seconds(10))).trigger(Early::every_records(2)).purging().count();
    /// let pieces = test.record(pieces.map(|piece| (piece.number, piece.firing.to_string(), piece.value)));
    ///
    /// test.run()?;
    /// let text = |number, firing: &str, count| (number, firing.to_owned(), count);
    /// assert_eq!(pieces.batches(), [vec![text(1, "early", 2)], vec![], vec![text(2, "on time", 1)]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn purging(self) -> PurgedWindows<K, V, W, Option<Early>> {
        let (of, firings) = self.into_parts();
        PurgedWindows(TriggeredWindows { of, trigger: firings.early, allowed: firings.late })
    }
}

/// A keyed stream gathered in windows that fire as a trigger says, waiting for an aggregation.
///
/// Made by [`WindowedStream::trigger_by`].
#[must_use = "a window without an aggregation yields nothing"]
pub struct TriggeredWindows<K: Send + 'static, V: Send + 'static, W, P> {
    of: WindowedStream<K, V, W>,
    trigger: P,
    allowed: Duration,
}

impl<K, V, W, P> TriggeredWindows<K, V, W, P>
where
    K: Key + Ord,
    V: Exchange,
    W: WindowKind<K> + DisjointWindows,
    P: WindowTrigger<V>,
{
    /// Keeps windows for some time after they have fired: see [`WindowedStream::allow_late`]. A late value makes its window fire again in the batch
    /// in which it comes, whatever the trigger says.
    pub fn allow_late(self, lateness: Duration) -> Self {
        Self { allowed: lateness, ..self }
    }

    /// Sends records that come when their window is gone to a side output, with [why they are late](Late).
    pub fn late_to(mut self, late: &SideOutput<Late<(K, V)>>) -> Self
    where
        V: Data,
    {
        self.of.late = Some((late_output(late), late.node()));
        self
    }

    /// Empties a window whenever it fires: see [`ChangingWindows::purging`].
    pub fn purging(self) -> PurgedWindows<K, V, W, P> {
        PurgedWindows(self)
    }

    aggregations!(Changes);

    fn aggregated<A, T>(self, aggregator: A, present: fn(A::Out) -> Option<T>) -> Changes<K, T>
    where
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let Self { of, trigger, allowed } = self;
        Changes { stream: triggering::<_, _, _, _, _, _, ToChanges>(of, (trigger, allowed), aggregator, present) }
    }
}

/// A keyed stream gathered in windows that are emptied whenever they fire, waiting for an aggregation.
///
/// Made by `purging`.
#[must_use = "a window without an aggregation yields nothing"]
pub struct PurgedWindows<K: Send + 'static, V: Send + 'static, W, P>(TriggeredWindows<K, V, W, P>);

/// What is new of windows, piece by piece. A piece happened at the last instant of its window, so that none is late for windows after it.
type Pieces<K, T> = Stream<Piece<K, T>, Timed>;

impl<K, V, W, P> PurgedWindows<K, V, W, P>
where
    K: Key + Ord,
    V: Exchange,
    W: WindowKind<K> + DisjointWindows,
    P: WindowTrigger<V>,
{
    /// Sends records that come when their window is gone to a side output, with [why they are late](Late).
    pub fn late_to(self, late: &SideOutput<Late<(K, V)>>) -> Self
    where
        V: Data,
    {
        Self(self.0.late_to(late))
    }

    aggregations!(Pieces);

    fn aggregated<A, T>(self, aggregator: A, present: fn(A::Out) -> Option<T>) -> Pieces<K, T>
    where
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let TriggeredWindows { of, trigger, allowed } = self.0;
        triggering::<_, _, _, _, _, _, ToPieces>(of, (trigger, allowed), aggregator, present)
    }
}

/// Rows that replace one another.
pub(super) enum ToChanges {}

impl<K: Send + 'static, T: Send + 'static> Row<K, T> for ToChanges {
    type Of = Change<K, T>;
    const PURGES: bool = false;

    fn row(window: firesteel_window::Window, key: K, firing: Firing, _: u64, value: T) -> Change<K, T> {
        Change::put(window, key, firing, value)
    }
}

/// Pieces that are added up.
pub(super) enum ToPieces {}

impl<K: Send + 'static, T: Send + 'static> Row<K, T> for ToPieces {
    type Of = Piece<K, T>;
    const PURGES: bool = true;

    fn row(window: firesteel_window::Window, key: K, firing: Firing, number: u64, value: T) -> Piece<K, T> {
        Piece { window, key, number, firing, value }
    }
}

/// Keeps the type parameters of windows apart.
pub(super) type Of<K, V> = PhantomData<fn(K, V)>;
