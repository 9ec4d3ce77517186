//! The plan: the program as data.
//!
//! Every operator is a node of one arena, made while the user builds and frozen when the job begins. A node has one name,
//! and everything that outlives the process (positions, watermarks, state) is stored under it.

mod batch;
mod explain;
mod facts;
mod input;
mod names;
mod node;
mod order;
mod output;
mod state;
mod table;

use std::any::Any;
use std::sync::Arc;

use firesteel_core::{Accumulator, Operator, RowCounts, Rows};
use firesteel_state::{KeyGroups, KeySpace};
use firesteel_window::WindowError;
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::refused::{Rejects, Samples};
use crate::split_numbers::SplitNumbers;
use crate::time::{Alignment, Allowance, FiredCount, Tracker};

pub use batch::Batch;
pub use explain::{Explain, ExplainOperator, ExplainRole, ExplainStage};
pub(crate) use facts::{Computed, Facts};
pub use input::BatchLimits;
pub(crate) use input::{Admission, Admitted, Bound, Input};
pub(crate) use node::{NodeId, PlanNode, Role, Width};
pub(crate) use order::LAST;
pub(crate) use output::{Output, Staged};
pub(crate) use state::{Called, Changed, StateCell, StateChanges};
pub(crate) use table::{TableCell, range_name};

/// A program under construction: what a context's streams share.
#[derive(Default)]
pub(crate) struct Plan {
    parts: Mutex<Parts>,
}

/// The nodes, and what some of them hold.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) nodes: Vec<PlanNode>,
    pub(crate) inputs: Vec<Box<dyn Input>>,
    pub(crate) split_numbers: SplitNumbers,
    pub(crate) outputs: Vec<Box<dyn Output>>,
    pub(crate) trackers: Vec<Arc<Tracker>>,
    /// What brings several of them together, those before those that bring them together again.
    pub(crate) merged: Vec<Arc<Tracker>>,
    pub(crate) counters: Vec<Counted>,
    /// Some of the records that operators refuse.
    pub(crate) samples: Vec<Arc<Samples>>,
    /// All of them, where somebody reads them.
    pub(crate) rejects: Rejects,
    pub(crate) fired: Vec<FiredCount>,
    /// How long windows stay, of the operators that keep them after they have fired.
    pub(crate) allowances: Vec<(NodeId, Arc<Allowance>)>,
    /// The operators' states, with what takes note of their changes.
    pub(crate) states: Vec<(Arc<dyn StateCell>, StateChanges)>,
    /// The tables that are loaded.
    pub(crate) tables: Vec<Arc<dyn TableCell>>,
    /// What must hold before the job starts and does not, found while the program was built.
    pub(crate) faults: Vec<(NodeId, Fault)>,
}

/// What is wrong with an operator.
pub(crate) enum Fault {
    /// It does not fit together, for this reason.
    Setting(String),
    /// Its window or watermark cannot work.
    Window(WindowError),
}

/// Something that an operator counts and that is reported per batch.
pub(crate) struct Counted {
    pub(crate) node: NodeId,
    pub(crate) what: What,
    pub(crate) count: Accumulator<u64>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Malformed,
    Late,
    Outside,
    Unmatched,
    FiredEarly,
    FiredLate,
}

impl Plan {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Parts) -> T) -> T {
        change(&mut self.parts.lock())
    }

    /// Adds an operator after its parents.
    pub(crate) fn add(&self, operator: Operator, parents: &[NodeId], width: Width) -> NodeId {
        self.change(|parts| parts.add(PlanNode::operator(operator, parents, width)))
    }

    /// Gives a node its name.
    pub(crate) fn name(&self, node: NodeId, name: &str) {
        self.change(|parts| {
            let operator = &mut parts.nodes[node.index()].operator;
            *operator = operator.clone().named(name);
        });
    }

    /// Has the records of a node kept for several consumers, by what knows their type.
    pub(crate) fn keep(&self, node: NodeId, keeper: Arc<dyn Any + Send + Sync>) {
        self.change(|parts| parts.nodes[node.index()].keeper = Some(keeper));
    }

    /// Notes that the watermarks upstream of a node say nothing of what comes after it.
    pub(crate) fn end_time(&self, node: NodeId) {
        self.change(|parts| parts.nodes[node.index()].ends_time = true);
    }

    /// Notes that an operator fills a side output.
    pub(crate) fn feed(&self, side: NodeId, from: NodeId) {
        self.change(|parts| parts.nodes[side.index()].parents.push(from));
    }

    /// Gives a node the version that the program's author says it has.
    pub(crate) fn set_version(&self, node: NodeId, version: u32) {
        self.change(|parts| parts.nodes[node.index()].version = version);
    }

    /// What a node is called while the program is built.
    pub(crate) fn operator(&self, node: NodeId) -> Operator {
        self.change(|parts| parts.nodes[node.index()].operator.clone())
    }

    /// Notes what must hold before the job starts and does not.
    pub(crate) fn refuse(&self, node: NodeId, reason: String) {
        self.change(|parts| parts.faults.push((node, Fault::Setting(reason))));
    }

    /// The same of windows, of which nothing may be wrong.
    pub(crate) fn refuse_windows(&self, node: NodeId, refused: Option<WindowError>) {
        self.change(|parts| parts.faults.extend(refused.map(|refused| (node, Fault::Window(refused)))));
    }

    /// Notes what a node counts.
    pub(crate) fn count(&self, node: NodeId, what: What, count: Accumulator<u64>) {
        self.change(|parts| parts.counters.push(Counted { node, what, count }));
    }

    /// Notes how long the windows of a node stay.
    pub(crate) fn allow(&self, node: NodeId, allowance: &Arc<Allowance>) {
        self.change(|parts| parts.allowances.push((node, Arc::clone(allowance))));
    }

    /// What keeps some of the records that one operator refuses.
    pub(crate) fn samples(&self) -> Arc<Samples> {
        let samples = Arc::<Samples>::default();
        self.change(|parts| parts.samples.push(Arc::clone(&samples)));
        samples
    }

    /// Where all records are put that operators refuse.
    pub(crate) fn rejects(&self) -> Rejects {
        self.change(|parts| parts.rejects.clone())
    }

    /// What notes the windows that one operator fires.
    pub(crate) fn fired(&self) -> FiredCount {
        let fired = FiredCount::default();
        self.change(|parts| parts.fired.push(fired.clone()));
        fired
    }

    /// Brings together the watermarks of a node's parents, if they have several.
    pub(crate) fn merge_watermarks(&self, node: NodeId) {
        self.change(|parts| {
            let of = parts.trackers_of(node);
            if of.iter().filter(|part| part.is_own()).count() < 2 {
                return;
            }
            let known = parts.merged.iter().find(|merged| merged.merges(&of)).cloned();
            let merged = known.unwrap_or_else(|| {
                let merged = Arc::new(Tracker::merging(of));
                parts.merged.push(Arc::clone(&merged));
                merged
            });
            parts.nodes[node.index()].merged = Some(merged);
        });
    }

    /// The watermarks that hold for the records of a node: those of the nearest operators that say when records
    /// happened.
    pub(crate) fn trackers(&self, node: NodeId) -> Arc<[Arc<Tracker>]> {
        self.change(|parts| parts.trackers_of(node).into())
    }

    /// The same for a stream with or without event time: none where records do not know when they happened.
    pub(crate) fn trackers_for(&self, node: NodeId, has_time: bool) -> Arc<[Arc<Tracker>]> {
        if has_time { self.trackers(node) } else { Arc::new([]) }
    }
}

impl Parts {
    /// How long windows stay, each with the name of its operator.
    pub(crate) fn allowances(&self) -> impl Iterator<Item = (&str, &Allowance)> {
        let name = |node: &NodeId| self.nodes[node.index()].stored_as.as_deref();
        self.allowances.iter().filter_map(move |(node, allowance)| Some((name(node)?, &**allowance)))
    }

    pub(crate) fn add(&mut self, node: PlanNode) -> NodeId {
        self.nodes.push(node);
        NodeId::of(self.nodes.len() - 1)
    }

    /// Makes the program of this job whole, as often as it is asked for: what must hold does, everything has its name, and
    /// outputs stand in the order in which they run.
    ///
    /// # Errors
    /// When the program does not fit together, or has no output.
    pub(crate) fn settle(&mut self, job: &str, durable: bool) -> Result<Settled> {
        self.check()?;
        self.check_alignment()?;
        if self.outputs.is_empty() {
            return Err(Error::NoOutput { job: job.to_owned() });
        }
        self.resolve_names(durable)?;
        Ok(Settled { levels: self.sort_outputs()?, names: self.name_outputs() })
    }

    /// The first thing that does not hold, under the name that the operator has by now.
    fn check(&self) -> Result<()> {
        let Some((node, fault)) = self.faults.first() else { return self.check_length() };
        let operator = self.nodes[node.index()].operator.to_string();
        Err(match fault {
            Fault::Setting(reason) => Error::Setting { what: operator, reason: reason.clone() },
            Fault::Window(source) => Error::Window { operator, source: source.clone() },
        })
    }

    /// Makes sure that nobody waits forever for a split that is silent.
    fn check_alignment(&self) -> Result<()> {
        let alignment = Alignment::new(&self.trackers, &self.merged);
        let Some((silent, waits)) = alignment.without_idle(&self.trackers) else { return Ok(()) };
        let follows = |tracker| self.nodes.iter().find(|node| node.role == Role::EventTime(tracker));
        let [silent, waits] =
            [silent, waits].map(|of| follows(of).map(|node| node.operator.to_string()).unwrap_or_default());
        let reason = format!(
            "splits are compared with those of {waits}, which wait for others by `align_within`, and a silent one would hold them forever: \
             give its watermark an `idle_after`"
        );
        Err(Error::Setting { what: silent, reason })
    }

    /// What batches need to know of the nodes.
    pub(crate) fn frozen(&self, timers_limit: u64) -> Arc<Frozen> {
        let operators = self.nodes.iter().map(|node| node.operator.clone()).collect();
        let keepers = self.nodes.iter().map(|node| node.keeper.clone()).collect();
        let outputs = self.nodes.iter().map(|node| node.role == Role::Output).collect();
        let space = Mutex::new(KeySpace::whole(KeyGroups::default()));
        Arc::new(Frozen { operators, keepers, outputs, rows: Accumulator::new(RowCounts), timers_limit, space })
    }
}

/// The outputs of a program that is complete, in the order in which they run.
pub(crate) struct Settled {
    /// Those of a level run after those of the level before, whose side outputs they read.
    pub(crate) levels: Vec<usize>,
    /// What each is called.
    pub(crate) names: Vec<Arc<str>>,
}

/// A program that is complete, as its batches see it: by node.
pub(crate) struct Frozen {
    /// What tasks name in messages.
    operators: Box<[Operator]>,
    /// What keeps records for several consumers.
    keepers: Box<[Option<Arc<dyn Any + Send + Sync>>]>,
    /// Whether it is an output.
    outputs: Box<[bool]>,
    /// The records that each node has handed on in the batch at hand.
    rows: Rows,
    /// About how many due timers of an operator fire in a batch.
    timers_limit: u64,
    /// Where keys are, once state is opened. It changes between two batches only.
    space: Mutex<KeySpace>,
}

impl Frozen {
    pub(crate) fn key_space(&self) -> KeySpace {
        *self.space.lock()
    }

    pub(crate) fn place_keys(&self, space: KeySpace) {
        *self.space.lock() = space;
    }

    pub(crate) fn operator(&self, node: NodeId) -> &Operator {
        &self.operators[node.index()]
    }

    pub(crate) fn is_output(&self, node: NodeId) -> bool {
        self.outputs[node.index()]
    }

    pub(crate) fn timers_limit(&self) -> u64 {
        self.timers_limit
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(crate) fn keeper<K: Copy + 'static>(&self, node: NodeId) -> Option<K> {
        self.keepers[node.index()].as_ref().and_then(|keeper| keeper.downcast_ref().copied())
    }
}
