//! A parent of a keyed operator: read in place if its keys are already where they are needed, shuffled otherwise.

use std::sync::Arc;

use crate::data::{Exchange, Key};
use crate::hash::hash_key;
use crate::partitioner::{Partitioner as _, Placement};
use crate::rdd::{Dependency, Node, Rdd, ShuffleDependency};
use crate::shuffle::{ByKey, Chunk, RouteSide, Shuffle};
use crate::source::Numbered;
use crate::task::TaskContext;

use super::either::Either;

type Moved<R, K, V> = Shuffle<R, RouteSide<ByKey<K>>, Chunk<(u64, K, V)>>;

/// Pairs of `R` with their keys placed as asked.
pub(crate) enum Keyed<R, K, V> {
    InPlace(R),
    Moved(Arc<Moved<R, K, V>>, Arc<dyn ShuffleDependency>),
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Exchange> Keyed<R, K, V> {
    pub(crate) fn new(node: &Node, parent: R, placement: &Placement<K>) -> Self {
        if parent.partitioner() == Some(placement.id()) {
            return Self::InPlace(parent);
        }
        let context = node.context();
        let side = RouteSide::new(node.operator().clone(), context.memory().clone(), ByKey(placement.clone()));
        let shuffle = Arc::new(Shuffle::new(context, parent, side));
        let dependency = Arc::clone(&shuffle) as _;
        Self::Moved(shuffle, dependency)
    }

    pub(crate) fn visit(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        match self {
            Self::InPlace(parent) => visit(Dependency::Narrow(parent)),
            Self::Moved(_, dependency) => visit(Dependency::Shuffle(dependency)),
        }
    }

    pub(crate) fn size_hint(&self, split: usize) -> Option<u64> {
        match self {
            Self::InPlace(parent) => parent.size_hint(split),
            Self::Moved(_, dependency) => Some(dependency.reduce_len(split)),
        }
    }

    /// Hands out the pairs of one partition with the hashes of their keys.
    pub(crate) fn for_each(&self, split: usize, task: &TaskContext, mut each: impl FnMut(u64, K, V)) {
        match self {
            Self::InPlace(parent) => {
                task.drain(parent.compute(split, task), |(key, value)| each(hash_key(&key), key, value));
            }
            Self::Moved(shuffle, _) => {
                let outputs = shuffle.outputs();
                for map in 0..outputs.num_maps() {
                    let fetched = outputs.fetch(map, split, task);
                    fetched.for_each(task, |(hash, key, value)| each(hash, key, value));
                }
            }
        }
    }

    /// The pairs of one partition.
    pub(crate) fn pairs<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, V)> + 'a {
        match self {
            Self::InPlace(parent) => Either::Left(parent.compute(split, task)),
            Self::Moved(shuffle, _) => {
                let outputs = shuffle.outputs();
                let chunks = (0..outputs.num_maps()).map(move |map| outputs.fetch(map, split, task));
                let records = chunks.flat_map(move |chunk| chunk.into_records(task));
                Either::Right(Numbered::after_shuffle(records.map(|(_, key, value)| (key, value)), task))
            }
        }
    }
}

impl<R: Clone, K, V> Clone for Keyed<R, K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::InPlace(parent) => Self::InPlace(parent.clone()),
            Self::Moved(shuffle, dependency) => Self::Moved(Arc::clone(shuffle), Arc::clone(dependency)),
        }
    }
}

/// The part of [`Lineage`] that operators over `Keyed` parents share: their partitions are those of their field
/// `placement`.
macro_rules! placed_lineage {
    ($($input:ident),+) => {
        $crate::own_node!();
        fn num_partitions(&self) -> usize {
            $crate::Partitioner::num_partitions(&self.placement)
        }
        fn dependencies(&self, visit: &mut dyn FnMut($crate::Dependency<'_>)) {
            $(self.$input.visit(visit);)+
        }
        fn partitioner(&self) -> Option<$crate::PartitionerId> {
            Some($crate::Partitioner::id(&self.placement))
        }
        fn placement(&self) -> Option<::std::sync::Arc<dyn ::std::any::Any + Send + Sync>> {
            Some(::std::sync::Arc::new(self.placement.clone()))
        }
        fn size_hint(&self, split: usize) -> Option<u64> {
            Some(0u64 $(.saturating_add(self.$input.size_hint(split)?))+)
        }
    };
}
pub(crate) use placed_lineage;
