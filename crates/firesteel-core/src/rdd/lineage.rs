//! The lineage graph: what the scheduler sees of a program.

use std::any::Any;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ids::{PartitionerId, RddId, ShuffleId};
use crate::operator::Operator;
use crate::rdd::Context;
use crate::task::{TaskContext, TaskOutput};

/// Where a partition would best be computed: a host, an executor. Empty for data that is everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location(pub Arc<str>);

/// What every RDD carries: its number, its operator, its context.
pub struct Node {
    id: RddId,
    operator: Operator,
    context: Context,
    /// How long the lineage is up to here; 0 as long as nobody has asked.
    length: AtomicU32,
}

impl Clone for Node {
    fn clone(&self) -> Self {
        let (operator, context) = (self.operator.clone(), self.context.clone());
        Self { id: self.id, operator, context, length: self.length.load(Ordering::Relaxed).into() }
    }
}

impl Node {
    /// A fresh node of the lineage graph.
    #[must_use]
    pub fn new(context: &Context, operator: Operator) -> Self {
        Self { id: context.next_rdd_id(), operator, context: context.clone(), length: AtomicU32::new(0) }
    }

    /// The RDD's number.
    #[must_use]
    pub fn id(&self) -> RddId {
        self.id
    }

    /// What computes the RDD.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The context it belongs to.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Gives the operator a name.
    pub fn set_name(&mut self, name: impl Into<Arc<str>>) {
        self.operator = self.operator.clone().named(name);
    }

    /// Says what computes the RDD, where it is not the method that made it: an operator built from several.
    pub fn set_operator(&mut self, operator: Operator) {
        self.operator = operator;
    }

    fn length(&self) -> Option<u32> {
        let length = self.length.load(Ordering::Relaxed);
        (length > 0).then_some(length)
    }

    /// Remembers how long the lineage is before it.
    fn comes_after(&self, longest: u32) -> u32 {
        let length = longest.saturating_add(1);
        self.length.store(length, Ordering::Relaxed);
        length
    }

    /// That of an RDD that no lineage can be made from.
    pub(super) fn beyond(context: &Context, operator: Operator) -> Self {
        Self { length: AtomicU32::new(u32::MAX), ..Self::new(context, operator) }
    }

    /// Sets what jobs over this RDD and over those made from it default to.
    pub fn set_context(&mut self, context: Context) {
        self.context = context;
    }
}

/// What an RDD is made from.
pub enum Dependency<'a> {
    /// Each partition needs a bounded set of the parent's partitions: both run in one task.
    Narrow(&'a dyn Lineage),
    /// Each partition needs records of every partition of the parent: a stage ends here.
    Shuffle(&'a Arc<dyn ShuffleDependency>),
}

/// The untyped side of an RDD: four of its five properties, all but the compute function.
///
/// The scheduler cuts any graph of these into stages; it never sees a record.
pub trait Lineage: Send + Sync + 'static {
    /// Number, operator and context.
    fn node(&self) -> &Node;

    /// For renaming the operator.
    fn node_mut(&mut self) -> &mut Node;

    /// Into how many partitions the data is cut.
    fn num_partitions(&self) -> usize;

    /// Calls `visit` for each parent, in a fixed order.
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>));

    /// How many RDDs are made one from another up to this one. The answer is remembered: who asks now and then while a
    /// lineage grows never goes back far.
    fn length(&self) -> u32 {
        if let Some(known) = self.node().length() {
            return known;
        }
        let mut longest = 0;
        self.dependencies(&mut longest_of(&mut longest));
        self.node().comes_after(longest)
    }

    /// How keys are placed, if the RDD promises that equal keys share a partition.
    fn partitioner(&self) -> Option<PartitionerId> {
        None
    }

    /// The same as a [`Placement`](crate::Placement) of the RDD's keys, where it is known: for going to the one
    /// partition of a key. Ask through [`Placement::known`](crate::Placement::known).
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Where the partition would best be computed, best first.
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        let _ = split;
        Vec::new()
    }

    /// About how many records the partition has to go through, where that is known without computing it. The
    /// scheduler sizes tasks by it; it is asked after all parent stages have run.
    fn size_hint(&self, split: usize) -> Option<u64> {
        let _ = split;
        None
    }

    /// Whether all partitions can be had without computing the parents: the scheduler then skips their stages.
    fn is_materialized(&self) -> bool {
        false
    }

    /// Whether computing one partition may compute a parent's partition more than once. Shuffles below it keep their
    /// output until the RDD is dropped.
    fn repeats_parents(&self) -> bool {
        false
    }

    /// Whether computing a partition changes something outside of it, such as keyed state. Such tasks never run twice
    /// at the same time.
    fn is_stateful(&self) -> bool {
        false
    }

    /// Whether computing a partition needs to know the position of each record in its source. It is asked of what is
    /// computed in one task; [`TaskContext::want_positions`](crate::TaskContext::want_positions) follows from it.
    fn wants_positions(&self) -> bool {
        let mut wants = false;
        self.dependencies(&mut |dependency| {
            if let Dependency::Narrow(parent) = dependency {
                wants |= parent.wants_positions();
            }
        });
        wants
    }
}

/// Takes note of the longest lineage. Apart from [`Lineage::length`], which is compiled for each kind of RDD.
fn longest_of(longest: &mut u32) -> impl FnMut(Dependency<'_>) {
    |dependency| {
        *longest = (*longest).max(match dependency {
            Dependency::Narrow(parent) => parent.length(),
            Dependency::Shuffle(shuffle) => shuffle.parent().length(),
        });
    }
}

/// The lineage as text: one line per RDD, a deeper indent after each shuffle, as Spark prints it.
///
/// `(4)` is a number of partitions, `+-(8)` marks a shuffle from eight partitions.
#[must_use]
pub fn to_debug_string(rdd: &dyn Lineage) -> String {
    let mut text = String::new();
    write_lineage(rdd, 0, None, &mut text);
    text
}

fn write_lineage(rdd: &dyn Lineage, depth: usize, shuffle_from: Option<usize>, text: &mut String) {
    for _ in 0..depth {
        text.push_str(" |  ");
    }
    match shuffle_from {
        Some(maps) => drop(write!(text, "+-({maps}) ")),
        None => drop(write!(text, "({}) ", rdd.num_partitions())),
    }
    let node = rdd.node();
    let _ = write!(text, "[{}] {}", node.id().number(), node.operator());
    if rdd.is_materialized() {
        text.push_str(" [stored]");
    }
    text.push('\n');
    rdd.dependencies(&mut |dependency| match dependency {
        Dependency::Narrow(parent) => write_lineage(parent, depth, None, text),
        Dependency::Shuffle(shuffle) => write_lineage(shuffle.parent(), depth + 1, Some(shuffle.num_maps()), text),
    });
}

/// A shuffle as the scheduler sees it.
pub trait ShuffleDependency: Send + Sync + 'static {
    /// The shuffle's number.
    fn id(&self) -> ShuffleId;

    /// The RDD on the map side.
    fn parent(&self) -> &dyn Lineage;

    /// Partitions on the map side.
    fn num_maps(&self) -> usize;

    /// Partitions on the reduce side.
    fn num_reduces(&self) -> usize;

    /// Computes a partition of the parent and sorts it into buckets. Runs in a task.
    fn run_map(&self, split: usize, task: &TaskContext) -> TaskOutput;

    /// Takes what [`run_map`](Self::run_map) left. Returns whether that partition came in for the first time: only
    /// then does what its task counted count.
    fn accept(&self, split: usize, output: TaskOutput) -> bool;

    /// The map partitions whose output is not there, or not there any more.
    fn missing(&self) -> Vec<usize>;

    /// Forgets the output of a map partition, because some of it could not be read.
    fn discard(&self, split: usize);

    /// How many records a reduce partition will read.
    fn reduce_len(&self, reduce: usize) -> u64;

    /// Whether each bucket is read only once and may be moved out.
    fn set_single_use(&self, single_use: bool);
}
