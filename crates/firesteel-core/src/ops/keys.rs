//! `keys` and `values`: one half of each pair.

use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`PairOps::keys`](crate::PairOps::keys).
    pub struct Keys<R> {}
}

impl<R: Rdd> Lineage for Keys<R> {
    crate::narrow_lineage!();
}

impl<R: Rdd<Item = (K, V)>, K: Send + 'static, V> Rdd for Keys<R> {
    type Item = K;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = K> + 'a {
        self.parent.compute(split, task).map(|(key, _)| key)
    }
}

operator! {
    /// The RDD of [`PairOps::values`](crate::PairOps::values).
    pub struct Values<R> {}
}

impl<R: Rdd> Lineage for Values<R> {
    crate::narrow_lineage!();
}

impl<R: Rdd<Item = (K, V)>, K, V: Send + 'static> Rdd for Values<R> {
    type Item = V;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = V> + 'a {
        self.parent.compute(split, task).map(|(_, value)| value)
    }
}
