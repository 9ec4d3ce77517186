//! The operator of windows that fire as a trigger says.
//!
//! The state has the windows of each key in the order of time, each with what it has gathered and what its trigger remembers, until it is
//! gone; a timer for when it closes or goes, and one for when its trigger wants to look at the clock.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Accumulator, Exchange, Key};
use firesteel_state::{Declaration, KeyContext, Result, Setting, SortedMap, Timers};
use firesteel_window::trigger::{Decision, TriggerTimes};
use firesteel_window::{Aggregator, DisjointWindows, Duration, Firing, Timestamp, Window, WindowError, WindowTrigger};
use serde::{Deserialize, Serialize};

use crate::plan::{NodeId, What};
use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results, WithTimes};
use crate::stream::{LateFor, LateOutput, Lateness, Stream, Timed};
use crate::time::{Allowance, Fired, FiredCount, Tracker};
use crate::windows::WindowedStream;
use crate::windows::again::Told;
use crate::windows::kind::WindowKind;
use crate::windows::triggered::Of;

/// What becomes of a firing.
pub(super) trait Row<K, T> {
    /// The row that comes out.
    type Of: Send + 'static;
    /// Whether a window is emptied when it fires.
    const PURGES: bool;

    fn row(window: Window, key: K, firing: Firing, number: u64, value: T) -> Self::Of;
}

/// The operator.
struct Triggering<K, V, W, A: Aggregator<V>, P, T, R> {
    windows: W,
    trigger: P,
    aggregator: Arc<A>,
    present: fn(A::Out) -> Option<T>,
    allowance: Arc<Allowance>,
    allowed: Duration,
    trackers: Arc<[Arc<Tracker>]>,
    late: Accumulator<u64>,
    late_output: Option<(LateOutput<K, V>, NodeId)>,
    fired: FiredCount,
    told: Told,
    kind: PhantomData<(Of<K, V>, fn(R))>,
}

/// A window of a key, by its beginning.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held<A, S> {
    end: Timestamp,
    /// What it has gathered, since it fired last where it is purged.
    gathered: Option<A>,
    trigger: S,
    /// How often it has fired.
    fired: u64,
    /// Whether something has come since.
    has_changed: bool,
    /// Whether it has fired since it was closed.
    is_closed: bool,
    /// When the trigger wants to look at the clock.
    looks_at: Option<Timestamp>,
}

/// The state.
struct State<A, S> {
    windows: SortedMap<Timestamp, Held<A, S>>,
    closes: Timers,
    looks: Timers,
}

/// What has come for a key in a batch: which of its windows, and whether a trigger says that they fire.
type Came<K> = BTreeMap<(K, Timestamp), (u64, bool)>;

/// Adds the operator to the program.
pub(super) fn triggering<K, V, W, A, P, T, R>(
    of: WindowedStream<K, V, W>,
    (trigger, allowed): (P, Duration),
    aggregator: A,
    present: fn(A::Out) -> Option<T>,
) -> Stream<R::Of, Timed>
where
    K: Key + Ord,
    V: Exchange,
    W: WindowKind<K> + DisjointWindows,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    P: WindowTrigger<V>,
    T: Send + 'static,
    R: Row<K, T> + 'static,
{
    let WindowedStream { stream, windows, operator, late: late_output } = of;
    let trackers = stream.plan.trackers(stream.node);
    let allowance = Allowance::new(allowed, Arc::clone(&trackers));
    let (late, fired, told) = (Accumulator::default(), stream.plan.fired(), Told::default());
    let lateness = (allowed < Duration::ZERO).then_some(WindowError::Lateness { lateness: allowed });
    let refused = windows.validate().err().or(lateness).or_else(|| trigger.validate().err());
    let (counted, kept, told_of) = (late.clone(), Arc::clone(&allowance), told.clone());
    let triggering = Triggering::<K, V, W, A, P, T, R> {
        windows,
        trigger,
        aggregator: Arc::new(aggregator),
        present,
        allowance,
        allowed,
        trackers,
        late,
        late_output,
        fired,
        told,
        kind: PhantomData,
    };
    let rows = stream.apply_at(operator, triggering);
    rows.plan.count(rows.node, What::Late, counted);
    rows.plan.allow(rows.node, &kept);
    told_of.count_at(&rows.plan, rows.node);
    rows.plan.refuse_windows(rows.node, refused);
    rows
}

/// Where rows go.
struct Out<'a, 'b, O: Send + 'static> {
    results: &'a mut Results<'b, O, Timed>,
    early: u64,
    late: u64,
}

impl<K, V, W, A, P, T, R> Triggering<K, V, W, A, P, T, R>
where
    K: Key + Ord,
    V: Exchange,
    W: WindowKind<K> + DisjointWindows,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    P: WindowTrigger<V>,
    T: Send + 'static,
    R: Row<K, T>,
{
    /// Fires a window, if anything has come since it fired last.
    fn fire(
        &self,
        key: &K,
        start: Timestamp,
        held: &mut Held<A::Acc, P::State>,
        firing: Firing,
        out: &mut Out<'_, '_, R::Of>,
    ) {
        if !std::mem::take(&mut held.has_changed) && (R::PURGES || firing != Firing::OnTime) {
            return;
        }
        let gathered = if R::PURGES { held.gathered.take() } else { held.gathered.clone() };
        let Some(value) = gathered.and_then(|acc| (self.present)(self.aggregator.finish_owned(acc))) else { return };
        held.fired += 1;
        out.early += u64::from(firing == Firing::Early);
        out.late += u64::from(firing == Firing::Late);
        let window = Window::new(start, held.end);
        out.results.emit(window.last_instant(), R::row(window, key.clone(), firing, held.fired, value));
    }

    /// Takes a value into its window; says whether the trigger has it fire. `None` where it is late.
    fn take(
        &self,
        state: &State<A::Acc, P::State>,
        key: &mut KeyContext<'_, K>,
        (at, value): (Timestamp, V),
        (now, gone): (Timestamp, Timestamp),
    ) -> Result<Option<(Timestamp, bool)>> {
        let window = self.windows.window_of(at);
        if window.is_closed_by(gone) {
            self.late.add(1);
            if let Some((output, _)) = &self.late_output {
                let late_for = LateFor { first: window, last: window, count: 1 };
                output(key.key(), &value, Lateness::of(at, Some(late_for), &self.trackers))();
            }
            return Ok(None);
        }
        let (start, watermark) = (window.start(), key.watermark());
        let times = TriggerTimes { window, at, now, watermark };
        let (decision, is_new, looks_at) = state.windows.update(key, start, |held| {
            let is_new = held.is_none();
            let held = held.get_or_insert_with(|| Held {
                end: window.end(),
                gathered: None,
                trigger: P::State::default(),
                fired: 0,
                has_changed: false,
                is_closed: window.is_closed_by(watermark),
                looks_at: None,
            });
            let decision =
                if held.is_closed { Decision::wait() } else { self.trigger.on_value(&mut held.trigger, &value, times) };
            match &mut held.gathered {
                Some(acc) => self.aggregator.add(acc, value),
                none => *none = Some(self.aggregator.start(value)),
            }
            held.has_changed = true;
            let before = held.looks_at;
            held.looks_at = before.into_iter().chain(decision.looks_at()).min();
            (decision, is_new, held.looks_at.filter(|looks_at| before != Some(*looks_at)))
        })?;
        if is_new {
            let due = if window.is_closed_by(watermark) { self.allowance.goes(window.end()) } else { window.end() };
            state.closes.register(key, due)?;
        }
        if let Some(looks_at) = looks_at {
            state.looks.register(key, looks_at)?;
        }
        Ok(Some((start, decision.fires())))
    }

    /// Has the triggers of a key look at the clock.
    fn look(
        &self,
        state: &State<A::Acc, P::State>,
        key: &mut KeyContext<'_, K>,
        (now, reached): (Timestamp, Timestamp),
        out: &mut Out<'_, '_, R::Of>,
    ) -> Result<()> {
        let due = state.windows.range(key, ..)?.filter(|(_, held)| held.looks_at.is_some_and(|at| at <= now));
        let due: Vec<Timestamp> = due.map(|(start, _)| *start).collect();
        let (name, watermark) = (key.key(), key.watermark());
        for start in due {
            let next = state.windows.update(key, start, |held| {
                let held = held.as_mut()?;
                let (window, at) = (Window::new(start, held.end), held.looks_at.take()?);
                if held.is_closed || window.is_closed_by(reached) {
                    return None;
                }
                let decision = self.trigger.on_time(&mut held.trigger, TriggerTimes { window, at, now, watermark });
                held.looks_at = decision.looks_at();
                if decision.fires() {
                    self.fire(name, start, held, Firing::Early, out);
                }
                held.looks_at
            })?;
            if let Some(next) = next {
                state.looks.register(key, next)?;
            }
        }
        Ok(())
    }

    /// Fires the windows of a key that the watermark closes, and lets go of those that are gone. How many have fired.
    fn close(
        &self,
        state: &State<A::Acc, P::State>,
        key: &mut KeyContext<'_, K>,
        reached: Timestamp,
        out: &mut Out<'_, '_, R::Of>,
    ) -> Result<Vec<Window>> {
        let (gone, name) = (self.allowance.gone_by(reached), key.key());
        let ended = state.windows.range(key, ..)?.map(|(start, held)| (*start, held.end, held.is_closed));
        let ended: Vec<_> = ended.collect();
        let (mut fired, mut next) = (Vec::new(), None);
        for (start, end, is_closed) in ended {
            let window = Window::new(start, end);
            if !is_closed && window.is_closed_by(reached) {
                fired.push(window);
                state.windows.update(key, start, |held| {
                    if let Some(held) = held {
                        held.is_closed = true;
                        self.fire(name, start, held, Firing::OnTime, out);
                    }
                })?;
            }
            if window.is_closed_by(gone) {
                state.windows.remove(key, &start)?;
                continue;
            }
            let due = if window.is_closed_by(reached) { self.allowance.goes(end) } else { end };
            next = Some(next.map_or(due, |next: Timestamp| next.min(due)));
        }
        match next {
            Some(next) => state.closes.register(key, next).map(drop)?,
            None => state.looks.clear(key)?,
        }
        Ok(fired)
    }
}

impl<K, V, W, A, P, T, R> KeyedOperator<K, V, Timed> for Triggering<K, V, W, A, P, T, R>
where
    K: Key + Ord,
    V: Exchange,
    W: WindowKind<K> + DisjointWindows,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    P: WindowTrigger<V>,
    T: Send + 'static,
    R: Row<K, T> + 'static,
{
    type Route = WithTimes;
    type State = State<A::Acc, P::State>;
    type Out = R::Of;
    type OutShape = Timed;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("window").folds_by(self.aggregator.kind());
        let info = self.late_output.iter().fold(info, |info, (_, side)| info.fills_node(*side));
        // What is stored was cut by the windows, and what the trigger remembers is its own.
        let settings = self.windows.settings().into_iter().chain(self.trigger.settings());
        let refused = settings.map(|(name, value)| Setting::refused(name, value));
        let purges = if R::PURGES { "purged" } else { "kept" };
        let more = [Setting::new_holds("allowed lateness", self.allowed), Setting::refused("when fired", purges)];
        refused.chain(more).fold(info, OperatorInfo::setting)
    }

    fn route(&self) -> WithTimes {
        WithTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Self::State {
        State {
            windows: states.sorted_map("triggered"),
            closes: states.event_timers("closes"),
            looks: states.processing_timers("looks"),
        }
    }

    fn run(
        &self,
        state: &Self::State,
        group: &mut GroupBatch<'_, K, (Timestamp, V)>,
        results: &mut Results<'_, R::Of, Timed>,
    ) -> Result<()> {
        group.prefetch()?;
        let (times, gone, mut came) = (group.times(), self.allowance.gone_at_start(), Came::<K>::new());
        let (now, reached) = (times.time(), times.reached());
        let (records, keys) = group.records();
        for (hash, key, record) in records {
            let taken = self.take(state, &mut keys.key(hash, &key, times.now()), record, (now, gone))?;
            if let Some((start, fires)) = taken {
                came.entry((key, start)).or_insert((hash, false)).1 |= fires;
            }
        }
        let out = &mut Out { results, early: 0, late: 0 };
        for ((key, start), (hash, fires)) in &came {
            state.windows.update(&mut keys.key(*hash, key, times.now()), *start, |held| {
                let Some(held) = held else { return };
                if held.is_closed {
                    self.fire(key, *start, held, Firing::Late, out);
                } else if *fires && !Window::new(*start, held.end).is_closed_by(reached) {
                    self.fire(key, *start, held, Firing::Early, out);
                }
            })?;
        }
        group.fire_processing_timers(|_, mut key| self.look(state, &mut key, (now, reached), out))?;
        let mut windows = std::collections::BTreeSet::new();
        group.fire_event_timers(|_, mut key| {
            // They are set for later times only, and for what is there.
            key.defer_timers(false);
            windows.extend(self.close(state, &mut key, reached, out)?);
            Ok(())
        })?;
        self.told.add(out.early, out.late);
        if !windows.is_empty() {
            self.fired.add(Fired { windows, ..Fired::default() });
        }
        Ok(())
    }
}
