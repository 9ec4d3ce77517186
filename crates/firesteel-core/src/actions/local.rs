//! An RDD as a local iterator.

use crate::error::Result;
use crate::rdd::Rdd;

/// The iterator of [`Actions::to_local_iter`](crate::Actions::to_local_iter).
pub struct LocalIter<R: Rdd> {
    rdd: R,
    next: usize,
    partition: std::vec::IntoIter<R::Item>,
}

impl<R: Rdd> LocalIter<R> {
    pub(super) fn new(rdd: R) -> Self {
        Self { rdd, next: 0, partition: Vec::new().into_iter() }
    }
}

impl<R: Rdd> Iterator for LocalIter<R> {
    type Item = Result<R::Item>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.partition.next() {
                return Some(Ok(record));
            }
            if self.next >= self.rdd.num_partitions() {
                return None;
            }
            let context = self.rdd.node().context().ahead();
            let collected = context.run_some(&self.rdd, self.next..self.next + 1, |rdd, split, task| {
                let mut records = Vec::new();
                task.drain(rdd.compute(split, task), |record| records.push(record));
                records
            });
            self.next += 1;
            match collected {
                Ok((partitions, _)) => {
                    self.partition = partitions.into_iter().flatten().collect::<Vec<_>>().into_iter()
                }
                Err(error) => {
                    self.next = self.rdd.num_partitions();
                    return Some(Err(error));
                }
            }
        }
    }
}
