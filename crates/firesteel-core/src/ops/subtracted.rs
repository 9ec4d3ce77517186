//! `subtract_by_key`: the pairs whose keys another RDD does not have.

use crate::data::{Exchange, Key};
use crate::operator::Operator;
use crate::ops::MapValues;
use crate::ops::cogroup::Cogroup;
use crate::ops::macros::{lineage_of_inner, node_of_inner};
use crate::partitioner::Placement;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

/// Of the second side only the keys travel.
type KeysOnly<B, W> = MapValues<B, fn(W)>;

/// The RDD of [`PairOps::subtract_by_key`](crate::PairOps::subtract_by_key).
pub struct Subtracted<A, B, K, V, W> {
    inner: Cogroup<A, KeysOnly<B, W>, K, V, ()>,
}

impl<A, B, K, V, W> Subtracted<A, B, K, V, W>
where
    A: Rdd<Item = (K, V)>,
    B: Rdd<Item = (K, W)>,
    K: Key,
    V: Exchange,
    W: Send + 'static,
{
    /// The pairs of `first` whose keys are not in `second`, keys placed so.
    #[must_use]
    pub fn new(operator: Operator, placement: impl Into<Placement<K>>, first: A, second: B) -> Self {
        let forget: fn(W) = drop;
        let second = MapValues::new(second, operator.as_kind("map_values"), forget.into());
        Self { inner: Cogroup::new(operator, placement, first, second) }
    }
}

impl<A: Clone, B: Clone, K, V, W> Clone for Subtracted<A, B, K, V, W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<A, B, K, V, W> Lineage for Subtracted<A, B, K, V, W>
where
    A: Rdd<Item = (K, V)>,
    B: Rdd<Item = (K, W)>,
    K: Key,
    V: Exchange,
    W: Send + 'static,
{
    node_of_inner!();
    lineage_of_inner!();
}

impl<A, B, K, V, W> Rdd for Subtracted<A, B, K, V, W>
where
    A: Rdd<Item = (K, V)>,
    B: Rdd<Item = (K, W)>,
    K: Key,
    V: Exchange,
    W: Send + 'static,
{
    type Item = (K, V);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, V)> + 'a {
        let kept = self.inner.compute(split, task).filter(|(_, (_, second))| second.is_empty());
        kept.flat_map(|(key, (first, _))| first.into_iter().map(move |value| (key.clone(), value)))
    }
}
