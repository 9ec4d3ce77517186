//! Side outputs: a second stream out of an operator.

use std::sync::Arc;

use firesteel_core::ops::SliceRdd;
use firesteel_core::{Accumulator, Data, Listed, Operator};
use parking_lot::Mutex;

use crate::batch::Batch;
use crate::error::Result;
use crate::graph::Graph;
use crate::stream::{DStream, Feeds, Origins, Stream};

/// Where an operator puts records that are not part of its own stream: malformed ones, late ones, diverted ones.
///
/// Made by [`StreamingContext::side_output`](crate::StreamingContext::side_output). The records of a batch are those
/// which the batch's other outputs produced; an operator that no output needs feeds nothing.
pub struct SideOutput<T> {
    graph: Arc<Graph>,
    feeds: Arc<Feeds>,
    records: Accumulator<Listed<T>>,
    /// What was put here in a batch, for all streams that read it.
    taken: Arc<Mutex<Option<Taken<T>>>>,
}

/// A batch's number and its records, in one partition.
type Taken<T> = (u64, Arc<[Vec<T>]>);

impl<T> Clone for SideOutput<T> {
    fn clone(&self) -> Self {
        Self {
            graph: Arc::clone(&self.graph),
            feeds: Arc::clone(&self.feeds),
            records: self.records.clone(),
            taken: Arc::clone(&self.taken),
        }
    }
}

impl<T: Data> SideOutput<T> {
    pub(crate) fn new(graph: Arc<Graph>, name: &str) -> Self {
        Self { graph, feeds: Feeds::new(name, false), records: Accumulator::new(), taken: Arc::default() }
    }

    /// A side output that is filled by the batch loop itself, behind all outputs but those that read it.
    pub(crate) fn last(graph: Arc<Graph>, name: &str) -> Self {
        Self { feeds: Feeds::new(name, true), ..Self::new(graph, name) }
    }

    /// The stream of what was put here. It can be had several times: each has all of it.
    #[track_caller]
    pub fn stream(&self) -> Stream<SideStream<T>> {
        let operator = Operator::here("side_output").named(Arc::clone(self.feeds.name()));
        Stream { graph: Arc::clone(&self.graph), node: SideStream { side: self.clone(), operator } }
    }

    /// Notes that an operator behind `stream` puts records here: who reads them runs later.
    pub(crate) fn feed(&self, stream: &impl DStream) {
        self.feeds.add(Origins::of(stream).sides);
    }

    /// What was put here in this batch, so far.
    fn take(&self, batch: &Batch) -> Arc<[Vec<T>]> {
        let mut taken = self.taken.lock();
        match &*taken {
            Some((id, records)) if *id == batch.id() => Arc::clone(records),
            _ => {
                let records: Arc<[Vec<T>]> = [self.records.take().into_items().collect()].into();
                *taken = Some((batch.id(), Arc::clone(&records)));
                records
            }
        }
    }

    pub(crate) fn emit(&self, record: T) {
        self.records.add(record);
    }
}

/// The stream of [`SideOutput::stream`].
pub struct SideStream<T> {
    side: SideOutput<T>,
    operator: Operator,
}

impl<T: Data> DStream for SideStream<T> {
    type Item = T;
    type Rdd = SliceRdd<T>;

    fn rdd(&self, batch: &Batch) -> Result<SliceRdd<T>> {
        Ok(SliceRdd::new(batch.context(), self.operator.clone(), self.side.take(batch)))
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn trace(&self, origins: &mut Origins) {
        origins.sides.push(Arc::clone(&self.side.feeds));
    }
}

impl<D: DStream> Stream<D> {
    /// Each record as `f` makes it; what `f` returns as an error goes to the side output instead.
    #[track_caller]
    pub fn divert<U, T, F>(self, side: &SideOutput<T>, f: F) -> Stream<impl DStream<Item = U>>
    where
        U: Send + 'static,
        T: Data,
        F: Fn(D::Item) -> std::result::Result<U, T> + Send + Sync + 'static,
    {
        side.feed(&self.node);
        let side = side.clone();
        let f = Arc::new(move |record| f(record).map_err(|diverted| side.emit(diverted)).ok());
        self.lift(Operator::here("divert"), super::lift::Width::Narrow, move |rdd, operator, _| {
            Ok(firesteel_core::ops::FlatMap::new(rdd, operator.clone(), Arc::clone(&f)))
        })
    }
}
