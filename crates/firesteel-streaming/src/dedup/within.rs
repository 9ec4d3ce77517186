//! Ids that are remembered as long as a record that is in time can equal one that was kept.
//!
//! An id has the times of the records that were kept, mostly one, and a timer no later than the first of them is forgotten.
//! Records that are left out change nothing and cost no timer.

use std::sync::Arc;

use firesteel_core::{Accumulator, Exchange, Key};
use firesteel_state::{Changes, Declaration, GroupState, Result, Setting, Timers, Value};
use firesteel_window::{Duration, Timestamp};

use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results, WithTimes};
use crate::stream::{Late, Lateness, SideOutput, Timed};
use crate::time::Tracker;

/// Lets a record pass if none with its id was kept that is near to it.
pub(super) struct Within<T: firesteel_core::Data> {
    span: Duration,
    late: Accumulator<u64>,
    late_output: Option<SideOutput<Late<T>>>,
    /// The watermarks that it goes by.
    trackers: Arc<[Arc<Tracker>]>,
}

/// Its state.
pub(super) struct Remembered {
    kept: Value<Kept>,
    forgets: Timers,
}

/// When the records happened that were kept: one of them, and the others if there are any.
type Kept = (Timestamp, Vec<Timestamp>);

fn times(kept: &Kept) -> impl Iterator<Item = Timestamp> {
    std::iter::once(kept.0).chain(kept.1.iter().copied())
}

impl<T: Exchange> Within<T> {
    pub(super) fn new(span: Duration, late_output: Option<SideOutput<Late<T>>>, trackers: Arc<[Arc<Tracker>]>) -> Self {
        Self { span, late: Accumulator::default(), late_output, trackers }
    }

    /// What counts late records.
    pub(super) fn late_count(&self) -> Accumulator<u64> {
        self.late.clone()
    }

    /// Whether two records of these times are equal if their ids are.
    fn is_near(&self, a: Timestamp, b: Timestamp) -> bool {
        a.as_micros().abs_diff(b.as_micros()) <= self.span.as_micros().unsigned_abs()
    }

    /// When a record that was kept is forgotten: nothing that happens from then on is near to it.
    fn forgets_at(&self, kept: Timestamp) -> Timestamp {
        kept.saturating_add(self.span).saturating_add(Duration::micros(1))
    }

    fn tell(&self, at: Timestamp, record: T) {
        self.late.add(1);
        if let Some(late) = &self.late_output {
            late.emit(Lateness::of(at, None, &self.trackers).map(|()| record));
        }
    }
}

impl<K: Key + Ord, T: Exchange> KeyedOperator<K, T, Timed> for Within<T> {
    type Route = WithTimes;
    type State = Remembered;
    type Out = T;
    type OutShape = Timed;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("dedup_by").folds_by("within");
        let info = self.late_output.iter().fold(info, OperatorInfo::fills);
        if self.span.is_negative() {
            return info.refused(format!("records are equal within {}: the span cannot be negative", self.span));
        }
        // What is stored are times, which say nothing of the span.
        info.setting(Setting::new_holds("within", self.span.to_string()))
    }

    fn route(&self) -> WithTimes {
        WithTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Remembered {
        Remembered { kept: states.value("kept"), forgets: states.event_timers("forgets") }
    }

    fn run(
        &self,
        Remembered { kept, forgets }: &Remembered,
        group: &mut GroupBatch<'_, K, (Timestamp, T)>,
        results: &mut Results<'_, T, Timed>,
    ) -> Result<()> {
        group.prefetch()?;
        let batch = group.times();
        let (records, state) = group.records();
        for (hash, id, (at, record)) in records {
            let mut id = state.key(hash, &id, batch.now());
            let is_in_time = at >= batch.watermark();
            if is_in_time && kept.insert(&mut id, (at, Vec::new()))? {
                forgets.register(&mut id, self.forgets_at(at))?;
                results.emit(at, record);
                continue;
            }
            let known = kept.get(&mut id)?;
            if known.is_some_and(|kept| times(kept).any(|kept| self.is_near(kept, at))) {
                continue;
            }
            if !is_in_time {
                self.tell(at, record);
                continue;
            }
            let is_first = kept.update(&mut id, |known| {
                let Some(known) = known else { return false };
                let is_first = times(known).all(|kept| at < kept);
                known.1.push(at);
                is_first
            })?;
            if is_first {
                forgets.register(&mut id, self.forgets_at(at))?;
            }
            results.emit(at, record);
        }
        group.fire_event_timers(|_, mut id| {
            // They are set for later times only, and for what is there.
            id.defer_timers(false);
            let next = kept.update(&mut id, |known| {
                let before = known.take()?;
                let mut left = times(&before).filter(|kept| self.forgets_at(*kept) > batch.reached());
                *known = left.next().map(|first| (first, left.collect()));
                known.as_ref().and_then(|known| times(known).min())
            })?;
            if let Some(next) = next {
                forgets.register(&mut id, self.forgets_at(next))?;
            }
            Ok(())
        })
    }

    fn expected_results(&self, records: usize) -> usize {
        records
    }

    fn changes(&self, state: &Remembered, group: &mut GroupState<K>) -> Result<Changes> {
        state.kept.changes(group)
    }
}
