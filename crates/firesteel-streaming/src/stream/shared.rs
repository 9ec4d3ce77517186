//! Streams with several consumers.

mod kept;

use std::sync::Arc;

use firesteel_core::{Data, Operator};
use parking_lot::Mutex;

use crate::batch::Batch;
use crate::error::Result;
use crate::stream::{DStream, Origins, Stream, reusable};

use kept::SharedRdd;

/// A stream that can be cloned: what is before it is computed once per batch, for all of its consumers.
pub struct Shared<D: DStream>
where
    D::Item: Data,
{
    stream: Arc<D>,
    operator: Operator,
    current: Arc<Mutex<Option<Current<D>>>>,
}

/// The RDD of the current batch: its number, and the RDD that keeps its records until the next.
type Current<D> = (u64, SharedRdd<<D as DStream>::Rdd>);

impl<D: DStream> Clone for Shared<D>
where
    D::Item: Data,
{
    fn clone(&self) -> Self {
        Self { stream: Arc::clone(&self.stream), operator: self.operator.clone(), current: Arc::clone(&self.current) }
    }
}

impl<D: DStream> Stream<D> {
    /// The same stream for several consumers. Its records are computed once per batch and kept in memory until the
    /// next: a source behind it is read once, a `try_map` before it counts once. Each record is kept with its position
    /// in the source, so that what fails behind it is named as if nothing lay between.
    ///
    /// Where the records of a batch do not fit into [`storage_memory`](firesteel_core::Settings::storage_memory), some
    /// are computed again for each consumer; what is counted on the way still counts once.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let numbers = test.script([vec![1, 2, 3]]).shared();
    /// let even = test.record(numbers.clone().filter(|n| n % 2 == 0));
    /// let odd = test.record(numbers.filter(|n| n % 2 == 1));
    /// let progress = test.run()?;
    /// assert_eq!((even.batches(), odd.batches()), (vec![vec![2]], vec![vec![1, 3]]));
    /// assert_eq!(progress[0].rows_in, 3);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn shared(self) -> Stream<Shared<D>>
    where
        D::Item: Data,
    {
        let operator = Operator::here("shared");
        let node = Shared { stream: Arc::new(self.node), operator, current: Arc::default() };
        Stream { graph: self.graph, node }
    }
}

impl<D: DStream> DStream for Shared<D>
where
    D::Item: Data,
{
    type Item = D::Item;
    type Rdd = SharedRdd<D::Rdd>;

    fn rdd(&self, batch: &Batch) -> Result<Self::Rdd> {
        let mut current = self.current.lock();
        if let Some((id, rdd)) = &*current
            && *id == batch.id()
        {
            return Ok(rdd.clone());
        }
        // What the last batch kept goes before this one is computed.
        *current = None;
        let rdd = SharedRdd::new(reusable(self.stream.rdd(batch)?), self.operator.clone());
        *current = Some((batch.id(), rdd.clone()));
        Ok(rdd)
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn trace(&self, origins: &mut Origins) {
        self.stream.trace(origins);
    }
}
