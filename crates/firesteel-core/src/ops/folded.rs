//! `reduce_by_key` and its kin: values combined by functions that take and return what they combine.

use std::sync::Arc;

use crate::lineage::Lineage;
use crate::operator::Operator;
use crate::ops::combined::CombinedRdd;
use crate::ops::macros::{lineage_of_inner, node_of_inner};
use crate::partitioner::Placement;
use crate::rdd::{Data, Exchange, Key, Rdd};
use crate::shuffle::Combine;
use crate::task::TaskContext;

/// How values of one key become one accumulator, by value. [`Combine`] does the same in place.
pub trait Fold<V>: Send + Sync + 'static {
    /// What the values of a key become.
    type Acc: Exchange;
    /// The accumulator of a first value.
    fn create(&self, value: V) -> Self::Acc;
    /// The accumulator with a further value.
    fn add(&self, acc: Self::Acc, value: V) -> Self::Acc;
    /// Two accumulators as one; the values of `later` come later.
    fn merge(&self, acc: Self::Acc, later: Self::Acc) -> Self::Acc;
}

/// [`Fold`] by one function for all: the first value is the accumulator.
pub struct Reduce<F>(pub F);

impl<V: Exchange, F: Fn(V, V) -> V + Send + Sync + 'static> Fold<V> for Reduce<F> {
    type Acc = V;
    #[inline]
    fn create(&self, value: V) -> V {
        value
    }
    #[inline]
    fn add(&self, acc: V, value: V) -> V {
        (self.0)(acc, value)
    }
    #[inline]
    fn merge(&self, acc: V, later: V) -> V {
        (self.0)(acc, later)
    }
}

/// [`Fold`] from a zero: each partition starts a key with a clone of it.
pub struct Aggregate<Z, S, C> {
    /// The neutral accumulator.
    pub zero: Z,
    /// Adds a value.
    pub add: S,
    /// Merges accumulators.
    pub merge: C,
}

impl<Z, V, S, C> Fold<V> for Aggregate<Z, S, C>
where
    Z: Exchange,
    S: Fn(Z, V) -> Z + Send + Sync + 'static,
    C: Fn(Z, Z) -> Z + Send + Sync + 'static,
{
    type Acc = Z;
    #[inline]
    fn create(&self, value: V) -> Z {
        (self.add)(self.zero.clone(), value)
    }
    #[inline]
    fn add(&self, acc: Z, value: V) -> Z {
        (self.add)(acc, value)
    }
    #[inline]
    fn merge(&self, acc: Z, later: Z) -> Z {
        (self.merge)(acc, later)
    }
}

/// [`Fold`] from a zero by one function.
pub struct FoldFrom<V, F> {
    /// The neutral value.
    pub zero: V,
    /// Adds a value.
    pub f: F,
}

impl<V: Exchange, F: Fn(V, V) -> V + Send + Sync + 'static> Fold<V> for FoldFrom<V, F> {
    type Acc = V;
    #[inline]
    fn create(&self, value: V) -> V {
        (self.f)(self.zero.clone(), value)
    }
    #[inline]
    fn add(&self, acc: V, value: V) -> V {
        (self.f)(acc, value)
    }
    #[inline]
    fn merge(&self, acc: V, later: V) -> V {
        (self.f)(acc, later)
    }
}

/// [`Fold`] by three functions.
pub struct CombineWith<A, S, C> {
    /// Makes the accumulator of a first value.
    pub create: A,
    /// Adds a value.
    pub add: S,
    /// Merges accumulators.
    pub merge: C,
}

impl<U, V, A, S, C> Fold<V> for CombineWith<A, S, C>
where
    U: Exchange,
    A: Fn(V) -> U + Send + Sync + 'static,
    S: Fn(U, V) -> U + Send + Sync + 'static,
    C: Fn(U, U) -> U + Send + Sync + 'static,
{
    type Acc = U;
    #[inline]
    fn create(&self, value: V) -> U {
        (self.create)(value)
    }
    #[inline]
    fn add(&self, acc: U, value: V) -> U {
        (self.add)(acc, value)
    }
    #[inline]
    fn merge(&self, acc: U, later: U) -> U {
        (self.merge)(acc, later)
    }
}

/// A [`Fold`] in place: the accumulator is taken out while the user's function has it, and back unless that panics.
struct InPlace<B>(B);

impl<V, B: Fold<V>> Combine<V> for InPlace<B> {
    type Acc = Option<B::Acc>;
    #[inline]
    fn create(&self, value: V) -> Self::Acc {
        Some(self.0.create(value))
    }
    #[inline]
    fn add(&self, acc: &mut Self::Acc, value: V) {
        *acc = acc.take().map(|acc| self.0.add(acc, value));
    }
    #[inline]
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc) {
        *acc = acc.take().zip(other).map(|(acc, other)| self.0.merge(acc, other));
    }
}

/// The RDD of [`PairOps::reduce_by_key`](crate::PairOps::reduce_by_key), `fold_by_key`, `aggregate_by_key` and
/// `combine_by_key`.
pub struct FoldedRdd<R, K: Key, V, B: Fold<V>> {
    inner: CombinedRdd<R, K, V, InPlace<B>, Placement<K>>,
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Send + 'static, B: Fold<V>> FoldedRdd<R, K, V, B> {
    /// Folds the values of each key of `parent` and places the keys so.
    #[must_use]
    pub fn new(parent: R, operator: Operator, fold: B, placement: impl Into<Placement<K>>) -> Self {
        Self { inner: CombinedRdd::new(parent, operator, Arc::new(InPlace(fold)), placement.into()) }
    }
}

impl<R: Clone, K: Key, V, B: Fold<V>> Clone for FoldedRdd<R, K, V, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Send + 'static, B: Fold<V>> Lineage for FoldedRdd<R, K, V, B> {
    node_of_inner!();
    lineage_of_inner!();
}

impl<R: Rdd<Item = (K, V)>, K: Key, V: Send + 'static, B: Fold<V>> Rdd for FoldedRdd<R, K, V, B> {
    type Item = (K, B::Acc);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, B::Acc)> + 'a {
        self.inner.compute(split, task).filter_map(|(key, acc)| Some((key, acc?)))
    }
}

/// Keeps one of equal records: what `distinct` combines with.
pub(crate) struct Once;

impl Combine<()> for Once {
    type Acc = ();
    fn create(&self, (): ()) {}
    fn add(&self, (): &mut (), (): ()) {}
    fn merge(&self, (): &mut (), (): ()) {}
}

/// Counts records: what counting by key combines with.
#[derive(Debug, Clone, Copy)]
pub struct Count;

impl<V: Data> Combine<V> for Count {
    type Acc = u64;
    #[inline]
    fn create(&self, _: V) -> u64 {
        1
    }
    #[inline]
    fn add(&self, acc: &mut u64, _: V) {
        *acc += 1;
    }
    #[inline]
    fn merge(&self, acc: &mut u64, other: u64) {
        *acc += other;
    }
}
