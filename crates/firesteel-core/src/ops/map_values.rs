//! `map_values`: another value for each key.

use std::sync::Arc;

use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`PairOps::map_values`](crate::PairOps::map_values).
    pub struct MapValues<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for MapValues<R, F> {
    crate::narrow_lineage!();
    crate::same_placement!();
}

impl<R, K, V, U, F> Rdd for MapValues<R, F>
where
    R: Rdd<Item = (K, V)>,
    K: Send + 'static,
    U: Send + 'static,
    F: Fn(V) -> U + Send + Sync + 'static,
{
    type Item = (K, U);

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, U)> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).map(move |(key, value)| (key, task.blame_on(operator, || f(value))))
    }
}
