//! The operator of interval joins.
//!
//! Each side of a key has its records in the order of time, as long as a partner may come that is in time, and whether they
//! have found one. A record looks for its partners on the other side when it comes, and waits there for those that come after
//! it. The key has a timer no later than the first of its records leaves; when that fires, it is set again for what is left.

use std::sync::Arc;

use firesteel_core::{Exchange, Key};
use firesteel_state::{Declaration, KeyContext, Result, Setting, SortedMap, Timers};
use firesteel_window::{Duration, Timestamp};

use crate::join::interval::Interval;
use crate::join::kind::Kind;
use crate::join::side::JoinSide;
use crate::plan::NodeId;
use crate::state::{GroupBatch, InTime, KeyedOperator, OperatorInfo, Results};
use crate::stream::{LateOutput, Timed};

/// Joins two sides.
pub(super) struct Joining<K, L, R, J> {
    pub(super) interval: Interval,
    pub(super) kind: J,
    pub(super) times: RowTimes,
    pub(super) late: LateOutput<K, JoinSide<L, R>>,
    /// The side outputs that late records go to.
    pub(super) fills: Vec<NodeId>,
}

/// When rows happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowTimes {
    /// When it was decided that they come: a pair at the later of its times, a record without a partner at the last instant at
    /// which it could have found one.
    Decision,
    /// When their left record did.
    Left,
}

/// Its state.
pub(super) struct Waiting<L, R> {
    left: Waiters<L>,
    right: Waiters<R>,
    leaves: Timers,
}

/// The waiting records of one side.
struct Waiters<T> {
    /// By time and, among those of one time, in the order in which they came: whether it has found a partner, and the record.
    records: SortedMap<Place, (bool, T)>,
    /// From here to the partners.
    interval: Interval,
}

type Place = (Timestamp, u64);

impl<T: Exchange> Waiters<T> {
    /// Takes in a record.
    fn add<K: Key>(&self, key: &mut KeyContext<'_, K>, at: Timestamp, is_matched: bool, record: T) -> Result<()> {
        let last = self.records.last_of(key, (at, 0)..=(at, u64::MAX), 1)?.next().map(|((_, number), _)| *number);
        self.records.put(key, (at, last.map_or(0, |last| last + 1)), (is_matched, record))
    }

    /// Where the records of these times are.
    fn places(times: &std::ops::RangeInclusive<Timestamp>) -> std::ops::RangeInclusive<Place> {
        (*times.start(), 0)..=(*times.end(), u64::MAX)
    }

    /// Notes that the records at these places have found a partner.
    fn match_all<K: Key>(&self, key: &mut KeyContext<'_, K>, places: &mut Vec<Place>) -> Result<()> {
        for place in places.drain(..) {
            self.records.update(key, place, |waiter| waiter.iter_mut().for_each(|waiter| waiter.0 = true))?;
        }
        Ok(())
    }

    /// Takes the first record if nothing that is in time can be its partner.
    fn take_over<K: Key>(
        &self,
        key: &mut KeyContext<'_, K>,
        watermark: Timestamp,
    ) -> Result<Option<(Timestamp, bool, T)>> {
        let first = self.records.first(key)?.map(|(place, _)| *place);
        let Some(place) = first.filter(|(at, _)| self.interval.is_over(*at, watermark)) else { return Ok(None) };
        let waiter = self.records.update(key, place, Option::take)?;
        Ok(waiter.map(|(is_matched, record)| (place.0, is_matched, record)))
    }

    /// When the first record leaves.
    fn leaves_at<K: Key>(&self, key: &mut KeyContext<'_, K>) -> Result<Option<Timestamp>> {
        Ok(self.records.first(key)?.and_then(|((at, _), _)| self.leaves(*at)))
    }

    /// When a record leaves: the watermark has to be past its last partner.
    fn leaves(&self, at: Timestamp) -> Option<Timestamp> {
        self.interval.last_of(at).map(|last| last.saturating_add(Duration::micros(1)))
    }
}

impl<L: Exchange, R: Exchange> Waiting<L, R> {
    /// When the first record of the key leaves. A timer is set for then or earlier.
    fn leaves_at<K: Key>(&self, key: &mut KeyContext<'_, K>) -> Result<Option<Timestamp>> {
        let (left, right) = (self.left.leaves_at(key)?, self.right.leaves_at(key)?);
        Ok(left.into_iter().chain(right).min())
    }

    /// Has a timer set for a record that is about to wait until then.
    fn expect<K: Key>(&self, key: &mut KeyContext<'_, K>, leaves: Option<Timestamp>) -> Result<()> {
        let Some(leaves) = leaves else { return Ok(()) };
        let is_set = |first: Option<Timestamp>| first.is_some_and(|first| first <= leaves);
        // Most often the first side that is asked tells.
        if !is_set(self.left.leaves_at(key)?) && !is_set(self.right.leaves_at(key)?) {
            self.leaves.register(key, leaves)?;
        }
        Ok(())
    }
}

impl<K, L, R, J> Joining<K, L, R, J>
where
    K: Key + Ord,
    L: Exchange,
    R: Exchange,
    J: Kind<L, R>,
{
    /// When the row of two partners happened.
    fn of_pair(&self, left: Timestamp, right: Timestamp) -> Timestamp {
        match self.times {
            RowTimes::Decision => left.max(right),
            RowTimes::Left => left,
        }
    }

    /// When the row of a left record without a partner happened.
    fn of_left(&self, at: Timestamp) -> Timestamp {
        match self.times {
            RowTimes::Decision => self.interval.known_alone(at),
            RowTimes::Left => at,
        }
    }

    fn left(
        &self,
        waiting: &Waiting<L, R>,
        key: &mut KeyContext<'_, K>,
        (at, left): (Timestamp, L),
        found: &mut Vec<Place>,
        results: &mut Results<'_, (K, J::Out), Timed>,
    ) -> Result<()> {
        let (mut is_matched, name) = (false, key.key());
        if let Some(times) = self.interval.partners_of(at) {
            let most = if J::ONCE { 1 } else { usize::MAX };
            let partners = waiting.right.records.first_of(key, Waiters::<R>::places(&times), most)?;
            for (place, (has_partner, right)) in partners {
                is_matched = true;
                if J::RIGHT_ALONE && !has_partner {
                    found.push(*place);
                }
                if let Some(row) = self.kind.pair(&left, right) {
                    results.emit(self.of_pair(at, place.0), (name.clone(), row));
                }
            }
            waiting.right.match_all(key, found)?;
        }
        if J::ONCE && is_matched {
            return Ok(());
        }
        if self.interval.waits(at, key.watermark()) {
            waiting.expect(key, waiting.left.leaves(at))?;
            waiting.left.add(key, at, is_matched, left)?;
        } else if !is_matched {
            self.left_alone(at, left, name, results);
        }
        Ok(())
    }

    fn right(
        &self,
        waiting: &Waiting<L, R>,
        key: &mut KeyContext<'_, K>,
        (at, right): (Timestamp, R),
        found: &mut Vec<Place>,
        results: &mut Results<'_, (K, J::Out), Timed>,
    ) -> Result<()> {
        let (mut is_matched, name) = (false, key.key());
        if let Some(times) = waiting.right.interval.partners_of(at) {
            for (place, (has_partner, left)) in waiting.left.records.range(key, Waiters::<L>::places(&times))? {
                is_matched = true;
                if J::ONCE || (J::LEFT_ALONE && !has_partner) {
                    found.push(*place);
                }
                if let Some(row) = self.kind.pair(left, &right) {
                    results.emit(self.of_pair(place.0, at), (name.clone(), row));
                }
            }
            if J::ONCE {
                found.drain(..).try_for_each(|place| waiting.left.records.remove(key, &place))?;
            } else {
                waiting.left.match_all(key, found)?;
            }
        }
        if waiting.right.interval.waits(at, key.watermark()) {
            waiting.expect(key, waiting.right.leaves(at))?;
            waiting.right.add(key, at, is_matched, right)?;
        } else if !is_matched {
            self.right_alone(at, right, name, results);
        }
        Ok(())
    }

    fn left_alone(&self, at: Timestamp, left: L, key: &K, results: &mut Results<'_, (K, J::Out), Timed>) {
        if let Some(row) = self.kind.left_alone(left) {
            results.emit(self.of_left(at), (key.clone(), row));
        }
    }

    fn right_alone(&self, at: Timestamp, right: R, key: &K, results: &mut Results<'_, (K, J::Out), Timed>) {
        if let Some(row) = self.kind.right_alone(right) {
            results.emit(self.interval.reversed().known_alone(at), (key.clone(), row));
        }
    }
}

impl<K, L, R, J> KeyedOperator<K, JoinSide<L, R>, Timed> for Joining<K, L, R, J>
where
    K: Key + Ord,
    L: Exchange,
    R: Exchange,
    J: Kind<L, R>,
{
    type Route = InTime<K, JoinSide<L, R>>;
    type State = Waiting<L, R>;
    type Out = (K, J::Out);
    type OutShape = Timed;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("interval_join").folds_by(J::NAME);
        let info = self.fills.iter().fold(info, |info, side| info.fills_node(*side));
        if let Some(reason) = self.interval.refused() {
            return info.refused(reason);
        }
        let info = match self.times {
            RowTimes::Decision => info,
            RowTimes::Left => info.holds_back(self.interval.waits_for()),
        };
        // What is stored waits by it.
        info.setting(Setting::refused("within", self.interval.to_string()))
    }

    fn route(&self) -> Self::Route {
        InTime::telling(Arc::clone(&self.late))
    }

    fn declare(&self, states: &mut Declaration<K>) -> Waiting<L, R> {
        Waiting {
            left: Waiters { records: states.sorted_map("left"), interval: self.interval },
            right: Waiters { records: states.sorted_map("right"), interval: self.interval.reversed() },
            leaves: states.event_timers("leaves"),
        }
    }

    fn run(
        &self,
        waiting: &Waiting<L, R>,
        group: &mut GroupBatch<'_, K, (Timestamp, JoinSide<L, R>)>,
        results: &mut Results<'_, (K, J::Out), Timed>,
    ) -> Result<()> {
        group.prefetch()?;
        let (batch, mut found) = (group.times(), Vec::new());
        let (records, state) = group.records();
        for (hash, key, (at, side)) in records {
            let mut key = state.key(hash, &key, batch.now());
            match side {
                JoinSide::Left(left) => self.left(waiting, &mut key, (at, left), &mut found, results)?,
                JoinSide::Right(right) => self.right(waiting, &mut key, (at, right), &mut found, results)?,
            }
        }
        group.fire_event_timers(|_, mut key| {
            // They are set for later times only, and for what is there.
            key.defer_timers(false);
            let (name, reached) = (key.key(), batch.reached());
            while let Some((at, is_matched, left)) = waiting.left.take_over(&mut key, reached)? {
                if !is_matched {
                    self.left_alone(at, left, name, results);
                }
            }
            while let Some((at, is_matched, right)) = waiting.right.take_over(&mut key, reached)? {
                if !is_matched {
                    self.right_alone(at, right, name, results);
                }
            }
            if let Some(next) = waiting.leaves_at(&mut key)? {
                waiting.leaves.register(&mut key, next)?;
            }
            Ok(())
        })
    }
}
