//! Streams of any kind behind one type.

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Operator, RddOps};

use crate::batch::Batch;
use crate::error::Result;
use crate::stream::{DStream, Origins};

/// What is left of a stream's type behind [`Stream::boxed`](crate::Stream::boxed): its records.
pub struct BoxStream<T>(Box<dyn ErasedStream<T>>);

trait ErasedStream<T>: Send + Sync {
    fn boxed_rdd(&self, batch: &Batch) -> Result<BoxRdd<T>>;
    fn operator(&self) -> &Operator;
    fn operator_mut(&mut self) -> &mut Operator;
    fn renamed(&mut self);
    fn trace(&self, origins: &mut Origins);
}

impl<D: DStream> ErasedStream<D::Item> for D {
    fn boxed_rdd(&self, batch: &Batch) -> Result<BoxRdd<D::Item>> {
        Ok(self.rdd(batch)?.boxed())
    }
    fn operator(&self) -> &Operator {
        DStream::operator(self)
    }
    fn operator_mut(&mut self) -> &mut Operator {
        DStream::operator_mut(self)
    }
    fn renamed(&mut self) {
        DStream::renamed(self);
    }
    fn trace(&self, origins: &mut Origins) {
        DStream::trace(self, origins);
    }
}

impl<T: Send + 'static> BoxStream<T> {
    pub(super) fn new(stream: impl DStream<Item = T>) -> Self {
        Self(Box::new(stream))
    }
}

impl<T: Send + 'static> DStream for BoxStream<T> {
    type Item = T;
    type Rdd = BoxRdd<T>;

    fn rdd(&self, batch: &Batch) -> Result<BoxRdd<T>> {
        self.0.boxed_rdd(batch)
    }
    fn operator(&self) -> &Operator {
        self.0.operator()
    }
    fn operator_mut(&mut self) -> &mut Operator {
        self.0.operator_mut()
    }
    fn renamed(&mut self) {
        self.0.renamed();
    }
    fn trace(&self, origins: &mut Origins) {
        self.0.trace(origins);
    }
}
