//! The sample of keys that cuts the ranges of a sort.

use std::sync::Arc;

use crate::error::Result;
use crate::operator::Operator;
use crate::ops::sorted::SortKey;
use crate::random::Random;
use crate::rdd::Rdd;
use crate::task::TaskContext;

/// Keys wanted per range: enough for ranges of about equal size. The number is Spark's.
const PER_RANGE: usize = 20;

/// A sample of keys, each with the number of records it stands for: this many of each partition, drawn with a fixed
/// seed into a reservoir (Vitter's algorithm R, 1985).
pub(super) fn keys<R: Rdd, S: SortKey<R::Item>>(
    parent: &R,
    operator: &Operator,
    key: &Arc<S>,
    ranges: usize,
) -> Result<Vec<(S::Key, f64)>> {
    let wanted = (PER_RANGE * ranges).min(1_000_000);
    // Three times its share of each partition, as Spark takes, lest unequal partitions starve the sample.
    let per_partition = (3 * wanted).div_ceil(parent.num_partitions().max(1));
    let (key, operator) = (Arc::clone(key), operator.clone());
    let sampled = parent.node().context().ahead().run(parent, move |rdd, split, task: &TaskContext| {
        let mut random = Random::of_partition(0, split);
        let mut sample: Vec<S::Key> = Vec::new();
        let mut seen = 0u64;
        task.drain(rdd.compute(split, task), |record| {
            seen += 1;
            if sample.len() < per_partition {
                sample.push(task.blame_on(&operator, || key.key(&record)));
            } else if let Some(slot) = sample.get_mut(random.below(seen) as usize) {
                *slot = task.blame_on(&operator, || key.key(&record));
            }
        });
        (sample, seen)
    })?;
    let weighted = sampled.into_iter().flat_map(|(sample, seen)| {
        let weight = seen as f64 / sample.len().max(1) as f64;
        sample.into_iter().map(move |key| (key, weight))
    });
    Ok(weighted.collect())
}
