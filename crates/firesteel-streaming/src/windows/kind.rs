//! The kinds of windows: what each makes of a keyed stream.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Accumulator, Exchange, Key, Lineage, Operator};
use firesteel_state::{Declaration, Setting, Windows};
use firesteel_window::{
    Aggregator, Disjoint, DisjointWindows, Session, Sliding, Tumbling, WindowAssigner, WindowError,
};

use crate::plan::{Fault, NodeId, Plan, PlanNode, Role, StateCell, StateChanges, What, Width};
use crate::state::StoreCell;
use crate::stream::{LateOutput, Stream, Timed};
use crate::time::{Tracker, least};
use crate::windows::due::Due;
use crate::windows::rdd::{Firing, fire};
use crate::windows::recycle::Recycled;
use crate::windows::side::WindowSide;
use crate::windows::{WindowResult, WindowedStream};

pub(crate) mod sealed {
    /// The kinds are ours.
    pub trait Sealed {}
}

impl sealed::Sealed for Tumbling {}
impl sealed::Sealed for Sliding {}
impl sealed::Sealed for Session {}
impl<W> sealed::Sealed for Disjoint<W> {}
#[cfg(feature = "calendar")]
impl sealed::Sealed for firesteel_window::Calendar {}

/// Windows that [`Stream::window`] takes, for keys of type `K`:
/// [`Tumbling`](firesteel_window::Tumbling), [`Sliding`](firesteel_window::Sliding),
/// [`Session`](firesteel_window::Session), with the feature `calendar` days, weeks and months of a time zone, and those of your
/// own in [`Disjoint`](firesteel_window::Disjoint).
///
/// Sealed: what a kind does in the engine is part of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which windows there are",
    label = "no windows",
    note = "`Tumbling::of(minutes(5))` are windows side by side, `Sliding::of(minutes(5)).every(minutes(1))` overlap, \
            `Session::gap(minutes(30))` end with a pause",
    note = "an assigner of your own goes into `Disjoint(…)`"
)]
pub trait WindowKind<K: Key>: sealed::Sealed + Clone + Send + Sync + 'static {
    /// What an aggregator makes of each key's values in each window, as far as `present` finds a result in it.
    #[doc(hidden)]
    fn aggregated<V, A, T>(
        of: WindowedStream<K, V, Self>,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<WindowResult<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static;
}

impl<K: Key> WindowKind<K> for Tumbling {
    fn aggregated<V, A, T>(
        of: WindowedStream<K, V, Self>,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<WindowResult<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        aggregated(of, aggregator, present)
    }
}

#[cfg(feature = "calendar")]
impl<K: Key> WindowKind<K> for firesteel_window::Calendar {
    fn aggregated<V, A, T>(
        of: WindowedStream<K, V, Self>,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<WindowResult<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        aggregated(of, aggregator, present)
    }
}

impl<K: Key, W: DisjointWindows + Clone + Send + Sync + 'static> WindowKind<K> for Disjoint<W> {
    fn aggregated<V, A, T>(
        of: WindowedStream<K, V, Self>,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<WindowResult<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        aggregated(of, aggregator, present)
    }
}

/// What a windowed aggregation holds, in a program under construction.
pub(super) struct Held<K: Key, V, Acc> {
    pub(super) node: NodeId,
    pub(super) cell: Arc<StoreCell<K>>,
    pub(super) windows: Windows<Acc>,
    pub(super) trackers: Arc<[Arc<Tracker>]>,
    pub(super) changes: StateChanges,
    pub(super) late: Accumulator<u64>,
    pub(super) late_output: Option<LateOutput<K, V>>,
}

impl<K: Key, V, Acc: Exchange> Held<K, V, Acc> {
    /// Adds the aggregation to the program.
    pub(super) fn new(
        plan: &Plan,
        parent: NodeId,
        operator: Operator,
        windows: &impl WindowAssigner,
        fold: String,
        late: Option<(LateOutput<K, V>, NodeId)>,
    ) -> Self {
        let (late_count, changes) = (Accumulator::default(), Accumulator::default());
        let mut states = Declaration::<K>::new(operator.kind());
        let held = states.windows::<Acc>("windows");
        let cell = StoreCell::new(states);
        let stored = (Arc::clone(&cell) as Arc<dyn StateCell>, changes.clone());
        let trackers = plan.trackers(parent);
        let kept = (stored, Arc::new(Tracker::holding(&trackers)));
        let node = add(plan, parent, operator, windows.settings(), windows.validate().err(), fold, kept);
        plan.count(node, What::Late, late_count.clone());
        let late_output = late.map(|(output, side)| {
            plan.feed(side, node);
            output
        });
        Self { node, cell, windows: held, trackers, changes, late: late_count, late_output }
    }
}

fn add(
    plan: &Plan,
    parent: NodeId,
    operator: Operator,
    settings: Vec<(&'static str, String)>,
    refused: Option<WindowError>,
    fold: String,
    (stored, held): ((Arc<dyn StateCell>, StateChanges), Arc<Tracker>),
) -> NodeId {
    plan.change(|parts| {
        parts.states.push(stored);
        let role = Role::State(parts.states.len() - 1);
        // What is stored is windows: others would lie beside them.
        let settings = settings.into_iter().map(|(name, value)| Setting::refused(name, value)).collect();
        let node = PlanNode::operator(operator, &[parent], Width::Wide).with_role(role).with_settings(settings);
        let node = parts.add(PlanNode { fold: Some(fold), held: Some(held), ..node });
        parts.faults.extend(refused.map(|source| (node, Fault::Window(source))));
        node
    })
}

/// Windows that do not overlap.
fn aggregated<K, V, W, A, T>(
    of: WindowedStream<K, V, W>,
    aggregator: A,
    present: fn(A::Out) -> Option<T>,
) -> Stream<WindowResult<K, T>, Timed>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    let WindowedStream { stream: Stream { plan, node: parent, rule }, windows, operator, late } = of;
    let held = Held::<K, V, A::Acc>::new(&plan, parent, operator, &windows, aggregator.kind().into_owned(), late);
    let (fired, node) = (plan.fired(), held.node);
    let (aggregator, recycled, due) = (Arc::new(aggregator), Arc::new(Recycled::new()), Arc::new(Due::default()));
    Stream::new(plan, node, move |batch| {
        let (parent, space) = (rule.rdd(batch)?, batch.key_space());
        let side = WindowSide {
            windows: windows.clone(),
            aggregator: Arc::clone(&aggregator),
            operator: batch.operator(node).clone(),
            closed_by: least(&held.trackers, Tracker::at_start),
            late: held.late.clone(),
            outside: Accumulator::default(),
            late_output: held.late_output.clone(),
            partitions: space.parts(parent.node().context().parallelism()),
            space,
            recycled: Arc::clone(&recycled),
            kind: PhantomData,
        };
        let firing = Firing {
            cell: Arc::clone(&held.cell),
            windows: held.windows,
            trackers: Arc::clone(&held.trackers),
            due: due.within(space),
            fired: fired.clone(),
            changes: held.changes.clone(),
        };
        Ok(fire(batch, node, parent, side, firing, present))
    })
}
