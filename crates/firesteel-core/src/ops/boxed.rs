//! `boxed`: any RDD of a given record type, behind one type.

use std::any::Any;
use std::sync::Arc;

use crate::block::{Blocks, Driven, Open, Step, StepContext, Upstream};
use crate::ids::PartitionerId;
use crate::link::Link;
use crate::operator::Operator;
use crate::ops::macros::lineage_of_inner;
use crate::rdd::{Beyond, Context, Dependency, LONGEST, Lineage, Location, NoRecords, Node, Rdd, ShuffleDependency};
use crate::task::{RowCounter, Rows, TaskContext};

/// An RDD of `T`s whose operators the type does not tell: for a field, a return type, a list of RDDs.
///
/// Within a stage, records cross it in blocks of up to a thousand: a virtual call per block, and a few tenths of a
/// nanosecond per record. Across shuffles it costs nothing.
pub struct BoxRdd<T> {
    /// Where the context or the name differ from the inner one's.
    node: Option<Box<Node>>,
    records: Records<T>,
    /// Dropped after the records, so that what both of them hold goes with this.
    inner: Link<dyn Lineage>,
}

/// How the records of an RDD are had, and where they are counted.
struct Records<T> {
    open: Arc<dyn Open<T>>,
    counter: Option<RowCounter>,
}

impl<T: 'static> Records<T> {
    fn uncounted(open: Arc<dyn Open<T>>) -> Self {
        Self { open, counter: None }
    }

    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Upstream<'a, T> {
        Upstream::new(self.open.open(split, task), self.counter.as_ref(), task)
    }
}

impl<T> Clone for Records<T> {
    fn clone(&self) -> Self {
        Self { open: Arc::clone(&self.open), counter: self.counter.clone() }
    }
}

impl<T: Send + 'static> BoxRdd<T> {
    /// `rdd` behind this type.
    #[must_use]
    pub fn new<R: Rdd<Item = T>>(rdd: R) -> Self {
        if rdd.length() > LONGEST { Self::beyond(&rdd) } else { Self::of(Arc::new(rdd)) }
    }

    /// In place of an RDD whose lineage is too long.
    #[cold]
    #[inline(never)]
    fn beyond(rdd: &dyn Lineage) -> Self {
        let node = rdd.node();
        let inner = Beyond::new(node.context(), node.operator().clone(), rdd.num_partitions());
        Self { node: None, inner: Link::to(Arc::new(inner)), records: Records::uncounted(Arc::new(NoRecords)) }
    }

    fn of<R: Rdd<Item = T>>(rdd: Arc<R>) -> Self {
        Self { node: None, inner: Link::to(Arc::clone(&rdd) as Arc<dyn Lineage>), records: Records::uncounted(rdd) }
    }

    /// What a step makes of the records of `parent`, partition by partition. `keeps_keys`: keys stay as and where they
    /// are.
    #[must_use]
    #[inline(never)]
    pub fn step<P: Send + 'static>(
        parent: BoxRdd<P>,
        operator: &Operator,
        keeps_keys: bool,
        step: &Arc<dyn Step<P, T>>,
    ) -> Self {
        let node = Node::new(parent.node().context(), operator.clone());
        let wants_positions = step.wants_positions();
        let inner = Narrow { node, parent: parent.inner.share(), keeps_keys, wants_positions };
        let records = Stepped { parent: parent.records, operator: operator.clone(), step: Arc::clone(step) };
        Self { node: None, inner: Link::to(Arc::new(inner)), records: Records::uncounted(Arc::new(records)) }
    }

    /// What `records` makes of the output of a shuffle, where computing a partition changes something outside of it.
    #[must_use]
    pub fn stateful(
        context: &Context,
        operator: &Operator,
        dependency: Arc<dyn ShuffleDependency>,
        records: Arc<dyn Open<T>>,
    ) -> Self {
        let node = Node::new(context, operator.clone());
        let inner = Stateful { node, dependency };
        Self { node: None, inner: Link::to(Arc::new(inner)), records: Records::uncounted(records) }
    }

    /// The same RDD, whose records are counted as those of the operator of this number, each time they are computed.
    #[must_use]
    #[inline(never)]
    pub fn counted(self, rows: &Rows, operator: usize) -> Self {
        // Where an operator hands on what it gets, both count.
        let mut rdd = if self.records.counter.is_some() { Self::new(self) } else { self };
        rdd.records.counter = Some(RowCounter { rows: rows.clone(), operator });
        rdd
    }
}

impl<T: 'static> BoxRdd<T> {
    /// The records of a partition. Whoever takes them asks the task then, before the first of them, whether to take them
    /// one by one.
    fn opened<'a>(&'a self, split: usize, task: &'a TaskContext) -> Upstream<'a, T> {
        if self.inner.wants_positions() {
            task.want_positions();
        }
        self.records.open(split, task)
    }
}

impl<T> Clone for BoxRdd<T> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), inner: self.inner.clone(), records: self.records.clone() }
    }
}

impl<T: Send + 'static> Lineage for BoxRdd<T> {
    fn node(&self) -> &Node {
        self.node.as_deref().unwrap_or_else(|| self.inner.node())
    }
    fn node_mut(&mut self) -> &mut Node {
        self.node.get_or_insert_with(|| Box::new(self.inner.node().clone()))
    }
    lineage_of_inner!();
}

impl<T: Send + 'static> Rdd for BoxRdd<T> {
    type Item = T;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = T> + 'a {
        Driven::new(self.opened(split, task), task)
    }

    fn blocks<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<T> + 'a> {
        Box::new(self.opened(split, task))
    }
}

/// The lineage of a step: whatever its records are, it is the same code.
struct Narrow {
    node: Node,
    parent: Arc<dyn Lineage>,
    keeps_keys: bool,
    wants_positions: bool,
}

impl Lineage for Narrow {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.parent.num_partitions()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&*self.parent));
    }
    fn partitioner(&self) -> Option<PartitionerId> {
        if self.keeps_keys { self.parent.partitioner() } else { None }
    }
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        if self.keeps_keys { self.parent.placement() } else { None }
    }
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        self.parent.preferred_locations(split)
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        self.parent.size_hint(split)
    }
    fn wants_positions(&self) -> bool {
        self.wants_positions || self.parent.wants_positions()
    }
}

/// The records of a step.
struct Stepped<P, T> {
    parent: Records<P>,
    operator: Operator,
    step: Arc<dyn Step<P, T>>,
}

impl<P: 'static, T: 'static> Open<T> for Stepped<P, T> {
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<T> + 'a> {
        StepContext::open(&self.step, &self.operator, task, self.parent.open(split, task))
    }
}

/// The lineage of what comes out of a shuffle and changes state.
struct Stateful {
    node: Node,
    dependency: Arc<dyn ShuffleDependency>,
}

impl Lineage for Stateful {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.dependency.num_reduces()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Shuffle(&self.dependency));
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        Some(self.dependency.reduce_len(split))
    }
    fn is_stateful(&self) -> bool {
        true
    }
}
