//! From lineage to stages: which shuffles have to run, and in which order.
//!
//! A stage is everything between two shuffles: its narrow dependencies are computed within its tasks. A shuffle whose
//! output is there is not entered, and neither is anything below an RDD that is materialized.

use std::sync::Arc;

use firesteel_core::Lineage;
use firesteel_core::shuffle::ShuffleDependency;
use firesteel_core::{Dependency, JobOptions};

use crate::engine::Engine;
use crate::small_map::SmallMap;

/// A shuffle that has to run.
pub(crate) struct PlannedShuffle {
    pub(crate) shuffle: Arc<dyn ShuffleDependency>,
    /// The map partitions whose output is missing.
    pub(crate) missing: Vec<usize>,
    /// Shuffles of one level do not need each other; each needs only those of lower levels.
    pub(crate) level: usize,
    /// Whether its tasks change something outside of them.
    pub(crate) stateful: bool,
}

/// What has to run before the stage that was asked for can.
pub(crate) struct Plan {
    /// In post-order: parents first.
    pub(crate) shuffles: Vec<PlannedShuffle>,
    /// Shuffles whose output is there already.
    pub(crate) skipped: usize,
    /// Whether the tasks of the stage that was asked for change something outside of them.
    pub(crate) stateful: bool,
    /// How many map sides had ended before anybody looked at what is missing.
    pub(crate) ended: u64,
}

impl Plan {
    /// The stages below a job's target. Decides which shuffles may hand out their records instead of cloning them.
    pub(crate) fn for_job(target: &dyn Lineage, whole: bool, options: &JobOptions, engine: &Engine) -> Self {
        let may_move = options.single_use && engine.speculation.is_none();
        let mut walk = Walk::new(engine);
        // Who computes a part of the partitions leaves the others for the next job.
        let reach = walk.rdd(target, !whole);
        for reached in walk.shuffles.values() {
            reached.shuffle.set_single_use(may_move && !reached.repeated);
        }
        walk.into_plan(reach.stateful)
    }

    /// The stages that bring back the output of `shuffle`, itself included.
    pub(crate) fn for_shuffle(shuffle: &Arc<dyn ShuffleDependency>, engine: &Engine) -> Self {
        let mut walk = Walk::new(engine);
        walk.shuffle(shuffle, false);
        walk.into_plan(false)
    }

    /// The number of levels.
    pub(crate) fn levels(&self) -> usize {
        self.shuffles.iter().map(|planned| planned.level + 1).max().unwrap_or(0)
    }
}

/// What is known of an RDD and everything in its stage below it.
#[derive(Clone, Copy)]
struct Reach {
    /// Reached by more than one path, or by one that computes it repeatedly.
    repeated: bool,
    /// The lowest level on which its stage can run.
    level: usize,
    stateful: bool,
}

struct Reached {
    shuffle: Arc<dyn ShuffleDependency>,
    repeated: bool,
    /// The lowest level of those who read it.
    level: usize,
}

struct Walk {
    ended: u64,
    rdds: SmallMap<Reach>,
    shuffles: SmallMap<Reached>,
    planned: Vec<PlannedShuffle>,
    skipped: usize,
}

impl Walk {
    fn new(engine: &Engine) -> Self {
        let (rdds, shuffles, planned) = (SmallMap::default(), SmallMap::default(), Vec::new());
        Self { ended: engine.in_flight.ended(), rdds, shuffles, planned, skipped: 0 }
    }

    /// Enters an RDD; a second time only to learn that what is below it is read repeatedly.
    fn rdd(&mut self, rdd: &dyn Lineage, repeated: bool) -> Reach {
        let id = rdd.node().id().number();
        let seen = self.rdds.get_mut(id).copied();
        if let Some(reach) = seen
            && reach.repeated
        {
            return reach;
        }
        let repeated = repeated || seen.is_some();
        let mut reach = Reach { repeated, level: 0, stateful: rdd.is_stateful() };
        if !rdd.is_materialized() {
            let below = repeated || rdd.repeats_parents();
            rdd.dependencies(&mut |dependency| match dependency {
                Dependency::Narrow(parent) => {
                    let parent = self.rdd(parent, below);
                    reach.level = reach.level.max(parent.level);
                    reach.stateful |= parent.stateful;
                }
                Dependency::Shuffle(shuffle) => reach.level = reach.level.max(self.shuffle(shuffle, below)),
            });
        }
        match self.rdds.get_mut(id) {
            Some(known) => *known = reach,
            None => self.rdds.insert(id, reach),
        }
        reach
    }

    /// Enters a shuffle; returns the lowest level on which it can be read.
    fn shuffle(&mut self, shuffle: &Arc<dyn ShuffleDependency>, repeated: bool) -> usize {
        let id = shuffle.id().number();
        if let Some(reached) = self.shuffles.get_mut(id) {
            reached.repeated = true;
            return reached.level;
        }
        let missing = shuffle.missing();
        let level = if missing.is_empty() {
            self.skipped += 1;
            0
        } else {
            // However often the shuffle is read, its map side runs once.
            let Reach { level, stateful, .. } = self.rdd(shuffle.parent(), false);
            self.planned.push(PlannedShuffle { shuffle: Arc::clone(shuffle), missing, level, stateful });
            level + 1
        };
        self.shuffles.insert(id, Reached { shuffle: Arc::clone(shuffle), repeated, level });
        level
    }

    fn into_plan(self, stateful: bool) -> Plan {
        Plan { shuffles: self.planned, skipped: self.skipped, stateful, ended: self.ended }
    }
}

/// The shuffle of that number among those which the stage of `rdd` reads. Looks below materialized RDDs as well: they
/// may have lost what they had.
pub(crate) fn find_shuffle(rdd: &dyn Lineage, number: u64) -> Option<Arc<dyn ShuffleDependency>> {
    fn search(rdd: &dyn Lineage, number: u64, seen: &mut SmallMap<()>) -> Option<Arc<dyn ShuffleDependency>> {
        let id = rdd.node().id().number();
        if seen.get_mut(id).is_some() {
            return None;
        }
        seen.insert(id, ());
        let mut found = None;
        rdd.dependencies(&mut |dependency| {
            if found.is_none() {
                found = match dependency {
                    Dependency::Narrow(parent) => search(parent, number, seen),
                    Dependency::Shuffle(shuffle) if shuffle.id().number() == number => Some(Arc::clone(shuffle)),
                    Dependency::Shuffle(_) => None,
                };
            }
        });
        found
    }
    search(rdd, number, &mut SmallMap::default())
}
