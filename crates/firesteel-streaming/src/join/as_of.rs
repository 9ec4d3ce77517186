//! Joins with a table as it was when a record happened.

mod operator;
mod versions;

use std::fmt;

use firesteel_core::{Data, Exchange, Key, Operator};
use firesteel_window::Duration;

use crate::join::as_of::operator::AsOf;
use crate::join::as_table::StreamTable;
use crate::join::side::both;
use crate::plan::What;
use crate::stream::{EventTime, Late, Pair, Shape, SideOutput, Stream, Timed};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Joins each record with the row that its key had in `table` when the record happened: the newest version that is no later
    /// than the record, at the same instant included. A kind of join follows, such as [`left_outer`](AsOfJoin::left_outer); rows are
    /// keyed as the records are, and have their times.
    ///
    /// ```
    /// use firesteel_testkit::{TestJob, timeline};
    /// use firesteel_window::{Duration, Watermark};
    ///
    /// let test = TestJob::new();
    /// // Rates of pounds, and orders in pounds: who happened when.
    /// let rates = test.script([vec![(0, 125)], vec![(10, 130), (20, 128)]]);
    /// let orders = test.script([vec![(5, 2), (10, 1)], vec![(20, 3)]]);
    /// # use firesteel_window::Timestamp;
    /// let at = |record: &(i64, i64)| Timestamp::from_secs(record.0);
    /// let rates = rates.event_time(at, Watermark::bounded(Duration::ZERO)).key_by(|_| "GBP".to_owned());
    /// let orders = orders.event_time(at, Watermark::bounded(Duration::ZERO)).key_by(|_| "GBP".to_owned());
    ///
    /// let priced = orders.as_of(rates.as_table()).inner(|(at, pounds), (_, rate)| format!("at {at}: {}", pounds * rate));
    /// let priced = test.record(priced.map(|(_, priced)| priced));
    /// test.run()?;
    /// // The order of 20 waits: another rate of 20 might come.
    /// assert_eq!(priced.sorted(), [vec![], vec!["at 10: 130", "at 5: 250"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    ///
    /// A record waits until the table can no longer change at its time: until the watermark, the smaller one of the two streams, is
    /// past it. So a table that changes rarely makes records wait for its next change, unless its watermark has
    /// [`idle_after`](firesteel_window::BoundedOutOfOrderness::idle_after): a table of which nothing has come for so long is not waited for.
    ///
    /// Records that happened before the watermark at the start of their batch are late: counted, told to
    /// [`late_to`](AsOfJoin::late_to), and not joined. Versions that did are counted, and told to
    /// [`late_versions_to`](AsOfJoin::late_versions_to); they hold for what has not been joined yet, if the key has a version that is no
    /// newer. For the newest value in order of arrival, see [`join_latest`](Self::join_latest).
    ///
    /// The state has the newest version before the watermark of each key, and all that are later, and the records that wait. The last
    /// version of a key stays until it is deleted, or for as long as [`forget_after`](AsOfJoin::forget_after) says.
    #[track_caller]
    pub fn as_of<K, L, V, Y>(self, table: StreamTable<K, V, Y>) -> AsOfJoin<K, L, V>
    where
        T: Pair<Key = K, Value = L>,
        S: EventTime,
        K: Key + Ord,
        L: Exchange,
        V: Exchange,
        Y: EventTime,
    {
        let operators = [Operator::here("union"), Operator::here("as_of")];
        let (probes, changes) = (S::timed(T::pairs(self)), Y::timed(table.changes));
        AsOfJoin { probes, changes, operators, late: None, late_versions: None, forgets: None }
    }
}

/// A stream to be joined with a table as of event time, waiting for a kind of join.
#[must_use = "a join without a kind yields nothing: end it with inner or left_outer"]
pub struct AsOfJoin<K: Data, L: Data, V: Data> {
    probes: Stream<(K, L), Timed>,
    changes: Stream<(K, Option<V>), Timed>,
    /// The one that brings both together, and the join.
    operators: [Operator; 2],
    late: Option<SideOutput<Late<(K, L)>>>,
    late_versions: Option<SideOutput<Late<(K, Option<V>)>>>,
    forgets: Option<Duration>,
}

impl<K, L, V> AsOfJoin<K, L, V>
where
    K: Key + Ord,
    L: Exchange,
    V: Exchange,
{
    /// Sends late records to a side output: what the table had at their time may be gone.
    pub fn late_to(self, late: &SideOutput<Late<(K, L)>>) -> Self {
        Self { late: Some(late.clone()), ..self }
    }

    /// Sends late versions of the table to a side output; `None` is one that deletes its key.
    pub fn late_versions_to(self, late: &SideOutput<Late<(K, Option<V>)>>) -> Self {
        Self { late_versions: Some(late.clone()), ..self }
    }

    /// A version holds for records that happened at most `span` after it, at exactly that time included, and not forever: keys that
    /// never come again leave no row. A negative span is refused.
    pub fn forget_after(self, span: Duration) -> Self {
        Self { forgets: Some(span), ..self }
    }

    /// A row for each record whose key had a value when it happened.
    pub fn inner<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(L, &V) -> U + Send + Sync + 'static,
    {
        self.joined("inner", move |record, value| value.map(|value| f(record, value)))
    }

    /// A row for each record, with the value that its key had when it happened, if it had one.
    pub fn left_outer<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(L, Option<&V>) -> U + Send + Sync + 'static,
    {
        self.joined("left_outer", move |record, value| Some(f(record, value)))
    }

    fn joined<U, F>(self, rows: &'static str, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(L, Option<&V>) -> Option<U> + Send + Sync + 'static,
    {
        let Self { probes, changes, operators: [union, operator], late, late_versions, forgets } = self;
        let sides = both(probes, changes, union);
        let trackers = sides.plan.trackers_for(sides.node, true);
        let as_of = AsOf::new(f, rows, forgets, (late, late_versions), trackers);
        let (late, unmatched) = (as_of.late_count(), as_of.unmatched_count());
        let joined = sides.apply_at(operator, as_of);
        joined.plan.count(joined.node, What::Late, late);
        joined.plan.count(joined.node, What::Unmatched, unmatched);
        joined
    }
}

impl<K: Data, L: Data, V: Data> fmt::Debug for AsOfJoin<K, L, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsOfJoin").field("of", &self.probes).field("with", &self.changes).finish_non_exhaustive()
    }
}
