//! `inspect`: a look at each record as it passes.

use std::sync::Arc;

use crate::block::{Blocks, Iterated, Mapped};
use crate::lineage::Lineage;
use crate::ops::macros::operator;
use crate::rdd::Rdd;
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::inspect`](crate::RddOps::inspect).
    pub struct Inspect<R, F> { f: Arc<F> }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for Inspect<R, F> {
    crate::narrow_lineage!();
    crate::same_placement!();
}

impl<R: Rdd, F: Fn(&R::Item) + Send + Sync + 'static> Rdd for Inspect<R, F> {
    type Item = R::Item;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        self.parent.compute(split, task).inspect(move |record| task.blame_on(operator, || f(record)))
    }

    fn blocks<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<R::Item> + 'a> {
        if !R::IN_BLOCKS {
            return Box::new(Iterated::new(self.compute(split, task), task));
        }
        let (f, operator) = (&*self.f, self.node.operator());
        Box::new(Mapped::new(self.parent.blocks(split, task), operator, task, |record| {
            f(&record);
            record
        }))
    }
}
