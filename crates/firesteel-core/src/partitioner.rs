//! Partitioners: which partition a key belongs to.

mod placement;

use std::ops::Range;
use std::sync::Arc;

use crate::data::Key;
use crate::ids::PartitionerId;

pub use placement::Placement;

/// Assigns each key to a partition, the same one each time.
pub trait Partitioner<K>: Send + Sync + 'static {
    /// How many partitions there are; at least one.
    fn num_partitions(&self) -> usize;

    /// The key's partition, below [`num_partitions`](Self::num_partitions). `hash` is the key's
    /// [`hash_key`](crate::hash::hash_key), which is computed anyway.
    fn partition(&self, key: &K, hash: u64) -> usize;

    /// For telling whether data placed by another partitioner is placed alike.
    fn id(&self) -> PartitionerId;

    /// The partitions that may hold keys from `low` to `high`, both included; `None` if keys are not placed in order.
    fn partitions_between(&self, low: &K, high: &K) -> Option<Range<usize>> {
        let _ = (low, high);
        None
    }
}

impl<K, P: Partitioner<K> + ?Sized> Partitioner<K> for Arc<P> {
    fn num_partitions(&self) -> usize {
        (**self).num_partitions()
    }
    fn partition(&self, key: &K, hash: u64) -> usize {
        (**self).partition(key, hash)
    }
    fn id(&self) -> PartitionerId {
        (**self).id()
    }
    fn partitions_between(&self, low: &K, high: &K) -> Option<Range<usize>> {
        (**self).partitions_between(low, high)
    }
}

/// Spreads keys evenly by their hash. Uses the upper bits, so that a partition is a range of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashPartitioner {
    partitions: usize,
}

impl HashPartitioner {
    /// A partitioner over this many partitions; none counts as one.
    #[must_use]
    pub fn new(partitions: usize) -> Self {
        Self { partitions: partitions.max(1) }
    }

    /// The partition of a hash.
    #[inline]
    #[must_use]
    pub fn of_hash(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.partitions as u128) >> 64) as usize
    }
}

impl<K: Key> Partitioner<K> for HashPartitioner {
    fn num_partitions(&self) -> usize {
        self.partitions
    }
    #[inline]
    fn partition(&self, _: &K, hash: u64) -> usize {
        self.of_hash(hash)
    }
    fn id(&self) -> PartitionerId {
        PartitionerId::hash(self.partitions)
    }
}

/// Places keys by a function of the user's.
pub struct CustomPartitioner<F> {
    partitions: usize,
    place: F,
    id: PartitionerId,
}

impl<F> CustomPartitioner<F> {
    /// A partitioner that places a key in partition `place(key) % partitions`; none counts as one.
    ///
    /// ```
    /// use firesteel_core::{CustomPartitioner, Partitioner};
    /// let by_length = CustomPartitioner::new(4, |word: &String| word.len());
    /// assert_eq!(by_length.partition(&"abcde".to_owned(), 0), 1);
    /// ```
    pub fn new(partitions: usize, place: F) -> Self {
        let partitions = partitions.max(1);
        Self { partitions, place, id: PartitionerId::unique(partitions) }
    }
}

impl<K, F: Fn(&K) -> usize + Send + Sync + 'static> Partitioner<K> for CustomPartitioner<F> {
    fn num_partitions(&self) -> usize {
        self.partitions
    }
    fn partition(&self, key: &K, _: u64) -> usize {
        (self.place)(key) % self.partitions
    }
    fn id(&self) -> PartitionerId {
        self.id
    }
}

/// Places keys in ranges, in order: all keys of a partition come before those of the next.
#[derive(Debug, Clone)]
pub struct RangePartitioner<K> {
    /// The largest key of each partition but the last.
    bounds: Vec<K>,
    ascending: bool,
    id: PartitionerId,
}

impl<K: Ord> RangePartitioner<K> {
    /// Cuts so that a sample would be spread evenly over at most this many partitions.
    #[must_use]
    pub fn from_sample(sample: Vec<K>, partitions: usize, ascending: bool) -> Self {
        Self::from_weighted(sample.into_iter().map(|key| (key, 1.0)).collect(), partitions, ascending)
    }

    /// The same from keys that stand for this many records each.
    pub(crate) fn from_weighted(mut sample: Vec<(K, f64)>, partitions: usize, ascending: bool) -> Self {
        sample.sort_by(|a, b| a.0.cmp(&b.0));
        let total: f64 = sample.iter().map(|(_, weight)| weight).sum();
        let step = total / partitions.max(1) as f64;
        let (mut bounds, mut seen, mut cut): (Vec<K>, f64, usize) = (Vec::new(), 0.0, 1);
        for (key, weight) in sample {
            seen += weight;
            // Weights are sums of fractions: what is a hair below a cut is meant to be at it.
            let mut is_cut = false;
            while cut < partitions && seen >= step * cut as f64 * (1.0 - 1e-9) {
                (is_cut, cut) = (true, cut + 1);
            }
            if is_cut && bounds.last() != Some(&key) {
                bounds.push(key);
            }
        }
        let id = PartitionerId::unique(bounds.len() + 1);
        Self { bounds, ascending, id }
    }

    /// Whether partitions are in ascending order of keys.
    #[must_use]
    pub fn is_ascending(&self) -> bool {
        self.ascending
    }

    pub(crate) fn place(&self, key: &K) -> usize {
        let ascending = self.bounds.partition_point(|bound| bound < key);
        if self.ascending { ascending } else { self.bounds.len() - ascending }
    }
}

impl<K: Ord + Send + Sync + 'static> Partitioner<K> for RangePartitioner<K> {
    fn num_partitions(&self) -> usize {
        self.bounds.len() + 1
    }
    fn partition(&self, key: &K, _: u64) -> usize {
        self.place(key)
    }
    fn id(&self) -> PartitionerId {
        self.id
    }
    fn partitions_between(&self, low: &K, high: &K) -> Option<Range<usize>> {
        if low > high {
            return Some(0..0);
        }
        let (first, last) = (self.place(low), self.place(high));
        Some(first.min(last)..first.max(last) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_cut_evenly() {
        let ranges = RangePartitioner::from_sample((1..=100u32).rev().collect(), 4, true);
        assert_eq!(ranges.bounds, [25, 50, 75]);
        assert_eq!([1, 25, 26, 100, 1000].map(|key| ranges.place(&key)), [0, 0, 1, 3, 3]);
        let down = RangePartitioner::from_sample((1..=100u32).collect(), 4, false);
        assert_eq!([1, 25, 26, 100].map(|key| down.place(&key)), [3, 3, 2, 0]);
    }

    #[test]
    fn few_distinct_keys_make_few_ranges() {
        let ranges = RangePartitioner::from_sample(vec![7u32; 50], 8, true);
        assert_eq!(ranges.num_partitions(), 2);
        assert_eq!(RangePartitioner::<u32>::from_sample(vec![], 8, true).num_partitions(), 1);
    }
}
