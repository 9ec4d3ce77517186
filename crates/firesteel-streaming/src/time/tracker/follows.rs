//! What a watermark follows: the latest times of splits, by a strategy.

use std::collections::{BTreeMap, BTreeSet};

use firesteel_window::{Aggregator, Duration, PartitionWatermarks, Timestamp, WatermarkStrategy};

/// How far event time has come by them.
#[derive(Default)]
pub(super) struct State {
    pub(super) marks: PartitionWatermarks<u32>,
    /// As far as the batch before had come.
    pub(super) before: Timestamp,
    pub(super) at_start: Timestamp,
    pub(super) now: Timestamp,
    /// The batch is the last: after it no event can come.
    pub(super) ending: bool,
    /// No batch has begun since the job was started.
    pub(super) is_new_run: bool,
    /// Splits with something to read of which the batch reads nothing: they are not silent.
    pub(super) unread: BTreeSet<u32>,
    /// Splits of which something has been read since their last event, and nothing of it has come.
    pub(super) in_vain: BTreeSet<u32>,
    /// When there was an event last, or something to read, and how far event time had come by then.
    pub(super) heard: Option<(Timestamp, Timestamp)>,
    /// What has moved the watermark to where it was when the batch began.
    pub(super) moved_by: Option<Mover>,
}

impl State {
    /// Takes note of what has moved the watermark on from here, if it has been.
    pub(super) fn note_moved(&mut self, from: Timestamp, strategy: &Strategy) {
        let reached = self.marks.current();
        if reached <= from {
            return;
        }
        let slowest = self.marks.slowest(strategy);
        let by_split = slowest.filter(|slowest| slowest.largest.is_some_and(|at| strategy.watermark(at) == reached));
        self.moved_by = Some(by_split.map_or(Mover::Clock, |slowest| Mover::Split(*slowest.id)));
    }
}

/// What has moved a watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mover {
    /// The latest event of the split with this number, the slowest.
    Split(u32),
    /// The clock, since all were silent.
    Clock,
}

/// A strategy of any type.
pub(super) struct Strategy(pub(super) Box<dyn WatermarkStrategy + Send + Sync>);

impl WatermarkStrategy for Strategy {
    fn watermark(&self, largest: Timestamp) -> Timestamp {
        self.0.watermark(largest)
    }
    fn idle_timeout(&self) -> Option<Duration> {
        self.0.idle_timeout()
    }
    fn most_ahead(&self) -> Option<Duration> {
        self.0.most_ahead()
    }
    fn clock_timeout(&self) -> Option<Duration> {
        self.0.clock_timeout()
    }
    fn aligned_within(&self) -> Option<Duration> {
        self.0.aligned_within()
    }
}

/// The largest event time of each split, by the split's number among those of the job.
#[derive(Default)]
pub(super) struct Largest;

impl Aggregator<(u32, Timestamp)> for Largest {
    type Acc = BTreeMap<u32, Timestamp>;
    type Out = BTreeMap<u32, Timestamp>;

    fn create(&self) -> Self::Acc {
        BTreeMap::new()
    }
    fn add(&self, seen: &mut Self::Acc, (split, at): (u32, Timestamp)) {
        let largest = seen.entry(split).or_insert(at);
        *largest = at.max(*largest);
    }
    fn merge(&self, seen: &mut Self::Acc, other: Self::Acc) {
        other.into_iter().for_each(|item| self.add(seen, item));
    }
    fn finish(&self, seen: &Self::Acc) -> Self::Out {
        seen.clone()
    }
}

/// Whether nobody waits for a split: all are idle or have ended, and there has been one. Where time has ended, it says so itself.
pub(super) fn is_silent(marks: &PartitionWatermarks<u32>) -> bool {
    let has_begun = marks.current() > Timestamp::MIN || marks.iter().next().is_some();
    marks.is_idle() && has_begun && marks.current() < Timestamp::MAX
}
