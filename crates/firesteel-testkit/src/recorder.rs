//! What a stream yielded, batch by batch.

use firesteel_connect_memory::Collector;
use firesteel_core::Data;

/// Records what a stream yields. Made by [`TestJob::record`](crate::TestJob::record); a clone shows the same.
#[derive(Clone, Debug)]
pub struct Recorder<T> {
    pub(crate) collector: Collector<T>,
}

impl<T: Data> Recorder<T> {
    /// All records of each batch, in order; a batch without records is an empty list.
    #[must_use]
    pub fn batches(&self) -> Vec<Vec<T>> {
        self.collector.batches().into_iter().map(|(_, records)| records).collect()
    }

    /// All records of each batch, sorted: for streams whose order within a batch means nothing.
    #[must_use]
    pub fn sorted(&self) -> Vec<Vec<T>>
    where
        T: Ord,
    {
        let mut batches = self.batches();
        batches.iter_mut().for_each(|records| records.sort());
        batches
    }

    /// The records since the last call of this method.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        self.collector.take()
    }
}
