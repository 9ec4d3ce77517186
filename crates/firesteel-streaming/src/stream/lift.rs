//! Operators of RDDs as operators of streams.

use std::marker::PhantomData;

use firesteel_core::{Operator, Rdd};

use crate::batch::Batch;
use crate::error::Result;
use crate::stream::{DStream, Origins, Stream};

/// Whether an operator keeps the partitions of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    Narrow,
    Wide,
}

/// The RDD under the name and place of the stream's operator, for messages and lineages.
pub(crate) fn called<R: Rdd>(mut rdd: R, operator: &Operator) -> R {
    rdd.node_mut().set_operator(operator.clone());
    rdd
}

/// A stream whose RDDs `make` derives from those of one parent.
pub struct Lift<D, M, R> {
    parent: D,
    operator: Operator,
    width: Width,
    make: M,
    kind: PhantomData<fn() -> R>,
}

impl<D, M, R> DStream for Lift<D, M, R>
where
    D: DStream,
    R: Rdd,
    M: Fn(D::Rdd, &Operator, &Batch) -> Result<R> + Send + Sync + 'static,
{
    type Item = R::Item;
    type Rdd = R;

    fn rdd(&self, batch: &Batch) -> Result<R> {
        (self.make)(self.parent.rdd(batch)?, &self.operator, batch)
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn trace(&self, origins: &mut Origins) {
        self.parent.trace(origins);
        origins.shuffled |= self.width == Width::Wide;
    }
}

/// A stream whose RDDs `make` derives from those of two parents.
pub struct Lift2<D, E, M, R> {
    parents: (D, E),
    operator: Operator,
    width: Width,
    make: M,
    kind: PhantomData<fn() -> R>,
}

impl<D, E, M, R> DStream for Lift2<D, E, M, R>
where
    D: DStream,
    E: DStream,
    R: Rdd,
    M: Fn(D::Rdd, E::Rdd, &Operator, &Batch) -> Result<R> + Send + Sync + 'static,
{
    type Item = R::Item;
    type Rdd = R;

    fn rdd(&self, batch: &Batch) -> Result<R> {
        (self.make)(self.parents.0.rdd(batch)?, self.parents.1.rdd(batch)?, &self.operator, batch)
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn trace(&self, origins: &mut Origins) {
        self.parents.0.trace(origins);
        self.parents.1.trace(origins);
        origins.shuffled |= self.width == Width::Wide;
    }
}

impl<D: DStream> Stream<D> {
    pub(crate) fn lift<R, M>(self, operator: Operator, width: Width, make: M) -> Stream<Lift<D, M, R>>
    where
        R: Rdd,
        M: Fn(D::Rdd, &Operator, &Batch) -> Result<R> + Send + Sync + 'static,
    {
        let node = Lift { parent: self.node, operator, width, make, kind: PhantomData };
        Stream { graph: self.graph, node }
    }

    pub(crate) fn lift_with<E, R, M>(
        self,
        other: Stream<E>,
        operator: Operator,
        width: Width,
        make: M,
    ) -> Stream<Lift2<D, E, M, R>>
    where
        E: DStream,
        R: Rdd,
        M: Fn(D::Rdd, E::Rdd, &Operator, &Batch) -> Result<R> + Send + Sync + 'static,
    {
        let node = Lift2 { parents: (self.node, other.node), operator, width, make, kind: PhantomData };
        Stream { graph: self.graph, node }
    }
}
