//! Joins of two streams by window: records of one key that happened in the same window.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Exchange, FlatMapStep, Key, Operator};
use firesteel_window::{Aggregator, Timestamp};

use crate::join::kind::{FullOuter, Inner, Kind, LeftAnti, LeftOuter, LeftSemi, RightOuter};
use crate::join::side::{JoinSide, both};
use crate::stream::{EventTime, Late, Pair, Shape, SideOutput, Stream, Timed};
use crate::windows::{WindowKind, WindowResult, WindowedStream};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Joins this stream, the left one, with another by windows of event time: partners are records of the same key in the same
    /// window. Where windows overlap, they are partners in each window that has both; sessions are those of both streams together. A
    /// kind of join follows.
    ///
    /// Rows come when their window closes, at its last instant, as those of any [`window`](Self::window). Until then the
    /// window holds the records of both sides.
    ///
    /// ```
    /// use firesteel_testkit::{TestJob, timeline};
    /// use firesteel_window::{Tumbling, Watermark, hours, seconds};
    ///
    /// let test = TestJob::new();
    /// let stream = |batches: &str| {
    ///     let events = test.script(timeline::parse(batches).expect("this is a timeline"));
    ///     events.event_time(|event| event.1, Watermark::bounded(seconds(0))).key_by(|event| event.0.clone())
    /// };
    /// let alone = stream("a@0 b@10 | c@3600").window_join(stream("a@3599 | c@3601"), Tumbling::of(hours(1))).left_anti();
    /// let alone = test.record(alone.map(|row| format!("{} before {}", row.key, row.window.end().as_secs())));
    /// test.run()?;
    /// assert_eq!(alone.batches(), [vec![], vec!["b before 3600"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn window_join<K, L, R, O, Y, W>(self, other: Stream<O, Y>, windows: W) -> WindowJoin<K, L, R, W>
    where
        T: Pair<Key = K, Value = L>,
        S: EventTime,
        K: Key,
        L: Exchange,
        O: Pair<Key = K, Value = R>,
        Y: EventTime,
        R: Exchange,
        W: WindowKind<K>,
    {
        let (left, right) = (S::timed(T::pairs(self)), Y::timed(O::pairs(other)));
        WindowJoin { windowed: both(left, right, Operator::here("union")).window(windows) }
    }
}

/// Two streams to be joined by window, waiting for a kind of join.
#[must_use = "a join without a kind yields nothing: end it with inner, left_outer, right_outer, full_outer, left_semi or left_anti"]
pub struct WindowJoin<K: Send + 'static, L: Send + 'static, R: Send + 'static, W> {
    windowed: WindowedStream<K, JoinSide<L, R>, W>,
}

impl<K, L, R, W> WindowJoin<K, L, R, W>
where
    K: Key,
    L: Exchange,
    R: Exchange,
    W: WindowKind<K>,
{
    /// Sends late records of both sides to a side output.
    pub fn late_to(self, late: &SideOutput<Late<(K, JoinSide<L, R>)>>) -> Self {
        Self { windowed: self.windowed.late_to(late) }
    }

    /// A row for each pair of partners.
    pub fn inner<U, F>(self, f: F) -> Stream<WindowResult<K, U>, Timed>
    where
        U: Send + 'static,
        F: Fn(&L, &R) -> U + Send + Sync + 'static,
    {
        self.joined(Inner(f))
    }

    /// A row for each pair of partners, and one for each left record that has none.
    pub fn left_outer<U, F>(self, f: F) -> Stream<WindowResult<K, U>, Timed>
    where
        U: Send + 'static,
        F: Fn(&L, Option<&R>) -> U + Send + Sync + 'static,
    {
        self.joined(LeftOuter(f))
    }

    /// A row for each pair of partners, and one for each right record that has none.
    pub fn right_outer<U, F>(self, f: F) -> Stream<WindowResult<K, U>, Timed>
    where
        U: Send + 'static,
        F: Fn(Option<&L>, &R) -> U + Send + Sync + 'static,
    {
        self.joined(RightOuter(f))
    }

    /// A row for each pair of partners, and one for each record of either side that has none. `f` has at least one of
    /// them.
    pub fn full_outer<U, F>(self, f: F) -> Stream<WindowResult<K, U>, Timed>
    where
        U: Send + 'static,
        F: Fn(Option<&L>, Option<&R>) -> U + Send + Sync + 'static,
    {
        self.joined(FullOuter(f))
    }

    /// The left records that have a partner in the window, each once.
    pub fn left_semi(self) -> Stream<WindowResult<K, L>, Timed> {
        self.joined(LeftSemi::new())
    }

    /// The left records that have no partner in the window, each once.
    pub fn left_anti(self) -> Stream<WindowResult<K, L>, Timed> {
        self.joined(LeftAnti::new())
    }

    fn joined<J: Kind<L, R>>(self, kind: J) -> Stream<WindowResult<K, J::Out>, Timed> {
        let kind = Arc::new(kind);
        let step = move |(at, row): (Timestamp, WindowResult<K, Both<L, R>>)| {
            let WindowResult { window, key, value } = row;
            let rows = rows(&*kind, value).into_iter();
            rows.map(move |value| (at, WindowResult { window, key: key.clone(), value }))
        };
        self.windowed.aggregate(Sides(PhantomData)).refined(Arc::new(FlatMapStep::new(step)))
    }
}

impl<K: Send + 'static, L: Send + 'static, R: Send + 'static, W> fmt::Debug for WindowJoin<K, L, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WindowJoin").finish_non_exhaustive()
    }
}

/// The records of a key in a window, side by side.
type Both<L, R> = (Vec<L>, Vec<R>);

/// The rows of a key in a window.
fn rows<L, R, J: Kind<L, R>>(kind: &J, (left, right): Both<L, R>) -> Vec<J::Out> {
    if left.is_empty() {
        return right.into_iter().filter_map(|right| kind.right_alone(right)).collect();
    }
    match right.first() {
        None => left.into_iter().filter_map(|left| kind.left_alone(left)).collect(),
        Some(first) if J::ONCE => left.iter().filter_map(|left| kind.pair(left, first)).collect(),
        Some(_) => left.iter().flat_map(|left| right.iter().filter_map(move |right| kind.pair(left, right))).collect(),
    }
}

/// Gathers the records of both sides.
struct Sides<L, R>(PhantomData<fn(L, R)>);

impl<L: Clone, R: Clone> Aggregator<JoinSide<L, R>> for Sides<L, R> {
    type Acc = Both<L, R>;
    type Out = Both<L, R>;

    fn create(&self) -> Both<L, R> {
        (Vec::new(), Vec::new())
    }
    fn add(&self, (lefts, rights): &mut Both<L, R>, side: JoinSide<L, R>) {
        match side {
            JoinSide::Left(left) => lefts.push(left),
            JoinSide::Right(right) => rights.push(right),
        }
    }
    fn merge(&self, (lefts, rights): &mut Both<L, R>, (more_left, more_right): Both<L, R>) {
        lefts.extend(more_left);
        rights.extend(more_right);
    }
    fn finish(&self, both: &Both<L, R>) -> Both<L, R> {
        both.clone()
    }
    fn finish_owned(&self, both: Both<L, R>) -> Both<L, R> {
        both
    }
    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("join")
    }
}
