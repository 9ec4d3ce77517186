//! The operator that looks for a pattern.
//!
//! Records wait in the order of time until the watermark is past them. Then the pattern takes them, those of one key together, and what is
//! open of the key is stored. Records that the watermark has passed when their batch ends never wait. A key with anything has one timer,
//! for whatever comes first: a record that waits, or the end of a partial match.

use std::iter;

use firesteel_core::{Exchange, Key};
use firesteel_state::{Changes, Declaration, GroupState, KeyContext, Result, Setting, SortedMap, Timers, Value};
use firesteel_window::{Duration, Outcome, Partials, Pattern, Timestamp};
use serde::{Deserialize, Serialize};

use crate::state::{GroupBatch, InTime, KeyedOperator, OperatorInfo, Results};
use crate::stream::{Late, SideOutput, Timed};

/// Looks for a pattern.
pub(super) struct MatchPattern<K, V, F>
where
    K: Key,
    V: Exchange,
{
    pub(super) pattern: Pattern<V>,
    /// What is told of an outcome, if anything.
    pub(super) tell: F,
    pub(super) late: Option<SideOutput<Late<(K, V)>>>,
}

/// Its state.
pub(super) struct Handles<V> {
    open: Value<Open<V>>,
    /// The records that the watermark has not passed, by time and, among those of one time, in the order in which they came.
    waiting: SortedMap<(Timestamp, u64), V>,
    due: Timers,
}

/// What is open of a key that has anything.
#[derive(Clone, Serialize, Deserialize)]
struct Open<V> {
    partials: Partials<V>,
    /// How many records wait.
    waiting: u64,
    /// When its timer fires.
    due: Timestamp,
}

impl<V> Open<V> {
    const fn new() -> Self {
        Self { partials: Partials::new(), waiting: 0, due: Timestamp::MAX }
    }
}

/// When the watermark is past an instant.
fn past(at: Timestamp) -> Timestamp {
    at.saturating_add(Duration::micros(1))
}

impl<K, V, U, F> MatchPattern<K, V, F>
where
    K: Key + Ord,
    V: Exchange,
    U: Send + 'static,
    F: Fn(&Outcome<'_, V>) -> Option<U> + Send + Sync + 'static,
{
    /// Takes what has come for a key, in the order of time, and brings it to where the watermark is. `passed` is empty.
    fn advance(
        &self,
        handles: &Handles<V>,
        key: &mut KeyContext<'_, K>,
        fresh: impl Iterator<Item = (Timestamp, V)>,
        (reached, passed): (Timestamp, &mut Vec<(Timestamp, V)>),
        results: &mut Results<'_, (K, U), Timed>,
    ) -> Result<()> {
        let is_passed = |at: Timestamp| at < reached || reached == Timestamp::MAX;
        let stored = handles.open.get(key)?.cloned();
        let is_stored = stored.is_some();
        let Open { mut partials, waiting: waited, due } = stored.unwrap_or(Open::new());
        let mut waiting = waited;
        while waiting > 0 && handles.waiting.first(key)?.is_some_and(|((at, _), _)| is_passed(*at)) {
            let Some(((at, _), record)) = handles.waiting.pop_first(key)? else { break };
            waiting -= 1;
            passed.push((at, record));
        }
        let had_waited = passed.len();
        let mut last = None;
        for (at, record) in fresh {
            if is_passed(at) {
                passed.push((at, record));
                continue;
            }
            let number = match last {
                Some((time, number)) if time == at => number + 1,
                _ if waiting == 0 => 0,
                _ => {
                    let mut before = handles.waiting.last_of(key, (at, 0)..=(at, u64::MAX), 1)?;
                    before.next().map_or(0, |((_, number), _)| number + 1)
                }
            };
            last = Some((at, number));
            handles.waiting.put(key, (at, number), record)?;
            waiting += 1;
        }
        if let Some(order) = self.pattern.order() {
            passed.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| order(&one.1, &other.1)));
        } else if had_waited > 0 && had_waited < passed.len() {
            passed.sort_by_key(|(at, _)| *at);
        }
        let name = key.key();
        let mut tell = |outcome: &Outcome<'_, V>| {
            if let Some(told) = (self.tell)(outcome) {
                results.emit(outcome.matched().end(), (name.clone(), told));
            }
        };
        let mut has_changed = waiting != waited;
        for (at, record) in passed.drain(..) {
            has_changed |= self.pattern.push(&mut partials, at, record, &mut tell);
        }
        has_changed |= self.pattern.pass(&mut partials, reached, &mut tell);
        let first = if waiting > 0 { handles.waiting.first(key)?.map(|((at, _), _)| *at) } else { None };
        let Some(next) = first.into_iter().chain(partials.deadline()).min().map(past) else {
            if is_stored {
                self.expect(handles, key, (due, reached), None)?;
                handles.open.clear(key)?;
            }
            return Ok(());
        };
        let expected = if is_stored { due } else { Timestamp::MIN };
        let due = self.expect(handles, key, (expected, reached), Some(next))?;
        if has_changed || due != expected {
            handles.open.set(key, Open { partials, waiting, due })?;
        }
        Ok(())
    }

    /// Has the key's timer set for when something is due, and returns for when it is. It may be earlier: it looks again then. A timer
    /// that the watermark has reached has fired, or does so in this batch and finds nothing to do.
    fn expect(
        &self,
        handles: &Handles<V>,
        key: &mut KeyContext<'_, K>,
        (due, reached): (Timestamp, Timestamp),
        next: Option<Timestamp>,
    ) -> Result<Timestamp> {
        if due > reached {
            match next {
                Some(next) if due <= next => return Ok(due),
                _ => _ = handles.due.delete(key, due)?,
            }
        }
        let Some(next) = next else { return Ok(due) };
        handles.due.register(key, next)?;
        Ok(next)
    }
}

impl<K, V, U, F> KeyedOperator<K, V, Timed> for MatchPattern<K, V, F>
where
    K: Key + Ord,
    V: Exchange,
    U: Send + 'static,
    F: Fn(&Outcome<'_, V>) -> Option<U> + Send + Sync + 'static,
{
    type Route = InTime<K, V>;
    type State = Handles<V>;
    type Out = (K, U);
    type OutShape = Timed;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("match_pattern");
        // What is stored stands in these steps, and waits by these times.
        let settings = self.pattern.settings();
        settings.into_iter().fold(info, |info, (name, value)| info.setting(Setting::refused(name, value)))
    }

    fn route(&self) -> InTime<K, V> {
        let in_time = InTime::new();
        match &self.late {
            Some(late) => in_time.late_to(late),
            None => in_time,
        }
    }

    fn declare(&self, states: &mut Declaration<K>) -> Handles<V> {
        Handles { open: states.value("open"), waiting: states.sorted_map("waiting"), due: states.event_timers("due") }
    }

    fn run(
        &self,
        handles: &Handles<V>,
        group: &mut GroupBatch<'_, K, (Timestamp, V)>,
        results: &mut Results<'_, (K, U), Timed>,
    ) -> Result<()> {
        group.prefetch()?;
        let (batch, mut passed) = (group.times(), Vec::new());
        let reached = batch.reached();
        let (records, state) = group.records();
        let mut records: Vec<_> = records.map(|(hash, key, (at, record))| (hash, key, at, record)).collect();
        // Those of a key together, in the order of time; those of one time in the order in which they came.
        records.sort_by(|one, other| (one.0, &one.1, one.2).cmp(&(other.0, &other.1, other.2)));
        let mut records = records.into_iter().peekable();
        while let Some((hash, key, at, record)) = records.next() {
            let more = iter::from_fn(|| records.next_if(|next| next.0 == hash && next.1 == key));
            let fresh = iter::once((at, record)).chain(more.map(|(_, _, at, record)| (at, record)));
            let mut context = state.key(hash, &key, batch.now());
            self.advance(handles, &mut context, fresh, (reached, &mut passed), results)?;
        }
        group.fire_event_timers(|_, mut key| {
            // They are set for later times only, and for what is there.
            key.defer_timers(false);
            let is_due = handles.open.get(&mut key)?.is_some_and(|open| open.due <= reached);
            if is_due {
                self.advance(handles, &mut key, iter::empty(), (reached, &mut passed), results)?;
            }
            Ok(())
        })
    }

    fn changes(&self, handles: &Handles<V>, group: &mut GroupState<K>) -> Result<Changes> {
        handles.open.changes(group)
    }
}
