//! The operator of joins with a table as of event time.
//!
//! A key has its versions, and the records that wait for the watermark to pass them. In a batch, all versions are taken in before
//! records look for theirs, and a record that the watermark has passed by the end of the batch does not wait. A key has a timer no later
//! than its first record is joined, or its first version is replaced; when that fires, it is set again for what is left.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Accumulator, Data, Exchange, Key};
use firesteel_state::{Declaration, KeyContext, Result, Setting, SortedMap, Timers};
use firesteel_window::{Duration, Timestamp};

use crate::join::as_of::versions::Versions;
use crate::join::side::JoinSide;
use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results, WithTimes};
use crate::stream::{Late, Lateness, SideOutput, Timed};
use crate::time::Tracker;

/// Joins records with the versions that hold when they happen.
pub(super) struct AsOf<K: Data, L: Data, V: Data, U, F> {
    f: F,
    /// Which rows come out.
    rows: &'static str,
    forgets: Option<Duration>,
    late: Accumulator<u64>,
    unmatched: Accumulator<u64>,
    outputs: LateOutputs<K, L, V>,
    /// The watermarks by which they are late.
    trackers: Arc<[Arc<Tracker>]>,
    kind: PhantomData<fn() -> U>,
}

/// Where late records and late versions go.
type LateOutputs<K, L, V> = (Option<SideOutput<Late<(K, L)>>>, Option<SideOutput<Late<(K, Option<V>)>>>);

/// Its state.
pub(super) struct Waiting<L, V> {
    versions: Versions<V>,
    /// By time and, among those of one time, in the order in which they came.
    records: SortedMap<(Timestamp, u64), L>,
    looks: Timers,
}

impl<L: Exchange, V: Exchange> Waiting<L, V> {
    /// Keeps a record until the watermark is past it.
    fn wait<K: Key>(&self, key: &mut KeyContext<'_, K>, at: Timestamp, record: L) -> Result<()> {
        if self.records.first(key)?.is_none_or(|((first, _), _)| at < *first) {
            self.looks.register(key, passed(at))?;
        }
        let last = self.records.last_of(key, (at, 0)..=(at, u64::MAX), 1)?.next().map(|((_, number), _)| *number);
        self.records.put(key, (at, last.map_or(0, |last| last + 1)), record)
    }

    /// Takes the first record that the watermark has passed.
    fn next<K: Key>(&self, key: &mut KeyContext<'_, K>, reached: Timestamp) -> Result<Option<(Timestamp, L)>> {
        let first = self.records.first(key)?.map(|(place, _)| *place);
        let Some(place) = first.filter(|(at, _)| is_passed(*at, reached)) else { return Ok(None) };
        Ok(self.records.update(key, place, Option::take)?.map(|record| (place.0, record)))
    }
}

/// The watermark at which nothing that is in time can change the table at this time any more.
fn passed(at: Timestamp) -> Timestamp {
    at.saturating_add(Duration::micros(1))
}

/// Whether the watermark is there. At the end of time it is.
fn is_passed(at: Timestamp, watermark: Timestamp) -> bool {
    at < watermark || watermark == Timestamp::MAX
}

impl<K, L, V, U, F> AsOf<K, L, V, U, F>
where
    K: Key + Ord,
    L: Exchange,
    V: Exchange,
    U: Send + 'static,
    F: Fn(L, Option<&V>) -> Option<U> + Send + Sync + 'static,
{
    pub(super) fn new(
        f: F,
        rows: &'static str,
        forgets: Option<Duration>,
        outputs: LateOutputs<K, L, V>,
        trackers: Arc<[Arc<Tracker>]>,
    ) -> Self {
        Self {
            f,
            rows,
            forgets,
            late: Accumulator::default(),
            unmatched: Accumulator::default(),
            outputs,
            trackers,
            kind: PhantomData,
        }
    }

    /// What counts late records and versions.
    pub(super) fn late_count(&self) -> Accumulator<u64> {
        self.late.clone()
    }

    /// What counts records that are left out, since their key has no value.
    pub(super) fn unmatched_count(&self) -> Accumulator<u64> {
        self.unmatched.clone()
    }

    /// Joins a record; returns whether it has a row.
    fn join(
        &self,
        waiting: &Waiting<L, V>,
        key: &mut KeyContext<'_, K>,
        (at, record): (Timestamp, L),
        results: &mut Results<'_, (K, U), Timed>,
    ) -> Result<bool> {
        let name = key.key();
        let row = (self.f)(record, waiting.versions.valid_at(key, at)?);
        let has_row = row.is_some();
        if let Some(row) = row {
            results.emit(at, (name.clone(), row));
        }
        Ok(has_row)
    }

    /// Takes in a version, if it is in time, or holds for what has not been joined yet.
    fn change(
        &self,
        waiting: &Waiting<L, V>,
        key: &mut KeyContext<'_, K>,
        (at, value): (Timestamp, Option<V>),
        watermark: Timestamp,
    ) -> Result<()> {
        if at < watermark {
            self.late.add(1);
            if let Some(late) = &self.outputs.1 {
                let record = (key.key().clone(), value.clone());
                late.emit(Lateness::of(at, None, &self.trackers).map(|()| record));
            }
            // Of a key without an older version nobody knows whether it was deleted since.
            let holds = waiting.versions.has_one_until(key, at)?
                && !waiting.versions.has_one_in(key, passed(at)..=watermark)?;
            if !holds {
                return Ok(());
            }
        }
        match waiting.versions.put(key, at, value)? {
            // Not before the watermark, which would be held back for what comes after.
            Some(look) => waiting.looks.register(key, look.max(passed(watermark))).map(drop),
            None => Ok(()),
        }
    }
}

impl<K, L, V, U, F> KeyedOperator<K, JoinSide<L, Option<V>>, Timed> for AsOf<K, L, V, U, F>
where
    K: Key + Ord,
    L: Exchange,
    V: Exchange,
    U: Send + 'static,
    F: Fn(L, Option<&V>) -> Option<U> + Send + Sync + 'static,
{
    type Route = WithTimes;
    type State = Waiting<L, V>;
    type Out = (K, U);
    type OutShape = Timed;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("as_of");
        let info = self.outputs.0.iter().fold(info, OperatorInfo::fills);
        let info = self.outputs.1.iter().fold(info, OperatorInfo::fills);
        // What is stored are records and versions, which say nothing of either.
        let info = info.setting(Setting::new_holds("rows", self.rows));
        match self.forgets {
            Some(span) if span.is_negative() => {
                info.refused(format!("versions are forgotten after {span}: the span cannot be negative"))
            }
            Some(span) => info.setting(Setting::new_holds("forget_after", span.to_string())),
            None => info,
        }
    }

    fn route(&self) -> WithTimes {
        WithTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Waiting<L, V> {
        Waiting {
            versions: Versions::declare(states, self.forgets),
            records: states.sorted_map("records"),
            looks: states.event_timers("looks"),
        }
    }

    fn run(
        &self,
        waiting: &Waiting<L, V>,
        group: &mut GroupBatch<'_, K, (Timestamp, JoinSide<L, Option<V>>)>,
        results: &mut Results<'_, (K, U), Timed>,
    ) -> Result<()> {
        group.prefetch()?;
        let (batch, mut probes, mut unmatched) = (group.times(), Vec::new(), 0);
        let (records, state) = group.records();
        for (hash, key, (at, side)) in records {
            match side {
                JoinSide::Left(record) => probes.push((hash, key, at, record)),
                JoinSide::Right(value) => {
                    self.change(waiting, &mut state.key(hash, &key, batch.now()), (at, value), batch.watermark())?;
                }
            }
        }
        for (hash, key, at, record) in probes {
            if at < batch.watermark() {
                self.late.add(1);
                if let Some(late) = &self.outputs.0 {
                    late.emit(Lateness::of(at, None, &self.trackers).map(|()| (key, record)));
                }
                continue;
            }
            let mut key = state.key(hash, &key, batch.now());
            if is_passed(at, batch.reached()) {
                unmatched += u64::from(!self.join(waiting, &mut key, (at, record), results)?);
            } else {
                waiting.wait(&mut key, at, record)?;
            }
        }
        let fired = group.fire_event_timers(|_, mut key| {
            // They are set for later times only, and for what is there.
            key.defer_timers(false);
            while let Some(record) = waiting.next(&mut key, batch.reached())? {
                unmatched += u64::from(!self.join(waiting, &mut key, record, results)?);
            }
            let settles = waiting.versions.settle(&mut key, batch.reached())?;
            let joins = waiting.records.first(&mut key)?.map(|((at, _), _)| passed(*at));
            match joins.into_iter().chain(settles).min() {
                Some(next) => waiting.looks.register(&mut key, next).map(drop),
                None => Ok(()),
            }
        });
        if unmatched > 0 {
            self.unmatched.add(unmatched);
        }
        fired
    }

    fn expected_results(&self, records: usize) -> usize {
        records
    }
}
