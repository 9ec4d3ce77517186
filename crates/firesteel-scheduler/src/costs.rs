//! What a record costs in a stage, learned as the stage runs.

use std::ptr;

use firesteel_core::Lineage;
use firesteel_core::hash::hash_key;
use parking_lot::Mutex;

use crate::adaptive::Expected;
use crate::small_map::SmallMap;

/// Nanoseconds by stage. A stage is known by its last operator: by its name, and the place in the program.
#[derive(Default)]
pub(crate) struct Costs(Mutex<SmallMap<f64>>);

/// Stages that are remembered. A program has as many as it has places with operators, and names for them; should it make up
/// names without end, all are learned anew.
const MOST: usize = 10_000;

/// An empty partition still costs about as much as some records.
const TASK: u64 = 50;

/// What a partition counts for whose size nobody knows.
const UNKNOWN: u64 = 1_000;

/// Which stage it is, from job to job.
pub(crate) type StageKey = u64;

/// The stage whose tasks compute partitions of `rdd`, to write the buckets of a shuffle or for the caller.
pub(crate) fn key(rdd: &dyn Lineage, writes_shuffle: bool) -> StageKey {
    let operator = rdd.node().operator();
    let place = ptr::from_ref(operator.location()).addr();
    hash_key(&(place, operator.kind().as_ptr().addr(), operator.name(), writes_shuffle))
}

/// What a partition of this size counts for.
pub(crate) fn weight(size: Option<u64>) -> u64 {
    size.unwrap_or(UNKNOWN).saturating_add(TASK)
}

impl Costs {
    /// What each unit of weight of the stage costs, where that is known.
    pub(crate) fn of(&self, stage: StageKey) -> Option<f64> {
        self.0.lock().get_mut(stage).copied()
    }

    /// Tasks of the stage with this weight have taken this many nanoseconds, all together.
    pub(crate) fn learn(&self, stage: StageKey, weight: u64, nanos: u64) {
        if weight == 0 {
            return;
        }
        let (now, mut costs) = (nanos as f64 / weight as f64, self.0.lock());
        match costs.get_mut(stage) {
            // What has become slow is spread at once; what has become fast may have been so by chance.
            Some(cost) => *cost = if now > 2.0 * *cost { now } else { (*cost + now) / 2.0 },
            None => {
                if costs.len() >= MOST {
                    *costs = SmallMap::default();
                }
                costs.insert(stage, now);
            }
        }
    }
}

/// What is expected of a task of this size.
pub(crate) fn expected(cost: Option<f64>, size: Option<u64>) -> Expected {
    let weight = weight(size);
    Expected { time: cost.map(|cost| (cost * weight as f64) as u64), weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_follows_what_was_seen() {
        let costs = Costs::default();
        assert!(costs.of(1).is_none() && expected(None, Some(10)).time.is_none());
        costs.learn(1, 1_000, 10_000);
        assert_eq!(expected(costs.of(1), Some(950)).time, Some(10_000));
        costs.learn(1, 1_000, 100_000);
        assert_eq!(costs.of(1), Some(100.0), "what has become slow is known at once");
        costs.learn(1, 1_000, 20_000);
        assert_eq!(costs.of(1), Some(60.0), "what has become fast may be slow again");
        assert!(costs.of(2).is_none());
    }

    #[test]
    fn names_without_end_are_forgotten() {
        let costs = Costs::default();
        (0..=MOST as u64).for_each(|stage| costs.learn(stage, 1, 1));
        assert!(costs.of(0).is_none() && costs.of(MOST as u64).is_some());
    }
}
