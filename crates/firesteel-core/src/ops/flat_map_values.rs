//! `flat_map_values`: any number of values for each, under the same key.

use std::sync::Arc;

use crate::data::Data;
use crate::ops::macros::operator;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`PairOps::flat_map_values`](crate::PairOps::flat_map_values).
    pub struct FlatMapValues<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for FlatMapValues<R, F> {
    crate::narrow_lineage!();
    crate::same_placement!();
}

impl<R, K, V, I, F> Rdd for FlatMapValues<R, F>
where
    R: Rdd<Item = (K, V)>,
    K: Data,
    I: IntoIterator<Item: Send + 'static> + 'static,
    F: Fn(V) -> I + Send + Sync + 'static,
{
    type Item = (K, I::Item);

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (K, I::Item)> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).flat_map(move |(key, value)| {
            task.blame_on(operator, || f(value)).into_iter().map(move |value| (key.clone(), value))
        })
    }
}
