//! Side outputs: a second stream out of an operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_core::ops::SliceRdd;
use firesteel_core::{Accumulator, Data, Listed, Operator};
use parking_lot::Mutex;

use crate::batch::Batch;
use crate::error::Result;
use crate::graph::Graph;
use crate::stream::{DStream, Origins, Stream};

/// Where an operator puts records that are not part of its own stream: malformed ones, late ones, diverted ones.
///
/// Made by [`StreamingContext::side_output`](crate::StreamingContext::side_output). The records of a batch are those
/// which the batch's other outputs produced; an operator that no output needs feeds nothing.
pub struct SideOutput<T> {
    graph: Arc<Graph>,
    name: Arc<str>,
    level: Arc<AtomicUsize>,
    records: Accumulator<Listed<T>>,
}

impl<T> Clone for SideOutput<T> {
    fn clone(&self) -> Self {
        Self {
            graph: Arc::clone(&self.graph),
            name: Arc::clone(&self.name),
            level: Arc::clone(&self.level),
            records: self.records.clone(),
        }
    }
}

impl<T: Data> SideOutput<T> {
    pub(crate) fn new(graph: Arc<Graph>, name: &str) -> Self {
        Self { graph, name: name.into(), level: Arc::default(), records: Accumulator::new() }
    }

    /// The stream of what was put here.
    #[track_caller]
    pub fn stream(&self) -> Stream<SideStream<T>> {
        let operator = Operator::here("side_output").named(Arc::clone(&self.name));
        let node = SideStream { side: self.clone(), operator, taken: Mutex::new(None) };
        Stream { graph: Arc::clone(&self.graph), node }
    }

    /// Notes that an operator behind `stream` puts records here: who reads them runs later.
    pub(crate) fn feed(&self, stream: &impl DStream) {
        let mut origins = Origins::default();
        stream.trace(&mut origins);
        self.level.fetch_max(origins.level + 1, Ordering::Relaxed);
    }

    /// Notes that records are put here by the batch loop itself, behind all outputs but those that read this one.
    pub(crate) fn feed_last(&self) {
        self.level.store(usize::MAX / 2, Ordering::Relaxed);
    }

    pub(crate) fn emit(&self, record: T) {
        self.records.add(record);
    }
}

/// The stream of [`SideOutput::stream`].
pub struct SideStream<T> {
    side: SideOutput<T>,
    operator: Operator,
    taken: Mutex<Option<(u64, Arc<[Vec<T>]>)>>,
}

impl<T: Data> DStream for SideStream<T> {
    type Item = T;
    type Rdd = SliceRdd<T>;

    fn rdd(&self, batch: &Batch) -> Result<SliceRdd<T>> {
        let mut taken = self.taken.lock();
        let records = match &*taken {
            Some((id, records)) if *id == batch.id() => Arc::clone(records),
            _ => {
                let records: Arc<[Vec<T>]> = [self.side.records.take().into_items().collect()].into();
                *taken = Some((batch.id(), Arc::clone(&records)));
                records
            }
        };
        Ok(SliceRdd::new(batch.context(), self.operator.clone(), records))
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn trace(&self, origins: &mut Origins) {
        origins.level = origins.level.max(self.side.level.load(Ordering::Relaxed));
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
