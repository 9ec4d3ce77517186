//! From the watermarks of partitions to the one of the stream.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::WatermarkStrategy;
use crate::time::Timestamp;

/// The event time of every partition of a source, and the watermark that follows from them.
///
/// The watermark is the smallest over the active partitions, so that the slowest decides: no partition's events are
/// late because another is ahead. It never falls, whatever joins, leaves or comes back.
///
/// A partition is
/// - **active** from [`register`](Self::register) or its first event on. Until it has an event it holds the watermark
///   where it is;
/// - **idle** once it has been silent for the strategy's [timeout](WatermarkStrategy::idle_timeout): it leaves the
///   minimum until its next event. Where all are idle the watermark stays as it is;
/// - **gone** after [`finish`](Self::finish): nothing of it is kept.
///
/// The value is small, cloned cheaply, and serialized with the commit of a batch. After a restart call
/// [`resume`](Self::resume), so that the time the job was down does not count as silence.
///
/// ```
/// use firesteel_window::{PartitionWatermarks, Timestamp, Watermark, seconds};
///
/// let strategy = Watermark::bounded(seconds(5)).idle_after(seconds(60));
/// let at = Timestamp::from_secs;
/// let mut watermarks = PartitionWatermarks::new();
///
/// watermarks.observe(0, at(100), at(0));
/// watermarks.observe(1, at(20), at(0));
/// assert_eq!(watermarks.advance(&strategy, at(0)), at(15));
///
/// // Partition 1 falls silent, and is not waited for any longer.
/// watermarks.observe(0, at(130), at(90));
/// assert_eq!(watermarks.advance(&strategy, at(90)), at(125));
///
/// assert_eq!(watermarks.finish_all(), Timestamp::MAX);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Id: Ord + Deserialize<'de>"))]
pub struct PartitionWatermarks<Id> {
    partitions: BTreeMap<Id, Partition>,
    current: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Partition {
    /// The largest event time, or `None` before the first event.
    largest: Option<Timestamp>,
    activity: Activity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Activity {
    /// With the processing time of the last event, or of the registration.
    Active(Timestamp),
    Idle,
}

/// The partition that holds the watermark back: see [`PartitionWatermarks::slowest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slowest<'a, Id> {
    /// The partition.
    pub id: &'a Id,
    /// Its largest event time; nothing before its first event.
    pub largest: Option<Timestamp>,
    /// The processing time of its last event, of its registration, or of the restart since then.
    pub since: Timestamp,
}

impl Partition {
    const fn new(now: Timestamp) -> Self {
        Self { largest: None, activity: Activity::Active(now) }
    }

    fn is_idle(&self) -> bool {
        self.activity == Activity::Idle
    }
}

impl<Id: Ord> Default for PartitionWatermarks<Id> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Id: Ord> PartitionWatermarks<Id> {
    /// No partition yet, and a watermark of [`Timestamp::MIN`].
    pub const fn new() -> Self {
        Self { partitions: BTreeMap::new(), current: Timestamp::MIN }
    }

    /// Makes a partition known before its first event, so that the watermark waits for it.
    ///
    /// A known partition is left as it is. `now` is processing time.
    pub fn register(&mut self, id: Id, now: Timestamp) {
        self.partitions.entry(id).or_insert(Partition::new(now));
    }

    /// Takes note of events in a partition, the latest of them at `largest`; the partition is active again.
    ///
    /// One call per partition and batch is enough. The watermark moves with the next [`advance`](Self::advance), not
    /// before: events of one batch are all judged by the watermark at its start. `now` is processing time.
    pub fn observe(&mut self, id: Id, largest: Timestamp, now: Timestamp) {
        let partition = self.partitions.entry(id).or_insert(Partition::new(now));
        partition.largest = partition.largest.max(Some(largest));
        partition.activity = Activity::Active(now);
    }

    /// Forgets a partition that will bring no more events: it no longer holds back the others.
    ///
    /// Its last events count for the watermark if [`advance`](Self::advance) is called first. The watermark does not
    /// move by this alone, not even when no partition is left: more may come. Where none can, use
    /// [`finish_all`](Self::finish_all). A finished partition that is observed again joins as a new one.
    pub fn finish(&mut self, id: &Id) {
        self.partitions.remove(id);
    }

    /// Ends the stream: no partition is left, and the watermark is [`Timestamp::MAX`], which closes every window.
    pub fn finish_all(&mut self) -> Timestamp {
        self.partitions.clear();
        self.current = Timestamp::MAX;
        self.current
    }

    /// Moves the watermark as far as the partitions allow, and returns it.
    ///
    /// `now` is processing time: partitions silent for the strategy's timeout become idle. A clock that runs backwards
    /// makes no partition idle.
    pub fn advance(&mut self, strategy: &impl WatermarkStrategy, now: Timestamp) -> Timestamp {
        self.advance_while(strategy, now, |_| false)
    }

    /// The same, where some partitions are not silent though nothing has come of them: they have events that nobody has read
    /// yet. None of these becomes idle.
    pub fn advance_while(
        &mut self,
        strategy: &impl WatermarkStrategy,
        now: Timestamp,
        is_unread: impl Fn(&Id) -> bool,
    ) -> Timestamp {
        if let Some(timeout) = strategy.idle_timeout() {
            for (id, partition) in &mut self.partitions {
                if matches!(partition.activity, Activity::Active(since) if now - since >= timeout) && !is_unread(id) {
                    partition.activity = Activity::Idle;
                }
            }
        }
        let smallest = self
            .partitions
            .values()
            .filter(|partition| !partition.is_idle())
            .map(|partition| partition.largest.map_or(Timestamp::MIN, |largest| strategy.watermark(largest)))
            .min();
        if let Some(smallest) = smallest {
            self.current = self.current.max(smallest);
        }
        self.current
    }

    /// Moves the watermark on to this time, whatever the partitions say; it never falls.
    pub fn advance_to(&mut self, watermark: Timestamp) {
        self.current = self.current.max(watermark);
    }

    /// The slowest active partition, which is after all others, and so holds the watermark back; of several, the one with the smallest
    /// id. None where no partition is active.
    pub fn slowest(&self, strategy: &impl WatermarkStrategy) -> Option<Slowest<'_, Id>> {
        let active = self.partitions.iter().filter_map(|(id, partition)| match partition.activity {
            Activity::Active(since) => Some(Slowest { id, largest: partition.largest, since }),
            Activity::Idle => None,
        });
        active.min_by_key(|slowest| slowest.largest.map(|largest| strategy.watermark(largest)))
    }

    /// Starts the wait for silent partitions anew at `now`, after a restart.
    ///
    /// Partitions that were idle stay idle until their next event, so that a restart does not make the others wait for
    /// them again.
    pub fn resume(&mut self, now: Timestamp) {
        for partition in self.partitions.values_mut() {
            if let Activity::Active(since) = &mut partition.activity {
                *since = now;
            }
        }
    }

    /// The watermark as of the last [`advance`](Self::advance).
    pub const fn current(&self) -> Timestamp {
        self.current
    }

    /// The largest event time of a partition, if it is known and has had an event.
    pub fn largest(&self, id: &Id) -> Option<Timestamp> {
        self.partitions.get(id)?.largest
    }

    /// The processing time of a partition's last event, of its registration, or of the restart since then; nothing where it is
    /// not known, or idle.
    pub fn since(&self, id: &Id) -> Option<Timestamp> {
        match self.partitions.get(id)?.activity {
            Activity::Active(since) => Some(since),
            Activity::Idle => None,
        }
    }

    /// Whether no partition is active: there are none, or all were idle at the last [`advance`](Self::advance).
    ///
    /// A stream with several inputs does not wait for one that is idle ([`Watermark::merge`](super::Watermark::merge)).
    pub fn is_idle(&self) -> bool {
        self.partitions.values().all(Partition::is_idle)
    }

    /// The same under other ids. A partition that has none any more is [finished](Self::finish).
    #[must_use]
    pub fn renamed<Other: Ord>(&self, mut name: impl FnMut(&Id) -> Option<Other>) -> PartitionWatermarks<Other> {
        let mut partitions = BTreeMap::new();
        partitions.extend(self.partitions.iter().filter_map(|(id, partition)| Some((name(id)?, *partition))));
        PartitionWatermarks { partitions, current: self.current }
    }

    /// The partitions that are known, in order, each with its largest event time and whether it is idle.
    pub fn iter(&self) -> impl Iterator<Item = (&Id, Option<Timestamp>, bool)> {
        self.partitions.iter().map(|(id, partition)| (id, partition.largest, partition.is_idle()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::seconds;
    use crate::watermark::{BoundedOutOfOrderness, Watermark};

    const STRATEGY: BoundedOutOfOrderness = Watermark::bounded(seconds(10)).idle_after(seconds(30));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn follows_spark_on_one_partition() {
        let mut watermarks = PartitionWatermarks::new();
        let mut batch = |events: &[i64]| {
            for &event in events {
                watermarks.observe(0, at(event), at(0));
            }
            watermarks.advance(&Watermark::bounded(seconds(10)), at(0))
        };
        assert_eq!(batch(&[15]), at(5));
        assert_eq!(batch(&[10, 12, 14]), at(5));
        assert_eq!(batch(&[25]), at(15));
        assert_eq!(batch(&[10]), at(15));
        assert_eq!(batch(&[50]), at(40));
    }

    #[test]
    fn under_other_names_partitions_are_what_they_were() {
        let mut watermarks = PartitionWatermarks::new();
        for (id, largest) in [(1, 60), (2, 50), (3, 20)] {
            watermarks.observe(id, at(largest), at(0));
        }
        watermarks.advance(&STRATEGY, at(0));
        let names = watermarks.renamed(|id| (*id < 3).then(|| format!("part-{id}")));
        let expected =
            [("part-1", 60), ("part-2", 50)].map(|(name, largest)| (name.to_owned(), Some(at(largest)), false));
        assert!(names.iter().map(|(name, largest, idle)| (name.clone(), largest, idle)).eq(expected));
        let mut back = names.renamed(|name| name.strip_prefix("part-")?.parse().ok());
        assert_eq!(back.current(), at(10));
        watermarks.finish(&3);
        assert_eq!(back, watermarks);
        assert_eq!(back.advance(&STRATEGY, at(0)), at(40));
    }

    #[test]
    fn the_slowest_partition_decides() {
        let mut watermarks = PartitionWatermarks::new();
        watermarks.observe("a", at(100), at(0));
        watermarks.observe("b", at(50), at(0));
        assert_eq!(watermarks.current(), Timestamp::MIN);
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(40));
        watermarks.observe("b", at(200), at(0));
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(90));
    }

    #[test]
    fn a_registered_partition_is_waited_for() {
        let mut watermarks = PartitionWatermarks::new();
        watermarks.register("a", at(0));
        watermarks.observe("b", at(50), at(0));
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), Timestamp::MIN);
        assert_eq!(watermarks.advance(&STRATEGY, at(29)), Timestamp::MIN);
        watermarks.observe("b", at(50), at(29));
        assert_eq!(watermarks.advance(&STRATEGY, at(30)), at(40));
    }

    #[test]
    fn without_a_timeout_silence_is_waited_for_forever() {
        let mut watermarks = PartitionWatermarks::new();
        watermarks.observe("a", at(20), Timestamp::MIN);
        watermarks.observe("b", at(50), Timestamp::MAX);
        let patient = Watermark::bounded(seconds(10));
        assert_eq!(watermarks.advance(&patient, Timestamp::MAX), at(10));
    }

    #[test]
    fn a_partition_that_lags_when_it_joins_does_not_pull_back() {
        let mut watermarks = PartitionWatermarks::new();
        watermarks.observe("a", at(100), at(0));
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(90));
        watermarks.observe("b", at(20), at(0));
        watermarks.observe("a", at(500), at(0));
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(90));
        watermarks.observe("b", at(120), at(0));
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(110));
    }

    #[test]
    fn the_slowest_active_partition_is_told_and_what_is_unread_is_not_silent() {
        let mut watermarks = PartitionWatermarks::new();
        assert_eq!(watermarks.slowest(&STRATEGY), None);
        watermarks.observe("a", at(50), at(0));
        watermarks.observe("b", at(20), at(1));
        let slowest = |watermarks: &PartitionWatermarks<&'static str>| {
            watermarks.slowest(&STRATEGY).map(|slowest| (*slowest.id, slowest.largest, slowest.since))
        };
        assert_eq!(slowest(&watermarks), Some(("b", Some(at(20)), at(1))));
        watermarks.register("c", at(2));
        assert_eq!(slowest(&watermarks), Some(("c", None, at(2))));
        watermarks.finish(&"c");
        watermarks.observe("a", at(60), at(40));
        assert_eq!(watermarks.advance_while(&STRATEGY, at(40), |id| *id == "b"), at(10));
        assert_eq!(slowest(&watermarks), Some(("b", Some(at(20)), at(1))));
        assert_eq!(watermarks.advance(&STRATEGY, at(40)), at(50));
        assert_eq!(slowest(&watermarks), Some(("a", Some(at(60)), at(40))));
        watermarks.advance_to(at(70));
        watermarks.advance_to(at(65));
        assert_eq!(watermarks.current(), at(70));
    }

    #[test]
    fn idle_partitions_leave_and_come_back() {
        let mut watermarks = PartitionWatermarks::new();
        watermarks.observe("a", at(50), at(0));
        watermarks.observe("b", at(20), at(0));
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(10));
        watermarks.observe("a", at(60), at(30));
        assert_eq!(watermarks.advance(&STRATEGY, at(30)), at(50));
        assert!(!watermarks.is_idle());
        watermarks.observe("a", at(100), at(31));
        watermarks.observe("b", at(70), at(31));
        assert_eq!(watermarks.advance(&STRATEGY, at(31)), at(60));
        assert_eq!(watermarks.advance(&STRATEGY, at(1_000)), at(60));
        assert!(watermarks.is_idle());
    }

    #[test]
    fn finished_partitions_leave_nothing_behind() {
        let mut watermarks = PartitionWatermarks::new();
        watermarks.observe("a", at(50), at(0));
        watermarks.observe("b", at(20), at(0));
        watermarks.finish(&"b");
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(40));
        watermarks.finish(&"a");
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(40));
        assert_eq!(watermarks.iter().count(), 0);
        assert_eq!(watermarks.finish_all(), Timestamp::MAX);
        watermarks.observe("c", at(1), at(0));
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), Timestamp::MAX);
    }

    #[test]
    fn a_restart_neither_stalls_nor_regresses() {
        let mut watermarks = PartitionWatermarks::new();
        for (id, largest) in [(0, 60), (1, 50), (2, 20)] {
            watermarks.observe(id, at(largest), at(0));
        }
        watermarks.observe(0, at(60), at(30));
        watermarks.observe(1, at(50), at(30));
        assert_eq!(watermarks.advance(&STRATEGY, at(30)), at(40));

        let stored = postcard::to_stdvec(&watermarks).unwrap();
        let mut restored: PartitionWatermarks<i32> = postcard::from_bytes(&stored).unwrap();
        assert_eq!(restored, watermarks);
        // A day later: partition 1 is still waited for, though it was silent while the job was down; 2 is not.
        restored.resume(at(86_400));
        restored.observe(0, at(1_000), at(86_400));
        assert_eq!(restored.advance(&STRATEGY, at(86_400)), at(40));
        restored.observe(1, at(900), at(86_401));
        assert_eq!(restored.advance(&STRATEGY, at(86_401)), at(890));
        assert_eq!(
            restored.iter().collect::<Vec<_>>(),
            [(&0, Some(at(1_000)), false), (&1, Some(at(900)), false), (&2, Some(at(20)), true)]
        );
        assert_eq!(restored.largest(&1), Some(at(900)));
    }

    #[test]
    fn a_clock_that_runs_backwards_makes_nothing_idle() {
        let mut watermarks = PartitionWatermarks::new();
        watermarks.observe("a", at(50), at(1_000));
        assert_eq!(watermarks.advance(&STRATEGY, at(0)), at(40));
        assert!(!watermarks.is_idle());
    }
}
