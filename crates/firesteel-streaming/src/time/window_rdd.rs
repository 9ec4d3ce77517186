//! The reduce side of a windowed aggregation: accumulators meet the state, and windows fire.

use std::sync::Arc;

use firesteel_core::shuffle::{Fetched, Shuffle, ShuffleDependency};
use firesteel_core::{Accumulator, Dependency, Key, Lineage, Node, Operator, Rdd, TaskContext};
use firesteel_window::{Aggregator, DisjointWindows, Timestamp};

use crate::batch::Batch;
use crate::plan::Computed;
use crate::time::fired::distinct;
use crate::time::state::{WindowState, groups_of, key_group};
use crate::time::tracker::least;
use crate::time::window_side::{WindowBucket, WindowSide};
use crate::time::{FiredWindows, Tracker, WindowResult};

type WindowShuffle<R, K, V, W, A> = Shuffle<R, WindowSide<K, V, W, A>, WindowBucket<K, <A as Aggregator<V>>::Acc>>;

/// What fires in one batch.
///
/// Computing a partition changes the state of its key groups. It begins by taking back what an earlier attempt at the
/// same batch did, so that any number of attempts has the effect of one.
pub(crate) struct WindowRdd<R, K, V, W, A: Aggregator<V>> {
    node: Node,
    shuffle: Arc<WindowShuffle<R, K, V, W, A>>,
    dependency: Arc<dyn ShuffleDependency>,
    aggregator: Arc<A>,
    firing: Firing<K, A::Acc>,
    batch: u64,
    /// The partitions that some task has computed.
    computed: Computed,
}

/// What decides which windows fire, and what takes note of them.
pub(crate) struct Firing<K, Acc> {
    pub(crate) state: Arc<WindowState<K, Acc>>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) fired: Accumulator<FiredWindows>,
}

impl<K, Acc> Clone for Firing<K, Acc> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), trackers: Arc::clone(&self.trackers), fired: self.fired.clone() }
    }
}

impl<R, K, V, W, A> WindowRdd<R, K, V, W, A>
where
    R: Rdd<Item = (Timestamp, (K, V))>,
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Send + Sync + 'static> + Send + Sync + 'static,
{
    pub(crate) fn new(
        parent: R,
        operator: &Operator,
        batch: &Batch,
        side: WindowSide<K, V, W, A>,
        firing: Firing<K, A::Acc>,
    ) -> Self {
        let aggregator = Arc::clone(&side.aggregator);
        let computed = Computed::none_of(side.partitions);
        let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
        let dependency: Arc<dyn ShuffleDependency> = Arc::clone(&shuffle) as _;
        let node = Node::new(batch.context(), operator.clone());
        Self { node, shuffle, dependency, aggregator, firing, batch: batch.id(), computed }
    }
}

impl<R, K, V, W, A> WindowRdd<R, K, V, W, A>
where
    R: Rdd<Item = (Timestamp, (K, V))>,
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Clone + Send + Sync + 'static, Out: Send + 'static> + Send + Sync + 'static,
{
    /// The partitions that some task has computed.
    pub(crate) fn computed(&self) -> Computed {
        self.computed.clone()
    }
}

impl<R, K, V, W, A: Aggregator<V>> Clone for WindowRdd<R, K, V, W, A> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            shuffle: Arc::clone(&self.shuffle),
            dependency: Arc::clone(&self.dependency),
            aggregator: Arc::clone(&self.aggregator),
            firing: self.firing.clone(),
            batch: self.batch,
            computed: self.computed.clone(),
        }
    }
}

impl<R, K, V, W, A> Lineage for WindowRdd<R, K, V, W, A>
where
    R: Rdd<Item = (Timestamp, (K, V))>,
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Send + Sync + 'static> + Send + Sync + 'static,
{
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.shuffle.side().partitions
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

impl<R, K, V, W, A> Rdd for WindowRdd<R, K, V, W, A>
where
    R: Rdd<Item = (Timestamp, (K, V))>,
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Clone + Send + Sync + 'static, Out: Send + 'static> + Send + Sync + 'static,
{
    type Item = WindowResult<K, A::Out>;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        let groups = groups_of(split, self.num_partitions());
        let first = groups.start;
        let mut panes: Vec<_> = groups.map(|group| self.firing.state.group(group).lock()).collect();
        for panes in &mut panes {
            panes.begin(self.batch);
        }
        let (aggregator, operator) = (&*self.aggregator, self.node.operator());
        let (outputs, recycled) = (self.shuffle.outputs(), &self.shuffle.side().recycled);
        for map in 0..outputs.num_maps() {
            let mut merge = |window, (hash, key, acc): (u64, K, A::Acc)| {
                let panes = &mut panes[key_group(hash) - first];
                panes.merge(window, hash, key, acc, |acc, other| {
                    task.blame_on(operator, || aggregator.merge(acc, other));
                });
            };
            match outputs.fetch(map, split, task) {
                Fetched::Owned(bucket) => {
                    task.count_shuffle_read(bucket.0.iter().map(|(_, entries)| entries.len() as u64).sum());
                    for (window, mut entries) in bucket.0 {
                        entries.drain(..).for_each(|entry| merge(window, entry));
                        recycled.keep_list(entries);
                    }
                }
                Fetched::Shared(bucket) => {
                    for (window, entries) in &bucket.0 {
                        entries.iter().cloned().for_each(|entry| merge(*window, entry));
                    }
                }
            }
        }
        let watermark = least(&self.firing.trackers, Tracker::reached);
        let mut fired = Vec::new();
        for panes in &mut panes {
            fired.extend(panes.fire(watermark).map(|(window, key, acc)| WindowResult {
                window,
                key: key.clone(),
                value: task.blame_on(operator, || aggregator.finish(acc)),
            }));
        }
        self.computed.note(split);
        if !fired.is_empty() {
            self.firing.fired.add(distinct(fired.iter().map(|result| result.window)));
        }
        fired.into_iter()
    }
}
