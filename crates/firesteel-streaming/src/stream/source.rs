//! The stream at the bottom: what a source yields.

use std::sync::Arc;

use firesteel_connect::Source;
use firesteel_core::Operator;

use crate::batch::Batch;
use crate::error::Result;
use crate::input::{Reading, SourceRdd};
use crate::stream::{DStream, Origins};

/// The stream of a source.
pub struct SourceStream<S> {
    pub(crate) reading: Arc<Reading<S>>,
    pub(crate) operator: Operator,
    pub(crate) input: usize,
}

impl<S: Source> DStream for SourceStream<S> {
    type Item = S::Item;
    type Rdd = SourceRdd<S>;

    fn rdd(&self, batch: &Batch) -> Result<SourceRdd<S>> {
        Ok(SourceRdd::new(batch, &self.operator, &self.reading))
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn trace(&self, origins: &mut Origins) {
        origins.inputs.push(self.input);
    }
}
