//! The stream of an operator with state.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::shuffle::Shuffle;
use firesteel_core::{Accumulator, Data, Key, Lineage, Operator, Pace};
use firesteel_state::{
    Changes, Declaration, GroupState, KeyedStore, Result, StateStore, StoreSchema, TableKind, TableSchema, TimeDomain,
};

use crate::plan::{NodeId, Plan, PlanNode, Role, StateCell, StateChanges, Width};
use crate::state::StoreCell;
use crate::state::group_batch::{GroupBatch, Results};
use crate::state::lists::Lists;
use crate::state::operator::{KeyedOperator, NewState, OperatorInfo};
use crate::state::rdd::{self, StateTask};
use crate::state::route::{
    Route,
    sealed::{Place, Prepared},
};
use crate::state::side::StateSide;
use crate::state::work::Work;
use crate::stream::{Pair, Shape, Stream};
use crate::time::Tracker;

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Puts the stream through an operator with state of anybody's making: see [`KeyedOperator`].
    ///
    /// Its state is stored, and found again, under the name that [`named`](Self::named) gives. An operator that declares
    /// timers of event time, or values whose TTL is one of event time, needs a stream that has one: the job does not start
    /// otherwise.
    #[track_caller]
    pub fn apply<K, V, O>(self, operator: O) -> Stream<O::Out, O::OutShape>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Send + 'static,
        O: KeyedOperator<K, V, S>,
    {
        let here = Operator::here(operator.info().kind);
        T::pairs(self).apply_at(here, operator)
    }
}

impl<K: Key, V: Send + 'static, S: Shape> Stream<(K, V), S> {
    /// [`apply`](Stream::apply), where the program's place is known.
    pub(crate) fn apply_at<O>(self, here: Operator, operator: O) -> Stream<O::Out, O::OutShape>
    where
        O: KeyedOperator<K, V, S>,
    {
        let mut info = operator.info();
        let mut states = Declaration::new(info.kind);
        let state = operator.declare(&mut states);
        info.needs_time = if S::HAS_TIME { None } else { info.needs_time.or_else(|| needs_time(&states.schema())) };
        let trackers = self.plan.trackers_for(self.node, S::HAS_TIME);
        let route = operator.route();
        let work = Arc::new(Applied::<K, V, S, O> { operator, state, kind: PhantomData });
        let cell = StoreCell::new(states);
        cell.goes_by(&trackers);
        let held = <O::OutShape as Shape>::HAS_TIME.then(|| Arc::new(Tracker::holding(&trackers, info.holds_back)));
        Stateful { operator: here, cell, work, trackers, held }.after(self, route, info)
    }
}

/// Why an operator with this state needs event time, if it does.
fn needs_time(schema: &StoreSchema) -> Option<String> {
    let of_event_time = |table: &&TableSchema| table.ttl.is_some_and(|ttl| ttl.domain() == TimeDomain::Event);
    if schema.tables.iter().any(|table| table.kind == TableKind::Timers(TimeDomain::Event)) {
        return Some("it declares timers of event time".to_owned());
    }
    let lives = schema.tables.iter().find(of_event_time)?;
    Some(format!("it declares that values of `{}` have a TTL in event time", lives.name))
}

/// An operator with its state, as tasks run it.
struct Applied<K: Key, V: Send + 'static, S: Shape, O: KeyedOperator<K, V, S>> {
    operator: O,
    state: O::State,
    kind: PhantomData<fn(K, V, S)>,
}

impl<K, V, S, O> Work<K, <O::Route as Route<K, V, S>>::Item> for Applied<K, V, S, O>
where
    K: Key,
    V: Send + 'static,
    S: Shape,
    O: KeyedOperator<K, V, S>,
{
    type Out = <O::OutShape as Shape>::Record<O::Out>;

    fn rows(&self, records: usize) -> usize {
        self.operator.expected_results(records)
    }

    fn run(
        &self,
        group: &mut GroupBatch<'_, K, <O::Route as Route<K, V, S>>::Item>,
        out: &mut Vec<Self::Out>,
    ) -> Result<()> {
        self.operator.run(&self.state, group, &mut Results::new(out))
    }

    fn changes(&self, group: &mut GroupState<K>) -> Result<Changes> {
        self.operator.changes(&self.state, group)
    }

    fn initialize(&self, new: &NewState<'_, K>) -> crate::Result<()> {
        self.operator.initialize(&self.state, new)
    }
}

/// An operator with state under construction: what `work` makes of the records that a route makes of a stream's.
pub(crate) struct Stateful<K: Key, W> {
    pub(crate) operator: Operator,
    pub(crate) cell: Arc<StoreCell<K>>,
    pub(crate) work: Arc<W>,
    /// The watermarks that it goes by.
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    /// What it holds back of them, where its results have event time.
    pub(crate) held: Option<Arc<Tracker>>,
}

impl<K: Key, W> Stateful<K, W> {
    /// The operator after `parent`.
    pub(crate) fn after<V, T, S, U, Z, P>(self, parent: Stream<(K, V), S>, route: P, info: OperatorInfo) -> Stream<U, Z>
    where
        V: Send + 'static,
        S: Shape,
        T: Data,
        W: Work<K, T, Out = Z::Record<U>>,
        P: Prepared<K, V, S, Travels = T>,
        U: Send + 'static,
        Z: Shape,
    {
        let Self { operator, cell, work, trackers, held } = self;
        let Stream { plan, node: parent, rule } = parent;
        let changes = Accumulator::default();
        let stored = (Arc::clone(&cell) as Arc<dyn StateCell>, changes.clone());
        let node = add(&plan, operator, parent, info, stored, held.clone());
        let work: Arc<dyn Work<K, T, Out = Z::Record<U>>> = work;
        let initial = Arc::clone(&work);
        cell.begin_with(move |store| fill(&*initial, store));
        let (prepare, lists) =
            (Arc::new(route.prepare(&Place { plan: &plan, node, trackers: &trackers })), Arc::new(Lists::new()));
        let (of_tasks, pace) = (Arc::clone(&lists), Pace::default());
        let doing = Arc::new(StateTask { cell, work, trackers, changes, lists: of_tasks, held, pace });
        Stream::new(plan, node, move |batch| {
            let parent = rule.rdd(batch)?;
            let space = batch.key_space();
            let partitions = space.parts(parent.node().context().parallelism());
            let operator = batch.operator(node).clone();
            let (lists, prepare) = (Arc::clone(&lists), Arc::clone(&prepare));
            let side = StateSide { space, partitions, lists, prepare, operator };
            let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
            Ok(rdd::work(batch, node, shuffle, Arc::clone(&doing)))
        })
    }
}

/// Fills a new store; returns how many entries there are then.
fn fill<K: Key, T: 'static, O: Send + 'static>(
    work: &dyn Work<K, T, Out = O>,
    store: &KeyedStore<K>,
) -> crate::Result<u64> {
    let new = NewState::new(store);
    work.initialize(&new)?;
    let mut changes = Changes::default();
    if !new.is_touched() {
        return Ok(0);
    }
    for group in store.key_space().owned().iter() {
        changes += work.changes(&mut store.lock(group))?;
    }
    Ok(changes.inserted.saturating_sub(changes.removed))
}

/// Adds the node, with its state and what it says of itself.
fn add(
    plan: &Plan,
    operator: Operator,
    parent: NodeId,
    info: OperatorInfo,
    stored: (Arc<dyn StateCell>, StateChanges),
    held: Option<Arc<Tracker>>,
) -> NodeId {
    let OperatorInfo { kind: _, fold, settings, refused, needs_time, fills, holds_back: _ } = info;
    let node = plan.change(|parts| {
        parts.states.push(stored);
        let role = Role::State(parts.states.len() - 1);
        let node = PlanNode::operator(operator, &[parent], Width::Wide).with_role(role).with_settings(settings);
        parts.add(PlanNode { fold, held, ..node })
    });
    fills.into_iter().for_each(|side| plan.feed(side, node));
    let no_time = needs_time.map(|why| {
        format!("{why}, and its stream has no event time: put event_time before the key_by, or use processing time")
    });
    for reason in refused.into_iter().chain(no_time) {
        plan.refuse(node, reason);
    }
    node
}
