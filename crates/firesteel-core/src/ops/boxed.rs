//! `boxed`: any RDD of a given record type, behind one type.

use std::sync::Arc;

use crate::lineage::{Lineage, Node};
use crate::ops::macros::lineage_of_inner;
use crate::rdd::Rdd;
use crate::task::TaskContext;

/// An RDD of `T`s whose operators the type does not tell: for a field, a return type, a list of RDDs.
///
/// Within a stage it costs one virtual call per record; across shuffles it costs nothing.
pub struct BoxRdd<T> {
    inner: Arc<dyn Erased<T>>,
    /// The context and the name may differ from the inner one's.
    node: Node,
}

/// An RDD without its type.
trait Erased<T>: Lineage {
    fn records<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Drive<T> + 'a>;
}

impl<R: Rdd> Erased<R::Item> for R {
    fn records<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Drive<R::Item> + 'a> {
        Box::new(self.compute(split, task))
    }
}

/// An iterator that can be driven from within, so that the loops below stay tight.
trait Drive<T>: Iterator<Item = T> {
    fn drive(self: Box<Self>, each: &mut dyn FnMut(T));
}

impl<T, I: Iterator<Item = T>> Drive<T> for I {
    fn drive(self: Box<Self>, each: &mut dyn FnMut(T)) {
        (*self).for_each(each);
    }
}

struct Driven<'a, T>(Box<dyn Drive<T> + 'a>);

impl<T> Iterator for Driven<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, mut each: F) -> B {
        let mut acc = Some(start);
        self.0.drive(&mut |record| acc = acc.take().map(|acc| each(acc, record)));
        acc.expect("the accumulator is put back after every record")
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

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = T> + 'a {
        Driven(self.inner.records(split, task))
    }
}
