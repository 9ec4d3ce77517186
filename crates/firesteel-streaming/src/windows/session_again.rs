//! Sessions that may fire more than once.
//!
//! The state has the sessions of each key in the order of time, until they are gone, and timers no later than they close and go.
//! A session knows under which bounds it has been told of: when it fires under others, the rows of those are withdrawn.

use std::sync::Arc;

use firesteel_core::{Accumulator, Exchange, Key};
use firesteel_state::{Declaration, KeyContext, Result, Setting, SortedMap, Timers};
use firesteel_window::{Aggregator, Change, Firing, Session, Timestamp, Window};
use serde::{Deserialize, Serialize};

use crate::plan::NodeId;
use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results};
use crate::stream::{LateOutput, Timed};
use crate::time::{Allowance, Fired, FiredCount};
use crate::windows::again::{Counted, Firings, Told};
use crate::windows::gaps::Gaps;
use crate::windows::session_side::{IntoSessions, Piece, closes_at};
use crate::windows::touching::{self, Kept, last_touched};

/// The operator.
pub(super) struct Staying<K, V, A: Aggregator<V>, T> {
    pub(super) windows: Gaps<V>,
    pub(super) firings: Firings,
    pub(super) aggregator: Arc<Counted<A>>,
    /// The result, as far as there is one: a session holds a value.
    pub(super) present: fn(A::Out) -> Option<T>,
    pub(super) allowance: Arc<Allowance>,
    pub(super) late: Accumulator<u64>,
    pub(super) late_output: Option<(LateOutput<K, V>, NodeId)>,
    pub(super) fired: FiredCount,
    pub(super) told: Told,
}

/// A session, by its beginning.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stay<A> {
    end: Timestamp,
    /// What it has gathered, of how many records.
    gathered: (A, u64),
    /// The bounds under which rows of it stand outside: mostly one, or none.
    told: Vec<(Timestamp, Timestamp)>,
    /// Whether it was closed when it fired, or when its first record came.
    has_fired: bool,
    /// Whether it has changed since it fired.
    has_changed: bool,
    /// How many records it had at the end of the last batch that brought some.
    seen: u64,
    /// When the clock is to fire it early, since it has changed.
    tick: Option<Timestamp>,
}

impl<A> Stay<A> {
    fn window(&self, start: Timestamp) -> Window {
        Window::new(start, self.end)
    }
}

impl<A: Exchange> Kept for Stay<A> {
    type Acc = (A, u64);

    fn end(&self) -> Timestamp {
        self.end
    }

    fn gather(&mut self, end: Timestamp, acc: (A, u64), merge: &impl Fn(&mut (A, u64), (A, u64))) {
        self.end = end.max(self.end);
        self.has_changed = true;
        merge(&mut self.gathered, acc);
    }

    fn take_in(&mut self, later: Self, merge: &impl Fn(&mut (A, u64), (A, u64))) {
        self.gather(later.end, later.gathered, merge);
        self.told.extend(later.told);
        self.has_fired |= later.has_fired;
        self.seen = self.seen.max(later.seen);
        self.tick = self.tick.into_iter().chain(later.tick).min();
    }
}

/// Where rows go, and how many of them were early and late.
struct Rows<'a, 'b, K: Send + 'static, T: Send + 'static> {
    results: &'a mut Results<'b, Change<K, T>, Timed>,
    early: u64,
    late: u64,
}

/// The state.
pub(super) struct Stays<A> {
    sessions: SortedMap<Timestamp, Stay<A>>,
    closes: Timers,
    ticks: Timers,
}

impl<A: Exchange> Stays<A> {
    /// Opens a session that touches no other.
    fn open<K: Key>(&self, key: &mut KeyContext<'_, K>, window: Window, gathered: (A, u64)) -> Result<()> {
        let end = window.end();
        let session =
            Stay { end, gathered, told: Vec::new(), has_fired: false, has_changed: true, seen: 0, tick: None };
        self.sessions.put(key, window.start(), session)?;
        self.closes.register(key, closes_at(end))?;
        Ok(())
    }
}

impl<K, V, A, T> Staying<K, V, A, T>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    /// When a session that ends at a time goes.
    fn goes(&self, end: Timestamp) -> Timestamp {
        closes_at(self.allowance.goes(end))
    }

    /// Fires a session: its row is put, and those of other bounds are withdrawn.
    fn fire(&self, key: &K, window: Window, session: &mut Stay<A::Acc>, firing: Firing, rows: &mut Rows<'_, '_, K, T>) {
        let at = window.end();
        (session.has_changed, session.tick) = (false, None);
        session.has_fired |= firing != Firing::Early;
        let Some(value) = (self.present)(Aggregator::<V>::finish(&*self.aggregator, &session.gathered)) else { return };
        let now = (window.start(), window.end());
        for (start, end) in std::mem::replace(&mut session.told, vec![now]) {
            if (start, end) != now {
                rows.results.emit(at, Change::withdraw(Window::new(start, end), key.clone(), firing));
            }
        }
        rows.early += u64::from(firing == Firing::Early);
        rows.late += u64::from(firing == Firing::Late);
        rows.results.emit(at, Change::put(window, key.clone(), firing, value));
    }

    /// Fires the session that a batch has brought something to: if it has fired before, or its number of records asks for it.
    fn brought(
        &self,
        stays: &Stays<A::Acc>,
        key: &mut KeyContext<'_, K>,
        piece: Window,
        reached: Timestamp,
        rows: &mut Rows<'_, '_, K, T>,
    ) -> Result<()> {
        let Some(start) = last_touched(&stays.sessions, key, piece)? else { return Ok(()) };
        let (name, early, watermark) = (key.key(), self.firings.early, key.watermark());
        stays.sessions.update(key, start, |session| {
            let Some(session) = session.as_mut().filter(|session| session.has_changed) else { return };
            let (window, count) = (session.window(start), session.gathered.1);
            // One that has begun with the batch, all of whose records are here, and was closed before.
            session.has_fired |= session.seen == 0 && Session::is_closed(window, watermark);
            let is_passed = early.is_some_and(|early| early.is_passed(session.seen, count));
            session.seen = count;
            if session.has_fired {
                self.fire(name, window, session, Firing::Late, rows);
            } else if is_passed && !Session::is_closed(window, reached) {
                self.fire(name, window, session, Firing::Early, rows);
            }
        })
    }

    /// Has the clock fire the session that a batch has brought something to, if that is still to be told.
    fn tick_later(
        &self,
        stays: &Stays<A::Acc>,
        key: &mut KeyContext<'_, K>,
        piece: Window,
        reached: Timestamp,
        tick: Window,
    ) -> Result<()> {
        let Some(start) = last_touched(&stays.sessions, key, piece)? else { return Ok(()) };
        let is_open = |session: &Stay<_>| !session.has_fired && !Session::is_closed(session.window(start), reached);
        let session = stays.sessions.get(key, &start)?;
        if session.is_some_and(|session| session.has_changed && session.tick.is_none() && is_open(session)) {
            stays.ticks.register(key, tick.end())?;
            stays.sessions.update(key, start, |session| {
                if let Some(session) = session {
                    session.tick = Some(tick.end());
                }
            })?;
        }
        Ok(())
    }

    /// Fires the open sessions of a key that have changed, at a tick of the clock.
    fn tick(
        &self,
        stays: &Stays<A::Acc>,
        key: &mut KeyContext<'_, K>,
        reached: Timestamp,
        rows: &mut Rows<'_, '_, K, T>,
    ) -> Result<()> {
        let now = key.processing_time();
        if self.firings.early.and_then(|early| early.tick(now)).is_none() {
            return Ok(());
        }
        let (mut changed, mut is_due) = (Vec::new(), false);
        for (start, session) in stays.sessions.range(key, ..)? {
            if session.has_changed && !session.has_fired && !Session::is_closed(session.window(*start), reached) {
                is_due |= session.tick.is_some_and(|tick| tick <= now);
                changed.push(*start);
            }
        }
        if !is_due {
            return Ok(());
        }
        let name = key.key();
        for start in changed {
            stays.sessions.update(key, start, |session| {
                if let Some(session) = session {
                    self.fire(name, session.window(start), session, Firing::Early, rows);
                }
            })?;
        }
        Ok(())
    }

    /// Fires the sessions of a key that the watermark closes, lets go of those that are gone, and has a timer set for the
    /// others. How many have fired.
    fn close(
        &self,
        stays: &Stays<A::Acc>,
        key: &mut KeyContext<'_, K>,
        reached: Timestamp,
        rows: &mut Rows<'_, '_, K, T>,
    ) -> Result<u64> {
        let (gone, name) = (self.allowance.gone_by(reached), key.key());
        let (mut fired, mut next, mut is_left) = (0, None, false);
        let sessions: Vec<(Timestamp, Timestamp, bool)> =
            stays.sessions.range(key, ..)?.map(|(start, session)| (*start, session.end, session.has_fired)).collect();
        for (start, end, has_fired) in sessions {
            let window = Window::new(start, end);
            if !has_fired && Session::is_closed(window, reached) {
                fired += 1;
                stays.sessions.update(key, start, |session| {
                    if let Some(session) = session {
                        self.fire(name, window, session, Firing::OnTime, rows);
                    }
                })?;
            }
            if Session::is_closed(window, gone) {
                stays.sessions.remove(key, &start)?;
                continue;
            }
            is_left = true;
            let has_fired = has_fired || Session::is_closed(window, reached);
            let due = if has_fired { self.goes(end) } else { closes_at(end) };
            next = Some(next.map_or(due, |next: Timestamp| next.min(due)));
        }
        if let Some(next) = next {
            stays.closes.register(key, next)?;
        }
        // A trigger of an earlier start may have left one, too.
        if !is_left {
            stays.ticks.clear(key)?;
        }
        Ok(fired)
    }
}

impl<K, V, A, T> KeyedOperator<K, V, Timed> for Staying<K, V, A, T>
where
    K: Key + Ord,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    type Route = IntoSessions<K, V, Counted<A>>;
    type State = Stays<A::Acc>;
    type Out = Change<K, T>;
    type OutShape = Timed;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("window").folds_by(Aggregator::<V>::kind(&*self.aggregator));
        // What is stored was cut by the gap.
        let windows = self.windows.settings().into_iter().map(|(name, value)| Setting::refused(name, value));
        windows.chain(self.firings.settings()).fold(info, OperatorInfo::setting)
    }

    fn route(&self) -> IntoSessions<K, V, Counted<A>> {
        IntoSessions {
            windows: self.windows.clone(),
            aggregator: Arc::clone(&self.aggregator),
            allowance: Some(Arc::clone(&self.allowance)),
            late: self.late.clone(),
            late_output: self.late_output.clone(),
        }
    }

    fn declare(&self, states: &mut Declaration<K>) -> Stays<A::Acc> {
        Stays {
            sessions: states.sorted_map("sessions"),
            closes: states.event_timers("closes"),
            ticks: states.processing_timers("ticks"),
        }
    }

    fn run(
        &self,
        stays: &Stays<A::Acc>,
        group: &mut GroupBatch<'_, K, Piece<(A::Acc, u64)>>,
        results: &mut Results<'_, Change<K, T>, Timed>,
    ) -> Result<()> {
        group.prefetch()?;
        let (times, gone, mut brought) = (group.times(), self.allowance.gone_at_start(), Vec::new());
        let merge = |acc: &mut _, more| Aggregator::<V>::merge(&*self.aggregator, acc, more);
        let begin = |key: &mut KeyContext<'_, K>, window, acc| stays.open(key, window, acc);
        let taken = |hash, key, window| brought.push((hash, key, window));
        touching::take(&stays.sessions, group, (gone, &self.late), merge, begin, taken)?;
        let (_, state) = group.records();
        let rows = &mut Rows { results, early: 0, late: 0 };
        for (hash, key, piece) in &brought {
            self.brought(stays, &mut state.key(*hash, key, times.now()), *piece, times.reached(), rows)?;
        }
        group.fire_processing_timers(|_, mut key| self.tick(stays, &mut key, times.reached(), rows))?;
        // What has been told with a tick needs none.
        if let Some(tick) = self.firings.early.and_then(|early| early.tick(times.time())) {
            let (_, state) = group.records();
            for (hash, key, piece) in &brought {
                self.tick_later(stays, &mut state.key(*hash, key, times.now()), *piece, times.reached(), tick)?;
            }
        }
        let mut fired = 0;
        group.fire_event_timers(|_, mut key| {
            // They are set for later times only, and for what is there.
            key.defer_timers(false);
            fired += self.close(stays, &mut key, times.reached(), rows)?;
            Ok(())
        })?;
        self.told.add(rows.early, rows.late);
        if fired > 0 {
            self.fired.add(Fired { sessions: fired, ..Fired::default() });
        }
        Ok(())
    }
}
