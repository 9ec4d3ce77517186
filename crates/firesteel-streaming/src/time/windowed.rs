//! Aggregations of windows.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Accumulator, Data, Exchange, Key, Lineage, Operator};
use firesteel_window::{Aggregator, Count, DisjointWindows, Fold, Max, Mean, Min, Reduce, Sum, Summand, Timestamp};

use crate::batch::Batch;
use crate::error::Result;
use crate::graph::What;
use crate::rest::Rest;
use crate::state::{StateCell, state_name};
use crate::stream::{DStream, Origins, SideOutput, Stream};
use crate::time::recycle::Recycled;
use crate::time::state::{KEY_GROUPS, WindowState};
use crate::time::tracker::least;
use crate::time::window_rdd::{Firing, WindowRdd};
use crate::time::window_side::{LateOutput, WindowSide};
use crate::time::{FiredWindows, Tracker, WindowResult};

/// A keyed stream gathered in windows, waiting for an aggregation.
///
/// Results are appended: a window's result comes out once, in the batch whose records move the watermark past the
/// window's end. Records of a window that was closed before their batch began are late: they are counted, left out,
/// and go to the side output that [`late_to`](Self::late_to) names.
#[must_use = "a window without an aggregation yields nothing"]
pub struct WindowedStream<D: DStream, W> {
    pub(crate) stream: Stream<D>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) windows: W,
    pub(crate) operator: Operator,
    pub(crate) late: Option<Late<D::Item>>,
}

/// What is done with late records.
pub(crate) type Late<T> = Arc<dyn Fn(T) + Send + Sync>;

impl<K, V, D, W> WindowedStream<D, W>
where
    K: Key,
    V: Send + 'static,
    D: DStream<Item = (Timestamp, (K, V))>,
    W: DisjointWindows + Clone + Send + Sync + 'static,
{
    /// Gives the windows a name.
    pub fn named(mut self, name: &str) -> Self {
        self.operator = self.operator.named(name);
        self
    }

    /// Sends late records to a side output.
    pub fn late_to(mut self, late: &SideOutput<(Timestamp, (K, V))>) -> Self
    where
        V: Data,
    {
        late.feed(&self.stream.node);
        let late = late.clone();
        self.late = Some(Arc::new(move |record| late.emit(record)));
        self
    }

    /// What `aggregator` makes of each key's values in each window.
    pub fn aggregate<A>(self, aggregator: A) -> Stream<WindowAggregate<D, K, V, W, A>>
    where
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        let late_count = self.stream.graph.counter(What::Late);
        let fired = self.stream.graph.fired();
        let rest = self.stream.graph.rest(self.operator.clone());
        let name = state_name(&self.stream.graph, &self.operator);
        let state = WindowState::new(name, self.operator.is_named());
        let changes = Accumulator::new();
        self.stream.graph.change(|parts| parts.states.push((Arc::clone(&state) as Arc<dyn StateCell>, changes)));
        let late_output =
            self.late.map(|late| -> LateOutput<K, V> { Arc::new(move |at, key, value| late((at, (key, value)))) });
        let node = WindowAggregate {
            parent: self.stream.node,
            operator: self.operator,
            windows: self.windows,
            aggregator: Arc::new(aggregator),
            state,
            recycled: Arc::new(Recycled::new()),
            trackers: self.trackers,
            late_count,
            fired,
            rest,
            late_output,
        };
        Stream { graph: self.stream.graph, node }
    }

    /// How many values each key has in each window.
    pub fn count(self) -> Stream<WindowAggregate<D, K, V, W, Count>> {
        self.aggregate(Count)
    }

    /// The sum of each key's values in each window; see [`Sum`].
    pub fn sum(self) -> Stream<impl DStream<Item = WindowResult<K, <Sum as Aggregator<V>>::Out>>>
    where
        V: Summand,
        Sum: Aggregator<V, Acc: Exchange, Out: Send + 'static>,
    {
        self.aggregate(Sum)
    }

    /// The smallest of each key's values in each window.
    pub fn min(self) -> Stream<impl DStream<Item = WindowResult<K, V>>>
    where
        V: Ord + Exchange,
    {
        self.present(Min)
    }

    /// The largest of each key's values in each window.
    pub fn max(self) -> Stream<impl DStream<Item = WindowResult<K, V>>>
    where
        V: Ord + Exchange,
    {
        self.present(Max)
    }

    /// The mean of each key's values in each window.
    pub fn mean(self) -> Stream<impl DStream<Item = WindowResult<K, f64>>>
    where
        V: Summand,
        Mean: Aggregator<V, Acc: Exchange, Out = Option<f64>>,
    {
        self.present(Mean)
    }

    /// Each key's values in each window, reduced by `f` in the order in which they came.
    pub fn reduce<F>(self, f: F) -> Stream<impl DStream<Item = WindowResult<K, V>>>
    where
        V: Exchange,
        F: Fn(V, V) -> V + Send + Sync + 'static,
    {
        self.present(Reduce::new(f))
    }

    /// Each key's values in each window, folded into `zero` by `add`; `merge` joins the folds of two partitions.
    pub fn fold<Z, F, M>(self, zero: Z, add: F, merge: M) -> Stream<impl DStream<Item = WindowResult<K, Z>>>
    where
        Z: Exchange,
        F: Fn(&mut Z, V) + Send + Sync + 'static,
        M: Fn(&mut Z, Z) + Send + Sync + 'static,
    {
        self.aggregate(Fold::new(zero, add, merge))
    }

    /// For aggregations that have no result before the first value: a fired window holds at least one.
    fn present<A, T>(self, aggregator: A) -> Stream<impl DStream<Item = WindowResult<K, T>>>
    where
        A: Aggregator<V, Acc: Exchange, Out = Option<T>> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let operator = self.operator.clone();
        let results = self.aggregate(aggregator);
        let f = Arc::new(|result: WindowResult<K, Option<T>>| {
            let WindowResult { window, key, value } = result;
            value.map(|value| WindowResult { window, key, value })
        });
        results.lift(operator, crate::stream::Width::Narrow, move |rdd, operator, _| {
            Ok(firesteel_core::ops::FlatMap::new(rdd, operator.clone(), Arc::clone(&f)))
        })
    }
}

/// The stream of a windowed aggregation.
pub struct WindowAggregate<D, K, V, W, A: Aggregator<V>> {
    parent: D,
    operator: Operator,
    windows: W,
    aggregator: Arc<A>,
    state: Arc<WindowState<K, A::Acc>>,
    recycled: Arc<Recycled<K, A::Acc>>,
    trackers: Arc<[Arc<Tracker>]>,
    late_count: Accumulator<u64>,
    fired: Accumulator<FiredWindows>,
    rest: Arc<Rest>,
    late_output: Option<LateOutput<K, V>>,
}

impl<D, K, V, W, A> DStream for WindowAggregate<D, K, V, W, A>
where
    K: Key,
    V: Send + 'static,
    D: DStream<Item = (Timestamp, (K, V))>,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    type Item = WindowResult<K, A::Out>;
    type Rdd = WindowRdd<D::Rdd, K, V, W, A>;

    fn rdd(&self, batch: &Batch) -> Result<Self::Rdd> {
        let parent = self.parent.rdd(batch)?;
        let side = WindowSide {
            windows: self.windows.clone(),
            aggregator: Arc::clone(&self.aggregator),
            operator: self.operator.clone(),
            closed_by: least(&self.trackers, Tracker::at_start),
            late: self.late_count.clone(),
            late_output: self.late_output.clone(),
            partitions: parent.node().context().parallelism().min(KEY_GROUPS),
            recycled: Arc::clone(&self.recycled),
            kind: PhantomData,
        };
        let firing =
            Firing { state: Arc::clone(&self.state), trackers: Arc::clone(&self.trackers), fired: self.fired.clone() };
        let rdd = WindowRdd::new(parent, &self.operator, batch, side, firing);
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
        self.state.rename(self.operator.name());
    }
    fn trace(&self, origins: &mut Origins) {
        self.parent.trace(origins);
        origins.shuffled = true;
    }
}
