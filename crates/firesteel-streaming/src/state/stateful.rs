//! The stream of an operator with state.

use std::sync::Arc;

use firesteel_core::{Accumulator, Exchange, Key, Lineage, Operator};
use firesteel_state::Declaration;

use crate::batch::Batch;
use crate::error::Result;
use crate::rest::Rest;
use crate::state::lists::Lists;
use crate::state::rdd::{Doing, StatefulRdd};
use crate::state::side::{Plain, Prepare, StateSide};
use crate::state::work::{ChangesOf, Work};
use crate::state::{StateCell, StoreCell, state_name};
use crate::stream::{DStream, Origins, Stream};
use crate::time::{KEY_GROUPS, Tracker};

/// The stream of an operator with state: what `W` makes of the records `T` under keys `K`, which `P` makes of what `D`
/// yields.
pub struct Stateful<D, K: Key, T, W, P = Plain> {
    parent: D,
    operator: Operator,
    pub(crate) cell: Arc<StoreCell<K>>,
    work: Arc<W>,
    prepare: Arc<P>,
    trackers: Arc<[Arc<Tracker>]>,
    lists: Arc<Lists<K, T>>,
    changes: Accumulator<ChangesOf>,
    rest: Arc<Rest>,
}

impl<D, K, T, W, P> Stateful<D, K, T, W, P>
where
    D: DStream,
    K: Key,
    T: Exchange,
    W: Work<K, T>,
    P: Prepare<D::Item, K, T>,
{
    /// Adds an operator with state behind `parent`. `declare` declares its state and makes the work that uses it.
    pub(crate) fn stream(
        parent: Stream<D>,
        operator: Operator,
        trackers: Arc<[Arc<Tracker>]>,
        prepare: P,
        declare: impl FnOnce(&mut Declaration<K>) -> W,
    ) -> Stream<Self> {
        let Stream { graph, node: parent } = parent;
        let mut declaration = Declaration::new(state_name(&graph, &operator));
        declaration.kind(operator.kind());
        let work = Arc::new(declare(&mut declaration));
        let cell = StoreCell::new(declaration, operator.is_named());
        let changes = Accumulator::new();
        graph.change(|parts| parts.states.push((Arc::clone(&cell) as Arc<dyn StateCell>, changes.clone())));
        let rest = graph.rest(operator.clone());
        let (prepare, lists) = (Arc::new(prepare), Arc::new(Lists::new()));
        let node = Self { parent, operator, cell, work, prepare, trackers, lists, changes, rest };
        Stream { graph, node }
    }
}

impl<D, K: Key, T, W, P> Stateful<D, K, T, W, P> {
    /// The work.
    pub(crate) fn work(&self) -> &W {
        &self.work
    }

    /// The work, to be set up further while the program is built.
    pub(crate) fn work_mut(&mut self) -> &mut W {
        Arc::get_mut(&mut self.work).expect("nothing runs while the program is built")
    }

    /// What is done before records travel, to be set up further while the program is built.
    pub(crate) fn prepare_mut(&mut self) -> &mut P {
        Arc::get_mut(&mut self.prepare).expect("nothing runs while the program is built")
    }

    /// What the operator is called.
    pub(crate) fn name(&self) -> String {
        self.operator.to_string()
    }

    /// What is before the operator.
    pub(crate) fn parent(&self) -> &D {
        &self.parent
    }
}

impl<D, K, T, W, P> DStream for Stateful<D, K, T, W, P>
where
    D: DStream,
    K: Key,
    T: Exchange,
    W: Work<K, T>,
    P: Prepare<D::Item, K, T>,
{
    type Item = W::Out;
    type Rdd = StatefulRdd<D::Rdd, K, T, W, P>;

    fn rdd(&self, batch: &Batch) -> Result<Self::Rdd> {
        let parent = self.parent.rdd(batch)?;
        let partitions = parent.node().context().parallelism().min(KEY_GROUPS);
        let doing = Doing {
            cell: Arc::clone(&self.cell),
            work: Arc::clone(&self.work),
            trackers: Arc::clone(&self.trackers),
            changes: self.changes.clone(),
        };
        let (lists, prepare) = (Arc::clone(&self.lists), Arc::clone(&self.prepare));
        let side = StateSide { partitions, lists, prepare };
        let rdd = StatefulRdd::new(parent, &self.operator, batch, side, doing);
        self.rest.set(rdd.clone(), rdd.computed(), batch.context());
        Ok(rdd)
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn renamed(&mut self) {
        self.cell.rename(self.operator.name());
    }
    fn trace(&self, origins: &mut Origins) {
        self.parent.trace(origins);
        origins.shuffled = true;
    }
}
