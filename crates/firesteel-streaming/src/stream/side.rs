//! Side outputs: a second stream out of an operator.

use std::sync::Arc;

use firesteel_core::ops::SliceRdd;
use firesteel_core::{Accumulator, Data, FlatMapStep, Operator, RddOps};
use firesteel_window::List;

use crate::plan::{NodeId, Plan, PlanNode, Role, Width};
use crate::stream::{Shape, Stream};

/// Where an operator puts records that are not part of its own stream: malformed ones, late ones, diverted ones.
///
/// Made by [`StreamingContext::side_output`](crate::StreamingContext::side_output). The records of a batch are those
/// which the batch's other outputs produced; an operator that no output needs feeds nothing.
pub struct SideOutput<T: Data> {
    plan: Arc<Plan>,
    node: NodeId,
    records: Accumulator<T, List>,
}

impl<T: Data> Clone for SideOutput<T> {
    fn clone(&self) -> Self {
        Self { plan: Arc::clone(&self.plan), node: self.node, records: self.records.clone() }
    }
}

impl<T: Data> std::fmt::Debug for SideOutput<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SideOutput({})", self.plan.operator(self.node).name())
    }
}

impl<T: Data> SideOutput<T> {
    #[track_caller]
    pub(crate) fn new(plan: &Arc<Plan>, name: &str) -> Self {
        Self::filled(plan, name, false)
    }

    /// A side output that is filled by the batch loop itself, after all outputs but those that read it.
    #[track_caller]
    pub(crate) fn last(plan: &Arc<Plan>, name: &str) -> Self {
        Self::filled(plan, name, true)
    }

    #[track_caller]
    fn filled(plan: &Arc<Plan>, name: &str, last: bool) -> Self {
        let operator = Operator::here("side_output").named(name);
        let node = PlanNode::operator(operator, &[], Width::Narrow).with_role(Role::SideOutput { last });
        let node = plan.change(|parts| parts.add(node));
        Self { plan: Arc::clone(plan), node, records: Accumulator::default() }
    }

    /// The stream of what was put here. It can be had several times: each has all of it.
    #[track_caller]
    pub fn stream(&self) -> Stream<T> {
        let name = self.plan.operator(self.node);
        let operator = Operator::here("side_output").named(name.name());
        let node = self.plan.add(operator, &[self.node], Width::Narrow);
        let (side, records) = (self.node, self.records.clone());
        Stream::new(Arc::clone(&self.plan), node, move |batch| {
            // Taken once, for all streams that read it.
            let take = || -> crate::Result<Arc<[Vec<T>]>> { Ok([records.take()].into()) };
            let taken = batch.facts().get_or(side, take)?;
            Ok(SliceRdd::new(batch.context(), batch.operator(node).clone(), taken).boxed())
        })
    }

    /// Its node: whoever fills it is a parent of that.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// Puts a record here. For operators: in a task it counts when the task succeeds, and the operator has said that it
    /// [fills](crate::operator::OperatorInfo::fills) this side output.
    pub fn emit(&self, record: T) {
        self.records.add(record);
    }
}

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Each record as `f` makes it; what `f` returns as an error goes to the side output instead.
    #[track_caller]
    pub fn divert<U, D, F>(self, side: &SideOutput<D>, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        D: Data,
        F: Fn(T) -> std::result::Result<U, D> + Send + Sync + 'static,
    {
        let output = side.clone();
        let step = FlatMapStep::new(move |record| {
            S::try_map(record, |record| f(record).map_err(|diverted| output.emit(diverted)).ok()).into_iter()
        });
        let diverted: Stream<U, S> = self.step(Operator::here("divert"), false, Arc::new(step));
        diverted.plan.feed(side.node, diverted.node);
        diverted
    }
}
