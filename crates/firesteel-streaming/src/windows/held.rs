//! What a windowed aggregation holds from batch to batch, and what it makes of one.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::Shuffle;
use firesteel_core::{Accumulator, Exchange, Key, Lineage, Open, Operator};
use firesteel_state::{Declaration, Setting, Windows};
use firesteel_window::{Aggregator, DisjointWindows, Duration, Timestamp, WindowAssigner, WindowError};

use crate::plan::{Batch, Fault, NodeId, Plan, PlanNode, Role, StateCell, StateChanges, What, Width};
use crate::state::StoreCell;
use crate::stream::LateOutput;
use crate::time::{FiredCount, Tracker, When, goes_by_clock, least};
use crate::windows::due::{Due, next_due};
use crate::windows::of_groups::OfGroups;
use crate::windows::rdd::{Firing, InBatch};
use crate::windows::recycle::Recycled;
use crate::windows::side::WindowSide;

/// A windowed aggregation in a program.
pub(super) struct Held<K: Key, V, A: Aggregator<V>> {
    node: NodeId,
    cell: Arc<StoreCell<K>>,
    windows: Windows<A::Acc>,
    trackers: Arc<[Arc<Tracker>]>,
    changes: StateChanges,
    late: Accumulator<u64>,
    late_output: Option<LateOutput<K, V>>,
    outside: Accumulator<u64>,
    fired: FiredCount,
    due: Arc<OfGroups<Due>>,
    aggregator: Arc<A>,
    recycled: Arc<Recycled<K, A::Acc>>,
}

impl<K, V, A> Held<K, V, A>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    /// Adds the aggregation to the program.
    pub(super) fn new(
        plan: &Plan,
        parent: NodeId,
        operator: Operator,
        windows: &impl WindowAssigner,
        aggregator: A,
        late: Option<(LateOutput<K, V>, NodeId)>,
    ) -> Self {
        let (states, about) = (Declaration::new(operator.kind()), About::of(windows, aggregator.kind().into_owned()));
        Self::declared(plan, parent, operator, (states, about), aggregator, late)
    }

    /// The same, with what is declared beside the windows, and what is said of them.
    pub(super) fn declared(
        plan: &Plan,
        parent: NodeId,
        operator: Operator,
        (mut states, about): (Declaration<K>, About),
        aggregator: A,
        late: Option<(LateOutput<K, V>, NodeId)>,
    ) -> Self {
        let changes = StateChanges::default();
        let held = states.windows::<A::Acc>("windows");
        let cell = StoreCell::new(states);
        let stored = (Arc::clone(&cell) as Arc<dyn StateCell>, changes.clone());
        let trackers = plan.trackers(parent);
        let kept = (stored, Arc::new(Tracker::holding(&trackers, Duration::ZERO)));
        let node = add(plan, parent, operator, about, kept);
        let due = Arc::new(OfGroups::new());
        if goes_by_clock(&trackers) {
            cell.wake(next_due(&due));
        }
        let late_count = Accumulator::default();
        let late_output = tells(plan, node, &late_count, late);
        Self {
            node,
            cell,
            windows: held,
            trackers,
            changes,
            late: late_count,
            late_output,
            outside: Accumulator::default(),
            fired: plan.fired(),
            due,
            aggregator: Arc::new(aggregator),
            recycled: Arc::new(Recycled::new()),
        }
    }

    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// The state.
    pub(super) fn cell(&self) -> &Arc<StoreCell<K>> {
        &self.cell
    }

    /// Records of windows that this watermark closes are late.
    pub(super) fn closed_by(&self) -> Timestamp {
        least(&self.trackers, When::AtStart)
    }

    /// Has records that are in no window counted.
    pub(super) fn count_outside(&self, plan: &Plan) {
        plan.count(self.node, What::Outside, self.outside.clone());
    }

    /// The RDD of what fires in the batch, as `open` says: records travel by `windows` that do not overlap, and are late for
    /// those that `closed_by` closes.
    pub(super) fn fire<W, T, R, O>(
        &self,
        batch: &Batch,
        parent: BoxRdd<(Timestamp, (K, V))>,
        (windows, closed_by): (W, Timestamp),
        present: fn(A::Out) -> Option<T>,
        open: impl FnOnce(InBatch<K, V, W, A, T>) -> O,
    ) -> BoxRdd<R>
    where
        W: DisjointWindows + Clone + Send + Sync + 'static,
        T: Send + 'static,
        R: Send + 'static,
        O: Open<R>,
    {
        let (operator, space) = (batch.operator(self.node), batch.key_space());
        let side = WindowSide {
            windows,
            aggregator: Arc::clone(&self.aggregator),
            operator: operator.clone(),
            closed_by,
            trackers: Arc::clone(&self.trackers),
            late: self.late.clone(),
            outside: self.outside.clone(),
            late_output: self.late_output.clone(),
            partitions: space.parts(parent.node().context().parallelism()),
            space,
            recycled: Arc::clone(&self.recycled),
            kind: PhantomData,
        };
        let firing = Firing {
            cell: Arc::clone(&self.cell),
            windows: self.windows,
            trackers: Arc::clone(&self.trackers),
            due: self.due.due(space),
            fired: self.fired.clone(),
            changes: self.changes.clone(),
        };
        let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
        let dependency = Arc::clone(&shuffle);
        batch.stateful(self.node, dependency, |computed| {
            open(InBatch { shuffle, operator: operator.clone(), firing, present, batch: batch.id(), computed })
        })
    }
}

/// What is said of windows, to people and to a checkpoint.
pub(super) struct About {
    pub(super) settings: Vec<Setting>,
    /// Why they cannot work.
    pub(super) refused: Option<WindowError>,
    pub(super) fold: String,
}

impl About {
    pub(super) fn of(windows: &impl WindowAssigner, fold: String) -> Self {
        // What is stored is windows: others would lie beside them.
        let settings = windows.settings().into_iter().map(|(name, value)| Setting::refused(name, value)).collect();
        Self { settings, refused: windows.validate().err(), fold }
    }
}

/// Has late records counted at a node, and told where that is asked for.
pub(super) fn tells<K, V>(
    plan: &Plan,
    node: NodeId,
    count: &Accumulator<u64>,
    late: Option<(LateOutput<K, V>, NodeId)>,
) -> Option<LateOutput<K, V>> {
    plan.count(node, What::Late, count.clone());
    late.map(|(output, side)| {
        plan.feed(side, node);
        output
    })
}

fn add(
    plan: &Plan,
    parent: NodeId,
    operator: Operator,
    About { settings, refused, fold }: About,
    (stored, held): ((Arc<dyn StateCell>, StateChanges), Arc<Tracker>),
) -> NodeId {
    plan.change(|parts| {
        parts.states.push(stored);
        let role = Role::State(parts.states.len() - 1);
        let node = PlanNode::operator(operator, &[parent], Width::Wide).with_role(role).with_settings(settings);
        let node = parts.add(PlanNode { fold: Some(fold), held: Some(held), ..node });
        parts.faults.extend(refused.map(|source| (node, Fault::Window(source))));
        node
    })
}
