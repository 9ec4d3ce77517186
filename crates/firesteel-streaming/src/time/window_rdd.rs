//! The reduce side of a windowed aggregation: accumulators meet the state, and windows fire.

use std::collections::BTreeSet;
use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::{Fetched, Shuffle};
use firesteel_core::{Accumulator, Blocks, Iterated, Key, Open, Operator, TaskContext};
use firesteel_window::{Aggregator, DisjointWindows, Timestamp, Window};

use crate::batch::Batch;
use crate::plan::{Computed, NodeId};
use crate::time::fired::distinct;
use crate::time::state::{WindowState, groups_of, key_group};
use crate::time::tracker::least;
use crate::time::window_side::{WindowBucket, WindowSide};
use crate::time::{FiredWindows, Tracker, WindowResult};

type WindowShuffle<K, V, W, A> =
    Shuffle<BoxRdd<(Timestamp, (K, V))>, WindowSide<K, V, W, A>, WindowBucket<K, <A as Aggregator<V>>::Acc>>;

/// What fires in one batch.
///
/// Computing a partition changes the state of its key groups. It begins by rolling back what an earlier attempt at the
/// same batch did, so that any number of attempts has the effect of one.
struct Fired<K, V, W, A: Aggregator<V>, T> {
    shuffle: Arc<WindowShuffle<K, V, W, A>>,
    operator: Operator,
    firing: Firing<K, A::Acc>,
    /// The result, as far as there is one: a fired window holds a value.
    present: fn(A::Out) -> Option<T>,
    batch: u64,
    /// The partitions that some task has computed.
    computed: Computed,
}

/// What decides which windows fire, and what takes note of them.
pub(crate) struct Firing<K, Acc> {
    pub(crate) state: Arc<WindowState<K, Acc>>,
    pub(crate) trackers: Arc<[Arc<Tracker>]>,
    pub(crate) fired: Accumulator<BTreeSet<Window>, FiredWindows>,
}

/// The RDD of what fires in the batch at this node.
pub(crate) fn fire<K, V, W, A, T>(
    batch: &Batch,
    node: NodeId,
    parent: BoxRdd<(Timestamp, (K, V))>,
    side: WindowSide<K, V, W, A>,
    firing: Firing<K, A::Acc>,
    present: fn(A::Out) -> Option<T>,
) -> BoxRdd<(Timestamp, WindowResult<K, T>)>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Clone + Send + Sync + 'static, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
    let (dependency, operator) = (Arc::clone(&shuffle), batch.operator(node).clone());
    let batch_id = batch.id();
    batch.stateful(node, dependency, |computed| Fired { shuffle, operator, firing, present, batch: batch_id, computed })
}

impl<K, V, W, A, T> Open<(Timestamp, WindowResult<K, T>)> for Fired<K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Clone + Send + Sync + 'static, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    fn open<'a>(
        &'a self,
        split: usize,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<(Timestamp, WindowResult<K, T>)> + 'a> {
        let side = self.shuffle.side();
        let groups = groups_of(split, side.partitions);
        let first = groups.start;
        let mut panes: Vec<_> = groups.map(|group| self.firing.state.group(group).lock()).collect();
        for panes in &mut panes {
            panes.begin(self.batch);
        }
        let (aggregator, operator) = (&*side.aggregator, &self.operator);
        let (outputs, recycled) = (self.shuffle.outputs(), &side.recycled);
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
            fired.extend(panes.fire(watermark).filter_map(|(window, key, acc)| {
                let value = (self.present)(task.blame_on(operator, || aggregator.finish(acc)))?;
                Some((window.last_instant(), WindowResult { window, key: key.clone(), value }))
            }));
        }
        self.computed.note(split);
        if !fired.is_empty() {
            self.firing.fired.add(distinct(fired.iter().map(|(_, result)| result.window)));
        }
        Box::new(Iterated::new(fired.into_iter(), task))
    }
}
