//! Sessions: each key's records that follow one another without a long pause.
//!
//! The state has the open sessions of each key in the order of time, and a timer for the key no later than its first session
//! closes. A session that grows leaves the timer where it is: when that fires, it is set again for what is left, so that
//! records cost no timers.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Accumulator, Exchange, Key};
use firesteel_state::{Declaration, KeyContext, Result, Setting, SortedMap, Timers};
use firesteel_window::{Aggregator, Change, Session, Timestamp, Window};

use crate::plan::{Fault, NodeId};
use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results};
use crate::stream::{LateOutput, Stream, Timed};
use crate::time::{Allowance, Fired, FiredCount};
use crate::windows::again::{Counted, Firings, Told};
use crate::windows::kind::WindowKind;
use crate::windows::session_again::Staying;
use crate::windows::session_side::{IntoSessions, Piece, closes_at};
use crate::windows::touching::{self, Kept};
use crate::windows::{WindowResult, WindowedStream};

impl<K: Key + Ord> WindowKind<K> for Session {
    fn aggregated<V, A, T>(
        of: WindowedStream<K, V, Self>,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<WindowResult<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let WindowedStream { stream, windows, operator, late: late_output } = of;
        let (aggregator, late, fired) = (Arc::new(aggregator), Accumulator::default(), stream.plan.fired());
        let kind = PhantomData;
        let sessions = Gathering { windows, aggregator, present, late, late_output, fired, kind };
        let results = stream.apply_at(operator, sessions);
        if let Err(refused) = windows.validate() {
            results.plan.change(|parts| parts.faults.push((results.node, Fault::Window(refused))));
        }
        results
    }

    fn changing<V, A, T>(
        of: WindowedStream<K, V, Self>,
        firings: Firings,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<Change<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let WindowedStream { stream, windows, operator, late: late_to } = of;
        let aggregator = Arc::new(Counted(Arc::new(aggregator)));
        let (late, fired, kind) = (Accumulator::default(), stream.plan.fired(), PhantomData);
        let allowance = Allowance::new(firings.late, stream.plan.trackers(stream.node));
        let allowed = Arc::clone(&allowance);
        let told = Told::default();
        let told_of = told.clone();
        let sessions =
            Staying { windows, firings, aggregator, present, allowance, late, late_output: late_to, fired, told, kind };
        let results = stream.apply_at(operator, sessions);
        told_of.count_at(&results.plan, results.node);
        results.plan.allow(results.node, &allowed);
        if let Some(refused) = windows.validate().err().or_else(|| firings.refused()) {
            results.plan.change(|parts| parts.faults.push((results.node, Fault::Window(refused))));
        }
        results
    }
}

/// The operator of sessions.
struct Gathering<K, V, A: Aggregator<V>, T> {
    windows: Session,
    aggregator: Arc<A>,
    /// The result, as far as there is one: a session holds a value.
    present: fn(A::Out) -> Option<T>,
    late: Accumulator<u64>,
    late_output: Option<(LateOutput<K, V>, NodeId)>,
    fired: FiredCount,
    kind: PhantomData<fn(V)>,
}

/// Its state.
struct Open<A> {
    /// By its beginning, the end of a session, and what it has gathered.
    sessions: SortedMap<Timestamp, (Timestamp, A)>,
    closes: Timers,
}

impl<A: Exchange> Kept for (Timestamp, A) {
    type Acc = A;

    fn end(&self) -> Timestamp {
        self.0
    }

    fn gather(&mut self, end: Timestamp, acc: A, merge: &impl Fn(&mut A, A)) {
        self.0 = end.max(self.0);
        merge(&mut self.1, acc);
    }

    fn take_in(&mut self, (end, gathered): Self, merge: &impl Fn(&mut A, A)) {
        self.gather(end, gathered, merge);
    }
}

impl<A: Exchange> Open<A> {
    /// Opens a session that touches no other.
    fn open<K: Key>(&self, key: &mut KeyContext<'_, K>, window: Window, acc: A) -> Result<()> {
        self.sessions.put(key, window.start(), (window.end(), acc))?;
        if self.sessions.first(key)?.is_some_and(|(first, _)| *first == window.start()) {
            self.closes.register(key, closes_at(window.end()))?;
        }
        Ok(())
    }

    /// Takes the key's first session if the watermark has closed it, or has a timer set for it.
    fn close<K: Key>(&self, key: &mut KeyContext<'_, K>, watermark: Timestamp) -> Result<Option<(Window, A)>> {
        let Some((start, (end, _))) = self.sessions.first(key)? else { return Ok(None) };
        let window = Window::new(*start, *end);
        if Session::is_closed(window, watermark) {
            let session = self.sessions.update(key, window.start(), Option::take)?;
            return Ok(session.map(|(_, acc)| (window, acc)));
        }
        self.closes.register(key, closes_at(window.end()))?;
        Ok(None)
    }
}

impl<K, V, A, T> KeyedOperator<K, V, Timed> for Gathering<K, V, A, T>
where
    K: Key + Ord,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    type Route = IntoSessions<K, V, A>;
    type State = Open<A::Acc>;
    type Out = WindowResult<K, T>;
    type OutShape = Timed;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("window").folds_by(self.aggregator.kind());
        // What is stored was cut by the gap.
        self.windows
            .settings()
            .into_iter()
            .fold(info, |info, (name, value)| info.setting(Setting::refused(name, value)))
    }

    fn route(&self) -> IntoSessions<K, V, A> {
        IntoSessions {
            windows: self.windows,
            aggregator: Arc::clone(&self.aggregator),
            allowance: None,
            late: self.late.clone(),
            late_output: self.late_output.clone(),
        }
    }

    fn declare(&self, states: &mut Declaration<K>) -> Open<A::Acc> {
        Open { sessions: states.sorted_map("sessions"), closes: states.event_timers("closes") }
    }

    fn run(
        &self,
        open: &Open<A::Acc>,
        group: &mut GroupBatch<'_, K, Piece<A::Acc>>,
        results: &mut Results<'_, WindowResult<K, T>, Timed>,
    ) -> Result<()> {
        group.prefetch()?;
        let times = group.times();
        let merge = |acc: &mut A::Acc, more| self.aggregator.merge(acc, more);
        let begin = |key: &mut KeyContext<'_, K>, window, acc| open.open(key, window, acc);
        touching::take(&open.sessions, group, (times.watermark(), &self.late), merge, begin, |_, _, _| {})?;
        let mut fired = 0;
        group.fire_event_timers(|_, mut key| {
            // They are set for later times only, and for what is there.
            key.defer_timers(false);
            while let Some((window, acc)) = open.close(&mut key, times.reached())? {
                fired += 1;
                if let Some(value) = (self.present)(self.aggregator.finish_owned(acc)) {
                    results.emit(window.end(), WindowResult { window, key: key.key().clone(), value });
                }
            }
            Ok(())
        })?;
        if fired > 0 {
            self.fired.add(Fired { sessions: fired, ..Fired::default() });
        }
        Ok(())
    }
}
