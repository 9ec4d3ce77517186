//! Joins with a table as it is when a record arrives.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Accumulator, Data, Exchange, Key, MapStep, Operator};
use firesteel_state::{Declaration, Result, Setting, StateOptions, Ttl, Value};
use firesteel_window::{Duration, Timestamp};

use crate::join::as_table::StreamTable;
use crate::join::side::{JoinSide, both};
use crate::plan::What;
use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results, WithTimes};
use crate::stream::{Pair, Shape, Stream};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Joins each record with the row that its key has in `table` when the record arrives. A kind of join follows, such as
    /// [`left_outer`](LatestJoin::left_outer); rows are keyed as the records are, and have their event time if they have one.
    ///
    /// Time plays no part in it: what a record meets depends on what has been read of the table by then. Of a batch, the table's records
    /// come first, so that a record meets all that its own batch brings. No record waits, and none is late. For the value that held
    /// when a record happened, whatever the order of arrival, see [`as_of`](Self::as_of).
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let prices = test.script([vec![("pear", 3)], vec![("pear", 4)]]).map(|(fruit, price)| (fruit.to_owned(), price));
    /// let sales = test.script([vec![("pear", 10)], vec![("pear", 10), ("plum", 1)]]);
    /// let sales = sales.map(|(fruit, number)| (fruit.to_owned(), number));
    /// let sums = sales.join_latest(prices.as_table()).inner(|number, price| number * price);
    /// let sums = test.record(sums.map(|(fruit, sum)| format!("{fruit} {sum}")));
    /// test.run()?;
    /// assert_eq!(sums.batches(), [["pear 30"], ["pear 40"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn join_latest<K, L, V, Y>(self, table: StreamTable<K, V, Y>) -> LatestJoin<K, L, V, S>
    where
        T: Pair<Key = K, Value = L>,
        K: Key,
        L: Exchange,
        V: Exchange,
        Y: Shape,
    {
        let operators = [Operator::here("union"), Operator::here("join_latest")];
        let step = MapStep::new(|change: Y::Record<(K, Option<V>)>| S::at(Timestamp::MIN, Y::split(change).1));
        let changes: Stream<(K, Option<V>), S> =
            table.changes.step(Operator::here("without_time"), true, Arc::new(step));
        // Its time is of no interest: it holds back nothing.
        changes.plan.end_time(changes.node);
        LatestJoin { records: T::pairs(self), changes, operators, forgets: None }
    }
}

/// A stream to be joined with a table as it is when records arrive, waiting for a kind of join.
#[must_use = "a join without a kind yields nothing: end it with inner or left_outer"]
pub struct LatestJoin<K: Data, L: Data, V: Data, S: Shape> {
    records: Stream<(K, L), S>,
    changes: Stream<(K, Option<V>), S>,
    /// The one that brings both together, and the join.
    operators: [Operator; 2],
    forgets: Option<Duration>,
}

impl<K, L, V, S> LatestJoin<K, L, V, S>
where
    K: Key,
    L: Exchange,
    V: Exchange,
    S: Shape,
    S::Record<JoinSide<L, Option<V>>>: Data,
{
    /// A row of the table is forgotten when it is so old, in processing time, at exactly that time, too. Without it, a row stays until
    /// it is deleted. A span of zero or below is refused.
    pub fn forget_after(self, span: Duration) -> Self {
        Self { forgets: Some(span), ..self }
    }

    /// A row for each record whose key has a value.
    pub fn inner<U, F>(self, f: F) -> Stream<(K, U), S>
    where
        U: Send + 'static,
        F: Fn(L, &V) -> U + Send + Sync + 'static,
    {
        self.joined("inner", move |record, value| value.map(|value| f(record, value)))
    }

    /// A row for each record, with the value that its key has, if it has one.
    pub fn left_outer<U, F>(self, f: F) -> Stream<(K, U), S>
    where
        U: Send + 'static,
        F: Fn(L, Option<&V>) -> U + Send + Sync + 'static,
    {
        self.joined("left_outer", move |record, value| Some(f(record, value)))
    }

    fn joined<U, F>(self, rows: &'static str, f: F) -> Stream<(K, U), S>
    where
        U: Send + 'static,
        F: Fn(L, Option<&V>) -> Option<U> + Send + Sync + 'static,
    {
        let Self { records, changes, operators: [union, operator], forgets } = self;
        let unmatched = Accumulator::default();
        let latest = Latest { f, rows, forgets, unmatched: unmatched.clone(), kind: PhantomData };
        let joined = both(records, changes, union).apply_at(operator, latest);
        joined.plan.count(joined.node, What::Unmatched, unmatched);
        joined
    }
}

impl<K: Data, L: Data, V: Data, S: Shape> fmt::Debug for LatestJoin<K, L, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatestJoin").field("of", &self.records).field("with", &self.changes).finish_non_exhaustive()
    }
}

/// Joins records with the values that their keys have.
struct Latest<U, F> {
    f: F,
    /// Which rows come out.
    rows: &'static str,
    forgets: Option<Duration>,
    /// Counts records that are left out, since their key has no value.
    unmatched: Accumulator<u64>,
    kind: PhantomData<fn() -> U>,
}

impl<K, L, V, S, U, F> KeyedOperator<K, JoinSide<L, Option<V>>, S> for Latest<U, F>
where
    K: Key,
    L: Exchange,
    V: Exchange,
    S: Shape,
    S::Record<JoinSide<L, Option<V>>>: Data,
    U: Send + 'static,
    F: Fn(L, Option<&V>) -> Option<U> + Send + Sync + 'static,
{
    type Route = WithTimes;
    type State = Value<V>;
    type Out = (K, U);
    type OutShape = S;

    fn info(&self) -> OperatorInfo {
        // What is stored are values, which say nothing of it.
        let info = OperatorInfo::new("join_latest").setting(Setting::new_holds("rows", self.rows));
        match self.forgets {
            Some(span) if span <= Duration::ZERO => {
                info.refused(format!("it forgets rows after {span}: the span has to be above zero"))
            }
            _ => info,
        }
    }

    fn route(&self) -> WithTimes {
        WithTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Value<V> {
        match self.forgets {
            None => states.value("table"),
            Some(span) => states.value_with("table", StateOptions::default().ttl(Ttl::after(span))),
        }
    }

    fn run(
        &self,
        table: &Value<V>,
        group: &mut GroupBatch<'_, K, S::Record<JoinSide<L, Option<V>>>>,
        results: &mut Results<'_, (K, U), S>,
    ) -> Result<()> {
        group.prefetch()?;
        let (times, mut waiting, mut unmatched) = (group.times().now(), Vec::new(), 0);
        let (records, state) = group.records();
        for (hash, key, record) in records {
            match S::split(record) {
                (at, JoinSide::Left(record)) => waiting.push((hash, key, at, record)),
                (_, JoinSide::Right(Some(value))) => table.set(&mut state.key(hash, &key, times), value)?,
                (_, JoinSide::Right(None)) => table.clear(&mut state.key(hash, &key, times))?,
            }
        }
        for (hash, key, at, record) in waiting {
            let row = (self.f)(record, table.get(&mut state.key(hash, &key, times))?);
            match row {
                Some(row) => results.emit(at, (key, row)),
                None => unmatched += 1,
            }
        }
        if unmatched > 0 {
            self.unmatched.add(unmatched);
        }
        Ok(())
    }

    fn expected_results(&self, records: usize) -> usize {
        records
    }
}
