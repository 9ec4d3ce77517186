//! Any partitioner, behind one type.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::data::Key;
use crate::hash::hash_key;
use crate::ids::PartitionerId;
use crate::partitioner::{CustomPartitioner, HashPartitioner, Partitioner, RangePartitioner};
use crate::rdd::Lineage;

/// How keys are placed: any partitioner, behind one type that is cheap to clone.
///
/// What takes `impl Into<Placement<K>>` takes a number of partitions, for placement by hash, or a partitioner:
///
/// ```
/// use firesteel_core::{CustomPartitioner, Partitioner, Placement};
/// let by_hash: Placement<String> = 8.into();
/// assert_eq!(by_hash.num_partitions(), 8);
/// let by_length: Placement<String> = CustomPartitioner::new(4, |word: &String| word.len()).into();
/// assert_eq!(by_length.of(&"abcde".to_owned()), 1);
/// ```
pub struct Placement<K>(Kind<K>);

enum Kind<K> {
    /// By far the most frequent, and called for every record: no virtual call.
    Hash(HashPartitioner),
    Other(Arc<dyn Partitioner<K>>),
}

impl<K: Key> Placement<K> {
    /// By hash, into this many partitions; none counts as one.
    #[must_use]
    pub fn hash(partitions: usize) -> Self {
        Self(Kind::Hash(HashPartitioner::new(partitions)))
    }

    /// By the given partitioner.
    #[must_use]
    pub fn shared<P: Partitioner<K>>(partitioner: Arc<P>) -> Self {
        let any: &dyn Any = &*partitioner;
        match any.downcast_ref::<Self>() {
            Some(placement) => placement.clone(),
            None if partitioner.id().is_hash() => Self::hash(partitioner.num_partitions()),
            None => Self(Kind::Other(partitioner)),
        }
    }

    /// The partition of a key.
    #[must_use]
    pub fn of(&self, key: &K) -> usize {
        self.partition(key, hash_key(key))
    }

    /// How the keys of an RDD are placed, if it promises to place equal keys together.
    #[must_use]
    pub fn known(rdd: &(impl Lineage + ?Sized)) -> Option<Self> {
        rdd.placement()?.downcast_ref::<Self>().cloned()
    }

    /// How an operator over these RDDs places keys if nothing is said: as the one that is in the most partitions, so
    /// that it need not move; by hash into the default number of partitions if none is placed, or only ones in far
    /// fewer partitions than the others are in. The rule is Spark's.
    #[must_use]
    pub fn default_for(rdds: &[&dyn Lineage]) -> Self {
        let parallelism = rdds.first().map_or(1, |rdd| rdd.node().context().parallelism());
        let largest = rdds.iter().map(|rdd| rdd.num_partitions()).max().unwrap_or(1);
        let known = rdds.iter().filter_map(|rdd| Self::known(*rdd));
        match known.max_by_key(Partitioner::num_partitions) {
            Some(placement) if placement.num_partitions() * 10 > largest => placement,
            Some(placement) if placement.num_partitions() > parallelism => placement,
            _ => Self::hash(parallelism),
        }
    }
}

impl<K> Clone for Placement<K> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Kind::Hash(partitioner) => Kind::Hash(*partitioner),
            Kind::Other(partitioner) => Kind::Other(Arc::clone(partitioner)),
        })
    }
}

impl<K: Key> fmt::Debug for Placement<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Placement").field(&self.id()).finish()
    }
}

impl<K: Key> Partitioner<K> for Placement<K> {
    fn num_partitions(&self) -> usize {
        match &self.0 {
            Kind::Hash(partitioner) => Partitioner::<K>::num_partitions(partitioner),
            Kind::Other(partitioner) => partitioner.num_partitions(),
        }
    }
    #[inline]
    fn partition(&self, key: &K, hash: u64) -> usize {
        match &self.0 {
            Kind::Hash(partitioner) => partitioner.of_hash(hash),
            Kind::Other(partitioner) => partitioner.partition(key, hash),
        }
    }
    fn id(&self) -> PartitionerId {
        match &self.0 {
            Kind::Hash(partitioner) => Partitioner::<K>::id(partitioner),
            Kind::Other(partitioner) => partitioner.id(),
        }
    }
    fn partitions_between(&self, low: &K, high: &K) -> Option<Range<usize>> {
        match &self.0 {
            Kind::Hash(_) => None,
            Kind::Other(partitioner) => partitioner.partitions_between(low, high),
        }
    }
}

impl<K: Key> From<usize> for Placement<K> {
    fn from(partitions: usize) -> Self {
        Self::hash(partitions)
    }
}

impl<K: Key> From<HashPartitioner> for Placement<K> {
    fn from(partitioner: HashPartitioner) -> Self {
        Self(Kind::Hash(partitioner))
    }
}

impl<K: Key + Ord> From<RangePartitioner<K>> for Placement<K> {
    fn from(partitioner: RangePartitioner<K>) -> Self {
        Self(Kind::Other(Arc::new(partitioner)))
    }
}

impl<K: Key, F: Fn(&K) -> usize + Send + Sync + 'static> From<CustomPartitioner<F>> for Placement<K> {
    fn from(partitioner: CustomPartitioner<F>) -> Self {
        Self(Kind::Other(Arc::new(partitioner)))
    }
}

impl<K: Key, P: Partitioner<K>> From<Arc<P>> for Placement<K> {
    fn from(partitioner: Arc<P>) -> Self {
        Self::shared(partitioner)
    }
}
