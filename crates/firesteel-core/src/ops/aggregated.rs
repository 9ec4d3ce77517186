//! The values of each key aggregated, within the map side first.

use std::any::Any;
use std::sync::Arc;

use firesteel_window::Aggregator;

use crate::data::{Exchange, Key};
use crate::hash::hash_key;
use crate::ids::PartitionerId;
use crate::operator::Operator;
use crate::partitioner::{Partitioner, Placement};
use crate::rdd::{Dependency, Lineage, Node, Rdd, ShuffleDependency};
use crate::shuffle::{Chunk, CombineReader, CombineSide, Combined, Shuffle};
use crate::source::Numbered;
use crate::task::TaskContext;

type Exchanged<R, K, V, A> = Shuffle<R, CombineSide<K, V, A>, Chunk<Combined<K, <A as Aggregator<V>>::Acc>>>;

/// Aggregates the values of each key of `parent` and places the keys so.
#[must_use]
pub fn aggregated<R, K, V, A>(
    parent: R,
    operator: Operator,
    aggregator: Arc<A>,
    placement: impl Into<Placement<K>>,
) -> AggregatedRdd<R, K, V, A, A::Out>
where
    R: Rdd<Item = (K, V)>,
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    AggregatedRdd::new(parent, operator, aggregator, placement.into(), |aggregator, acc| {
        Some(aggregator.finish_owned(acc))
    })
}

/// The same by an aggregator that has no result where there are no values: of each key there is one.
#[must_use]
pub fn aggregated_some<R, K, V, A, U>(
    parent: R,
    operator: Operator,
    aggregator: Arc<A>,
    placement: impl Into<Placement<K>>,
) -> AggregatedRdd<R, K, V, A, U>
where
    R: Rdd<Item = (K, V)>,
    K: Key,
    V: Send + 'static,
    U: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out = Option<U>> + Send + Sync + 'static,
{
    AggregatedRdd::new(parent, operator, aggregator, placement.into(), A::finish_owned)
}

/// Keys with what an aggregator makes of their values: all of [`PairOps`](crate::PairOps) that aggregates.
///
/// If the parent already places its keys so, its values are aggregated where they are; otherwise each of its partitions
/// is aggregated, then shuffled, then merged in partition order. `finish` makes the result of a key's accumulator, as far
/// as there is one.
pub struct AggregatedRdd<R, K: Key, V, A: Aggregator<V>, U> {
    node: Node,
    input: Input<R, K, V, A>,
    aggregator: Arc<A>,
    placement: Placement<K>,
    finish: fn(&A, A::Acc) -> Option<U>,
}

enum Input<R, K: Key, V, A: Aggregator<V>> {
    InPlace(R),
    Moved(Arc<Exchanged<R, K, V, A>>, Arc<dyn ShuffleDependency>),
}

impl<R, K, V, A, U> AggregatedRdd<R, K, V, A, U>
where
    R: Rdd<Item = (K, V)>,
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    fn new(
        parent: R,
        operator: Operator,
        aggregator: Arc<A>,
        placement: Placement<K>,
        finish: fn(&A, A::Acc) -> Option<U>,
    ) -> Self {
        let node = Node::new(parent.node().context(), operator);
        let input = if parent.partitioner() == Some(placement.id()) {
            Input::InPlace(parent)
        } else {
            let memory = node.context().memory().clone();
            let side = CombineSide::new(node.operator().clone(), memory, Arc::clone(&aggregator), placement.clone());
            let shuffle = Arc::new(Shuffle::new(node.context(), parent, side));
            let dependency = Arc::clone(&shuffle) as _;
            Input::Moved(shuffle, dependency)
        };
        Self { node, input, aggregator, placement, finish }
    }
}

impl<R: Clone, K: Key, V, A: Aggregator<V>, U> Clone for AggregatedRdd<R, K, V, A, U> {
    fn clone(&self) -> Self {
        let input = match &self.input {
            Input::InPlace(parent) => Input::InPlace(parent.clone()),
            Input::Moved(shuffle, dependency) => Input::Moved(Arc::clone(shuffle), Arc::clone(dependency)),
        };
        Self {
            node: self.node.clone(),
            input,
            aggregator: Arc::clone(&self.aggregator),
            placement: self.placement.clone(),
            finish: self.finish,
        }
    }
}

impl<R, K, V, A, U> Lineage for AggregatedRdd<R, K, V, A, U>
where
    R: Rdd<Item = (K, V)>,
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
    U: 'static,
{
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.placement.num_partitions()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        match &self.input {
            Input::InPlace(parent) => visit(Dependency::Narrow(parent)),
            Input::Moved(_, dependency) => visit(Dependency::Shuffle(dependency)),
        }
    }
    fn partitioner(&self) -> Option<PartitionerId> {
        Some(self.placement.id())
    }
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(self.placement.clone()))
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        match &self.input {
            Input::InPlace(parent) => parent.size_hint(split),
            Input::Moved(_, dependency) => Some(dependency.reduce_len(split)),
        }
    }
}

impl<R, K, V, A, U> Rdd for AggregatedRdd<R, K, V, A, U>
where
    R: Rdd<Item = (K, V)>,
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
    U: Send + 'static,
{
    type Item = (K, U);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, U)> + 'a {
        let (aggregator, operator) = (&*self.aggregator, self.node.operator());
        let merge = move |acc: &mut A::Acc, other| task.blame_on(operator, || aggregator.merge(acc, other));
        let mut reader = CombineReader::new(self.node.context().memory(), task, merge);
        match &self.input {
            Input::Moved(shuffle, _) => task.blame_on(operator, || reader.read_all(shuffle.outputs(), split)),
            Input::InPlace(parent) => task.drain(parent.compute(split, task), |(key, value)| {
                task.blame_on(operator, || {
                    let hash = hash_key(&key);
                    let add = |acc: &mut A::Acc, value| aggregator.add(acc, value);
                    reader.push(hash, key, value, |value| aggregator.start(value), add);
                });
            }),
        }
        let finish = |(key, acc)| Some((key, task.blame_on(operator, || (self.finish)(aggregator, acc))?));
        Numbered::after_shuffle(reader.finish(), task).filter_map(finish)
    }
}
