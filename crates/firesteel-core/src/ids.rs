//! By what RDDs, shuffles and partitioners are told apart.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of an RDD, unique within its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RddId(pub(crate) u64);

impl RddId {
    /// The bare number, as it appears in lineages and events.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// The number of a shuffle, unique within its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShuffleId(pub(crate) u64);

impl ShuffleId {
    /// The bare number, as it appears in events and errors.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Tells whether two RDDs place equal keys in equal partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartitionerId {
    /// What kind of partitioner, and which one where they differ: two hash partitioners are alike, two range
    /// partitioners only if they are the same.
    instance: u64,
    partitions: usize,
}

impl PartitionerId {
    const HASH: u64 = 0;

    /// An identity equal to no other.
    #[must_use]
    pub fn unique(partitions: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { instance: NEXT.fetch_add(1, Ordering::Relaxed), partitions }
    }

    /// The identity shared by all hash partitioners of this many partitions.
    #[must_use]
    pub fn hash(partitions: usize) -> Self {
        Self { instance: Self::HASH, partitions }
    }

    pub(crate) fn is_hash(&self) -> bool {
        self.instance == Self::HASH
    }

    /// The number of partitions.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions
    }
}
