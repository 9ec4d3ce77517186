//! Actions on RDDs of keys and values.

use crate::actions::{KeyMap, count_keys};
use crate::data::Key;
use crate::error::Result;
use crate::partitioner::Placement;
use crate::rdd::Rdd;

/// Actions on RDDs of pairs: each runs a job and returns its result.
pub trait PairActions<K: Send + 'static, V: Send + 'static>: Rdd<Item = (K, V)> {
    /// How many values each key has. The keys must fit into memory; if they may not, count by
    /// [`reduce_by_key`](crate::PairOps::reduce_by_key).
    ///
    /// # Errors
    /// When the job fails.
    fn count_by_key(&self) -> Result<KeyMap<K, u64>>
    where
        K: Key,
    {
        count_keys(self, |(key, _)| key)
    }

    /// The values of one key. If the RDD is placed by key, only that key's partition is computed.
    ///
    /// ```
    /// use firesteel_core::{PairActions, PairOps};
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_scheduler::local(2)?.parallelize([('a', 1), ('b', 2), ('a', 3)]);
    /// let placed = pairs.partition_by(8);
    /// assert_eq!(placed.lookup(&'a')?, [1, 3]); // reads one partition of eight
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the job fails.
    fn lookup(&self, key: &K) -> Result<Vec<V>>
    where
        K: Key,
    {
        let splits = match Placement::<K>::known(self) {
            Some(placement) => {
                let split = placement.of(key);
                split..split + 1
            }
            None => 0..self.num_partitions(),
        };
        let wanted = key.clone();
        let find = move |rdd: &Self, split, task: &crate::TaskContext| {
            let mut values = Vec::new();
            task.drain(rdd.compute(split, task), |(key, value)| {
                if key == wanted {
                    values.push(value);
                }
            });
            values
        };
        Ok(self.node().context().ahead().run_some(self, splits, find)?.0.into_iter().flatten().collect())
    }

    /// All pairs as a map; of several values of a key, the last one stays.
    ///
    /// # Errors
    /// When the job fails.
    fn collect_as_map(&self) -> Result<KeyMap<K, V>>
    where
        K: Key,
    {
        Ok(crate::Actions::collect(self)?.into_iter().collect())
    }
}

impl<K: Send + 'static, V: Send + 'static, R: Rdd<Item = (K, V)>> PairActions<K, V> for R {}
