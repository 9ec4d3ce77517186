//! The stream of an operator with state.

use std::sync::Arc;

use firesteel_core::shuffle::Shuffle;
use firesteel_core::{Accumulator, Data, Key, Lineage, Operator};
use firesteel_state::Declaration;

use crate::plan::{NodeId, Plan, PlanNode, Role, Width};
use crate::shape::Shape;
use crate::state::lists::Lists;
use crate::state::rdd::{self, StateTask};
use crate::state::side::{Prepare, StateSide};
use crate::state::work::{StateChanges, Work};
use crate::state::{StateCell, StoreCell};
use crate::stream::Stream;
use crate::time::{KEY_GROUPS, Tracker};

/// An operator with state under construction: what `work` makes of the records that `prepare` makes of a stream's.
pub(crate) struct Stateful<K: Key, W, P> {
    pub(crate) operator: Operator,
    pub(crate) cell: Arc<StoreCell<K>>,
    pub(crate) work: W,
    pub(crate) prepare: P,
    /// The watermarks that it goes by.
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
}

impl<K: Key, W, P> Stateful<K, W, P> {
    /// `declare` declares the operator's state and makes the work that uses it.
    pub(crate) fn new(operator: Operator, prepare: P, declare: impl FnOnce(&mut Declaration<K>) -> W) -> Self {
        let mut declaration = Declaration::new(operator.kind().to_owned());
        let work = declare(&mut declaration);
        Self { operator, cell: StoreCell::new(declaration), work, prepare, trackers: Arc::new([]) }
    }

    /// The operator after `parent`.
    pub(crate) fn after<V, T, S, U, Z>(self, parent: Stream<(K, V), S>) -> Stream<U, Z>
    where
        V: Send + 'static,
        S: Shape,
        T: Data,
        W: Work<K, T, Out = Z::Record<U>>,
        P: Prepare<S::Record<(K, V)>, K, T>,
        U: Send + 'static,
        Z: Shape,
    {
        let Self { operator, cell, work, prepare, trackers } = self;
        let Stream { plan, node: parent, rule } = parent;
        let changes = Accumulator::default();
        let node = add(&plan, operator, parent, Arc::clone(&cell) as _, changes.clone());
        let (prepare, lists) = (Arc::new(prepare), Arc::new(Lists::new()));
        let work: Arc<dyn Work<K, T, Out = Z::Record<U>>> = Arc::new(work);
        let doing = StateTask { cell, work, trackers, changes, lists: Arc::clone(&lists) }.paced();
        Stream::new(plan, node, move |batch| {
            let parent = rule.rdd(batch)?;
            let partitions = parent.node().context().parallelism().min(KEY_GROUPS);
            let operator = batch.operator(node).clone();
            let side = StateSide { partitions, lists: Arc::clone(&lists), prepare: Arc::clone(&prepare), operator };
            let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
            Ok(rdd::work(batch, node, shuffle, Arc::clone(&doing)))
        })
    }
}

/// Adds the node, with its state.
fn add(plan: &Plan, operator: Operator, parent: NodeId, cell: Arc<dyn StateCell>, changes: StateChanges) -> NodeId {
    plan.change(|parts| {
        parts.states.push((cell, changes));
        let role = Role::State(parts.states.len() - 1);
        parts.add(PlanNode::operator(operator, &[parent], Width::Wide).with_role(role))
    })
}
