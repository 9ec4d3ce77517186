//! `boxed`: any RDD of a given record type, behind one type.

use std::sync::Arc;

use crate::block::{Blocks, Driven};
use crate::lineage::{Lineage, Node};
use crate::ops::macros::lineage_of_inner;
use crate::rdd::Rdd;
use crate::task::TaskContext;

/// An RDD of `T`s whose operators the type does not tell: for a field, a return type, a list of RDDs.
///
/// Within a stage, records cross it in blocks of up to a thousand: a virtual call per block, and a few tenths of a
/// nanosecond per record. Across shuffles it costs nothing.
pub struct BoxRdd<T> {
    inner: Arc<dyn Erased<T>>,
    /// The context and the name may differ from the inner one's.
    node: Node,
}

/// An RDD without its type.
trait Erased<T>: Lineage {
    fn erased<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<T> + 'a>;
}

impl<R: Rdd> Erased<R::Item> for R {
    fn erased<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<R::Item> + 'a> {
        self.blocks(split, task)
    }
}

impl<T: Send + 'static> BoxRdd<T> {
    /// `rdd` behind this type.
    #[must_use]
    pub fn new<R: Rdd<Item = T>>(rdd: R) -> Self {
        let node = rdd.node().clone();
        Self { inner: Arc::new(rdd), node }
    }
}

impl<T> Clone for BoxRdd<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), node: self.node.clone() }
    }
}

impl<T: Send + 'static> Lineage for BoxRdd<T> {
    crate::own_node!();
    lineage_of_inner!();
}

impl<T: Send + 'static> Rdd for BoxRdd<T> {
    type Item = T;

    const IN_BLOCKS: bool = true;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = T> + 'a {
        // Whoever takes the records asks the task now, before the first of them, whether to take them one by one.
        if self.inner.wants_positions() {
            task.want_positions();
        }
        Driven::new(self.inner.erased(split, task), task)
    }

    fn blocks<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<T> + 'a> {
        self.inner.erased(split, task)
    }
}
