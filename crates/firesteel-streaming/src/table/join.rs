//! Joins with tables: each record looks its row up, where it is.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Accumulator, Blocks, Operator, Pace, Spare, Step, StepContext, Upstream};
use firesteel_state::Setting;

use crate::plan::{NodeId, Plan, PlanNode, TableCell, What, Width};
use crate::stream::{Pair, Shape, Stream};
use crate::table::live::{Live, Loaded};
use crate::table::rows::Rows;
use crate::table::{Kind, Table};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Joins each record with the row of `table` whose key `key` finds in it. A kind of join follows, such as
    /// [`inner`](TableJoin::inner); rows have the times of their records, if those have some.
    ///
    /// Each record looks its row up where it is: nothing is shuffled, waits or is kept as state. The table is no stream, so that it holds
    /// back no watermark. What it is loaded from, and when, is said by [`Table`].
    #[track_caller]
    pub fn join_table<K, V, F>(self, table: &Table<K, V>, key: F) -> TableJoin<T, S, K, V, ByFunction<F>>
    where
        K: Eq + Hash + Send + Sync + 'static,
        V: Send + Sync + 'static,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        TableJoin { stream: self, table: table.clone(), operator: Operator::here("join_table"), find: ByFunction(key) }
    }

    /// As [`join_table`](Self::join_table), by the key of a keyed stream.
    ///
    /// ```
    /// use firesteel_streaming::Table;
    /// use firesteel_testkit::TestJob;
    ///
    /// let blocked = Table::of([("eve".to_owned(), ())]);
    /// let test = TestJob::new();
    /// let clicks = test.script([vec!["ann /a", "eve /b", "bob /c"]]).map(str::to_owned);
    /// let clicks = clicks.key_by(|click| click[..3].to_owned()).join_table_by_key(&blocked).left_anti();
    /// let clicks = test.record(clicks.map(|(_, click)| click));
    /// test.run()?;
    /// assert_eq!(clicks.sorted(), [["ann /a", "bob /c"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn join_table_by_key<K, L, V>(self, table: &Table<K, V>) -> TableJoin<(K, L), S, K, V, ByKey>
    where
        T: Pair<Key = K, Value = L>,
        K: Eq + Hash + Send + Sync + 'static,
        L: Send + 'static,
        V: Send + Sync + 'static,
    {
        let (stream, operator) = (T::pairs(self), Operator::here("join_table"));
        TableJoin { stream, table: table.clone(), operator, find: ByKey }
    }
}

/// Finds the row of a record.
#[doc(hidden)]
pub trait Find<T, K>: Send + Sync + 'static {
    /// Passes on the key of the record.
    fn with_key<R>(&self, record: &T, then: impl FnOnce(&K) -> R) -> R;
}

/// By what a function finds in the record.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByFunction<F>(F);

/// By the key of the record.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByKey;

impl<T, K, F: Fn(&T) -> K + Send + Sync + 'static> Find<T, K> for ByFunction<F> {
    #[inline]
    fn with_key<R>(&self, record: &T, then: impl FnOnce(&K) -> R) -> R {
        then(&(self.0)(record))
    }
}

impl<K, L> Find<(K, L), K> for ByKey {
    #[inline]
    fn with_key<R>(&self, record: &(K, L), then: impl FnOnce(&K) -> R) -> R {
        then(&record.0)
    }
}

/// A stream to be joined with a table, waiting for a kind of join.
#[must_use = "a join without a kind yields nothing: end it with inner, left_outer, left_semi or left_anti"]
pub struct TableJoin<T: Send + 'static, S: Shape, K, V, Q> {
    stream: Stream<T, S>,
    table: Table<K, V>,
    operator: Operator,
    find: Q,
}

impl<T, S, K, V, Q> TableJoin<T, S, K, V, Q>
where
    T: Send + 'static,
    S: Shape,
    K: Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
    Q: Find<T, K>,
{
    /// A row for each record whose key is in the table.
    pub fn inner<U, F>(self, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        F: Fn(T, &V) -> U + Send + Sync + 'static,
    {
        self.joined(true, move |record, value| value.map(|value| f(record, value)))
    }

    /// A row for each record, with what the table has of its key, if it has something.
    pub fn left_outer<U, F>(self, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        F: Fn(T, Option<&V>) -> U + Send + Sync + 'static,
    {
        self.joined(false, move |record, value| Some(f(record, value)))
    }

    /// The records whose key is in the table.
    pub fn left_semi(self) -> Stream<T, S> {
        self.joined(false, |record, value| value.map(|_| record))
    }

    /// The records whose key is not in the table.
    pub fn left_anti(self) -> Stream<T, S> {
        self.joined(false, |record, value| if value.is_some() { None } else { Some(record) })
    }

    /// What it leaves out is counted where that is a row that is missing, and not what it is for.
    fn joined<U, F>(self, counts: bool, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        F: Fn(T, Option<&V>) -> Option<U> + Send + Sync + 'static,
    {
        let Self { stream: Stream { plan, node: parent, rule }, table: Table { kind }, operator, find } = self;
        let text = match &kind {
            Kind::Fixed(rows) => format!("{} rows", rows.as_ref().map_or(0, |rows| rows.len())),
            Kind::Loaded(loaded) => format!("{}, {}", loaded.name, loaded.refresh),
        };
        let settings = vec![Setting::new_holds("table", text)];
        let node = PlanNode::operator(operator, &[parent], Width::Narrow).with_settings(settings);
        let node = plan.change(|parts| parts.add(node));
        let table = Joined::of(kind, &plan, node);
        let left_out = counts.then(Accumulator::default);
        left_out.iter().for_each(|count: &Accumulator<u64>| plan.count(node, What::Unmatched, count.clone()));
        let join = Arc::new(Lookup { find, f, left_out, pace: Pace::default() });
        Stream::new(plan, node, move |batch| {
            // What is made of the batch meets this version, whenever it is computed.
            let rows = match &table {
                Joined::Fixed(rows) => Arc::clone(rows),
                Joined::Live(live) => live.rows()?,
            };
            let join = Arc::clone(&join);
            let step: Arc<dyn Step<S::Record<T>, S::Record<U>>> =
                Arc::new(LookupStep { rows, join, kind: PhantomData::<fn(S, T, U)> });
            Ok(BoxRdd::step(rule.rdd(batch)?, batch.operator(node), false, &step))
        })
    }
}

impl<T: Send + 'static, S: Shape, K, V, Q> fmt::Debug for TableJoin<T, S, K, V, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableJoin").field("of", &self.stream).field("with", &self.table).finish_non_exhaustive()
    }
}

/// Where the rows are that batches meet.
enum Joined<K, V> {
    Fixed(Arc<Rows<K, V>>),
    Live(Arc<Live<K, V>>),
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Joined<K, V> {
    /// Those of a table, which the plan gets to know. A job has one of it, however often it is joined with.
    fn of(kind: Kind<K, V>, plan: &Plan, node: NodeId) -> Self {
        match kind {
            Kind::Fixed(Ok(rows)) => Self::Fixed(rows),
            Kind::Fixed(Err(reason)) => {
                plan.refuse(node, format!("its table cannot be used: {reason}"));
                Self::Fixed(Arc::new(Rows::none()))
            }
            Kind::Loaded(loaded) => {
                if let Some(reason) = loaded.refused() {
                    plan.refuse(node, reason);
                }
                match known(&loaded, plan) {
                    Ok(Some(live)) => return Self::Live(live),
                    Ok(None) => {}
                    Err(reason) => plan.refuse(node, reason),
                }
                let live = Live::new(loaded);
                let cell: Arc<dyn TableCell> = Arc::clone(&live) as _;
                plan.change(|parts| parts.tables.push(cell));
                Self::Live(live)
            }
        }
    }
}

/// The table as the job has it already, if it has.
fn known<K, V>(loaded: &Loaded<K, V>, plan: &Plan) -> Result<Option<Arc<Live<K, V>>>, String>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    let named = plan.change(|parts| parts.tables.iter().find(|table| table.name() == loaded.name).cloned());
    let Some(named) = named else { return Ok(None) };
    match named.live().downcast::<Live<K, V>>() {
        Ok(live) if live.loaded.is(loaded) => Ok(Some(live)),
        _ => Err(format!(
            "another table of the job is called {}, too: give each a name of its own, or use clones of one table",
            loaded.name
        )),
    }
}

/// What is done to each record, whatever the batch.
struct Lookup<Q, F> {
    find: Q,
    f: F,
    /// Counts what is left out.
    left_out: Option<Accumulator<u64>>,
    pace: Pace,
}

/// What it does to the records of a batch.
struct LookupStep<K, V, Q, F, M> {
    rows: Arc<Rows<K, V>>,
    join: Arc<Lookup<Q, F>>,
    kind: PhantomData<M>,
}

impl<S, T, U, K, V, Q, F> LookupStep<K, V, Q, F, fn(S, T, U)>
where
    S: Shape,
    T: Send + 'static,
    U: Send + 'static,
    K: Eq + Hash,
    Q: Find<T, K>,
    F: Fn(T, Option<&V>) -> Option<U>,
{
    #[inline]
    fn each(&self, record: S::Record<T>) -> Option<S::Record<U>> {
        S::try_map(record, |record| {
            let value = self.join.find.with_key(&record, |key| self.rows.get(key));
            (self.join.f)(record, value)
        })
    }
}

impl<S, T, U, K, V, Q, F> Step<S::Record<T>, S::Record<U>> for LookupStep<K, V, Q, F, fn(S, T, U)>
where
    S: Shape,
    T: Send + 'static,
    U: Send + 'static,
    K: Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
    Q: Find<T, K>,
    F: Fn(T, Option<&V>) -> Option<U> + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Upstream<'a, S::Record<T>>,
        context: StepContext<'a, S::Record<T>, S::Record<U>>,
    ) -> Box<dyn Blocks<S::Record<U>> + 'a> {
        let count = Left { out: 0, count: self.join.left_out.as_ref() };
        Box::new(LookedUp { step: self, parent, context, input: Spare::new(), count })
    }
}

/// The records of a partition, block by block.
struct LookedUp<'a, R: 'static, M, P> {
    step: &'a P,
    parent: Upstream<'a, R>,
    context: StepContext<'a, R, M>,
    input: Spare<R>,
    count: Left<'a>,
}

/// How many records were left out, which is told in the end.
struct Left<'a> {
    out: usize,
    count: Option<&'a Accumulator<u64>>,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.count.filter(|_| self.out > 0 && !std::thread::panicking()) {
            count.add(self.out as u64);
        }
    }
}

impl<S, T, U, K, V, Q, F> Blocks<S::Record<U>>
    for LookedUp<'_, S::Record<T>, S::Record<U>, LookupStep<K, V, Q, F, fn(S, T, U)>>
where
    S: Shape,
    T: Send + 'static,
    U: Send + 'static,
    K: Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
    Q: Find<T, K>,
    F: Fn(T, Option<&V>) -> Option<U> + Send + Sync + 'static,
{
    fn next(&mut self) -> Option<S::Record<U>> {
        loop {
            let record = self.parent.next()?;
            let made = self.context.blame(|| self.step.each(record));
            if made.is_some() {
                return made;
            }
            self.count.out += 1;
        }
    }

    fn fill(&mut self, block: &mut Vec<S::Record<U>>) -> bool {
        let Self { step, parent, context, input, count } = self;
        let more = parent.fill(input);
        let (before, records, pace) = (block.len(), input.len(), &step.join.pace);
        if let Some(watch) = pace.in_one_go(context.task, records) {
            context.blame(|| block.extend(input.drain(..).filter_map(|record| step.each(record))));
            pace.learn(watch, context.task, records);
            count.out += records - (block.len() - before);
        } else {
            context.in_pieces(pace, input, block);
        }
        more
    }
}
