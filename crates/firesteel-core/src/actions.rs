//! Actions: they run a job and bring its result to the caller.

use crate::error::Result;
use crate::rdd::Rdd;

/// Actions on every RDD.
pub trait Actions: Rdd {
    /// All records, in partition order. They must fit into memory.
    ///
    /// # Errors
    /// When the job fails.
    fn collect(&self) -> Result<Vec<Self::Item>> {
        let partitions = self.node().context().run(self, |rdd, split, task| {
            let mut records = Vec::new();
            task.drain(rdd.compute(split, task), |record| records.push(record));
            records
        })?;
        Ok(partitions.into_iter().flatten().collect())
    }

    /// How many records there are.
    ///
    /// # Errors
    /// When the job fails.
    fn count(&self) -> Result<u64> {
        let counts = self
            .node()
            .context()
            .run(self, |rdd, split, task| task.fold(rdd.compute(split, task), 0u64, |count, _| count + 1))?;
        Ok(counts.into_iter().sum())
    }
}

impl<R: Rdd> Actions for R {}
