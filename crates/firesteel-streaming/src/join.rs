//! Joins of two streams: over event time, records of one key that happened near to one another; and joins with a stream as a table, as
//! of event time or as it is.

mod as_of;
mod as_table;
mod interval;
mod kind;
mod latest;
mod operator;
mod side;
mod windowed;

use std::fmt;
use std::ops::RangeInclusive;

use firesteel_core::{Data, Exchange, Key, Operator};
use firesteel_window::Duration;

use crate::join::interval::Interval;
use crate::join::kind::{FullOuter, Inner, Kind, LeftAnti, LeftOuter, LeftSemi, RightOuter};
use crate::join::operator::{Joining, RowTimes};
use crate::join::side::{LateSides, both};
use crate::plan::NodeId;
use crate::stream::{EventTime, Late, LateOutput, Pair, Shape, SideOutput, Stream, Timed, late_output};

pub use as_of::AsOfJoin;
pub use as_table::StreamTable;
pub use latest::LatestJoin;
pub use side::JoinSide;
pub use windowed::WindowJoin;

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Joins this stream, the left one, with another over event time: partners are records of the same key of which the right one
    /// happened at least `interval.start()` and at most `interval.end()` after the left one, both ends included. A negative span is
    /// one before it. A kind of join follows, such as [`left_outer`](IntervalJoin::left_outer); rows are keyed as the records are.
    ///
    /// ```
    /// use firesteel_testkit::{TestJob, timeline};
    /// use firesteel_window::{Watermark, minutes};
    ///
    /// let test = TestJob::new();
    /// // An order is paid at most 5 minutes before it is booked, or 15 after.
    /// let orders = test.script(timeline::parse("a@0 b@60 | | c@3600").expect("this is a timeline"));
    /// let payments = test.script(timeline::parse("a@600 | b@-600 | c@3600").expect("this is a timeline"));
    /// let orders = orders.event_time(|order| order.1, Watermark::bounded(minutes(20))).key_by(|order| order.0.clone());
    /// let payments = payments.event_time(|paid| paid.1, Watermark::bounded(minutes(20))).key_by(|paid| paid.0.clone());
    ///
    /// let paid = orders.interval_join(payments, -minutes(5)..=minutes(15)).left_outer(|order, payment| match payment {
    ///     Some(payment) => format!("paid after {}", payment.1 - order.1),
    ///     None => "not paid".to_owned(),
    /// });
    /// let paid = test.record(paid.map(|(order, paid)| format!("{order} {paid}")));
    /// test.run()?;
    /// assert_eq!(paid.sorted(), [vec!["a paid after 10m"], vec![], vec!["b not paid", "c paid after 0s"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    ///
    /// A pair comes out with the batch that brings the second of the two. A record without a partner comes out, where the kind
    /// says so, when the watermark is past the last instant at which a partner could have happened: the watermark is the smaller one of
    /// the two streams. That is also when records leave the state. Records that happened before the watermark at the start of
    /// their batch are late: counted, left out, and told to [`late_left_to`](IntervalJoin::late_left_to) and
    /// [`late_right_to`](IntervalJoin::late_right_to).
    ///
    /// This is another thing than [`join`](Self::join), which joins what comes in the same batch.
    #[track_caller]
    pub fn interval_join<K, L, R, O, Y>(
        self,
        other: Stream<O, Y>,
        interval: RangeInclusive<Duration>,
    ) -> IntervalJoin<K, L, R>
    where
        T: Pair<Key = K, Value = L>,
        S: EventTime,
        K: Key + Ord,
        L: Exchange,
        O: Pair<Key = K, Value = R>,
        Y: EventTime,
        R: Exchange,
    {
        let operators = [Operator::here("union"), Operator::here("interval_join")];
        let (left, right) = (S::timed(T::pairs(self)), Y::timed(O::pairs(other)));
        let late = LateSides { left: None, right: None };
        IntervalJoin {
            left,
            right,
            interval: Interval::new(&interval),
            operators,
            late,
            fills: Vec::new(),
            times: None,
        }
    }
}

/// Two streams to be joined over event time, waiting for a kind of join.
///
/// Rows know when they happened. A pair happened when the later of its two records did. A record without a partner happened
/// at the last instant at which it could have found one, or when it did itself if that is later: then it is known to have none,
/// and no such row is late for what comes after. [`at_left_time`](Self::at_left_time) gives all rows the times of their left records.
///
/// The interval and the kind of join are compared with the checkpoint, and others are refused: what is stored waits by them.
#[must_use = "a join without a kind yields nothing: end it with inner, left_outer, right_outer, full_outer, left_semi or left_anti"]
pub struct IntervalJoin<K: Send + 'static, L: Send + 'static, R: Send + 'static> {
    left: Stream<(K, L), Timed>,
    right: Stream<(K, R), Timed>,
    interval: Interval,
    /// The one that brings both sides together, and the join.
    operators: [Operator; 2],
    late: LateSides<K, L, R>,
    fills: Vec<NodeId>,
    times: Option<RowTimes>,
}

impl<K, L, R> IntervalJoin<K, L, R>
where
    K: Key + Ord,
    L: Exchange,
    R: Exchange,
{
    /// Sends late records of the left stream to a side output.
    pub fn late_left_to(mut self, late: &SideOutput<Late<(K, L)>>) -> Self {
        self.late.left = Some(self.fill(late));
        self
    }

    /// Sends late records of the right stream to a side output.
    pub fn late_right_to(mut self, late: &SideOutput<Late<(K, R)>>) -> Self {
        self.late.right = Some(self.fill(late));
        self
    }

    fn fill<V: Data>(&mut self, late: &SideOutput<Late<(K, V)>>) -> LateOutput<K, V> {
        self.fills.push(late.node());
        late_output(late)
    }

    /// Gives rows the times of their left records, for windows that follow and are to be those of the left stream. The
    /// watermark that leaves the join is held back by as much as left records wait for partners, so that no row is late there:
    /// what follows fires so much later.
    ///
    /// Every row needs a left record: [`right_outer`](Self::right_outer) and [`full_outer`](Self::full_outer) are refused when
    /// the job is built.
    pub fn at_left_time(self) -> Self {
        Self { times: Some(RowTimes::Left), ..self }
    }

    /// A row for each pair of partners.
    pub fn inner<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(&L, &R) -> U + Send + Sync + 'static,
    {
        self.joined(Inner(f), RowTimes::Decision)
    }

    /// A row for each pair of partners, and one for each left record that has none.
    pub fn left_outer<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(&L, Option<&R>) -> U + Send + Sync + 'static,
    {
        self.joined(LeftOuter(f), RowTimes::Decision)
    }

    /// A row for each pair of partners, and one for each right record that has none.
    pub fn right_outer<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(Option<&L>, &R) -> U + Send + Sync + 'static,
    {
        self.joined(RightOuter(f), RowTimes::Decision)
    }

    /// A row for each pair of partners, and one for each record of either side that has none. `f` has at least one of
    /// them.
    pub fn full_outer<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(Option<&L>, Option<&R>) -> U + Send + Sync + 'static,
    {
        self.joined(FullOuter(f), RowTimes::Decision)
    }

    /// The left records that have a partner, each once, when the first partner comes. They keep their times; the watermark that
    /// leaves the join is held back as in [`at_left_time`](Self::at_left_time).
    pub fn left_semi(self) -> Stream<(K, L), Timed> {
        self.joined(LeftSemi::new(), RowTimes::Left)
    }

    /// The left records that have no partner, each once, when none can come any more. They keep their times; the watermark that
    /// leaves the join is held back as in [`at_left_time`](Self::at_left_time).
    pub fn left_anti(self) -> Stream<(K, L), Timed> {
        self.joined(LeftAnti::new(), RowTimes::Left)
    }

    fn joined<J: Kind<L, R>>(self, kind: J, usual: RowTimes) -> Stream<(K, J::Out), Timed> {
        let Self { left, right, interval, operators: [union, operator], late, fills, times } = self;
        let times = times.unwrap_or(usual);
        let joining = Joining { interval, kind, times, late: late.of_both(), fills };
        let joined = both(left, right, union).apply_at(operator, joining);
        if times == RowTimes::Left && J::RIGHT_ALONE {
            let reason = "rows of right records alone have no left record whose time they could have: leave out \
                          `at_left_time`, or use a left_outer join";
            joined.plan.refuse(joined.node, reason.to_owned());
        }
        joined
    }
}

impl<K: Send + 'static, L: Send + 'static, R: Send + 'static> fmt::Debug for IntervalJoin<K, L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left, right, interval, .. } = self;
        f.debug_struct("IntervalJoin").field("left", left).field("right", right).field("within", interval).finish()
    }
}
