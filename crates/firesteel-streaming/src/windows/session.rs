//! Sessions: each key's records that follow one another without a long pause.
//!
//! The state has the open sessions of each key in the order of time, and a timer for the key no later than its first session
//! closes. A session that grows leaves the timer where it is: when that fires, it is set again for what is left, so that
//! records cost no timers.

use std::sync::Arc;

use firesteel_core::{Accumulator, Exchange, Key};
use firesteel_state::{Declaration, KeyContext, Result, Setting, SortedMap, Timers};
use firesteel_window::{Aggregator, Change, Duration, Session, Timestamp, Window};

use crate::plan::NodeId;
use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results};
use crate::stream::{EventTime, LateOutput, Pair, Shape, Stream, Timed};
use crate::time::{Allowance, Fired, FiredCount};
use crate::windows::again::{Counted, Firings, Told};
use crate::windows::gaps::{EachGap, Gaps, SessionBy};
use crate::windows::kind::WindowKind;
use crate::windows::session_again::Staying;
use crate::windows::session_side::{IntoSessions, Piece, closes_at};
use crate::windows::touching::{self, Kept};
use crate::windows::{WindowResult, WindowedStream};

/// What sessions make of a keyed stream, whichever pauses end them.
macro_rules! sessions {
    ($kind:ty, |$windows:ident| $gaps:expr) => {
        impl<K: Key + Ord> WindowKind<K> for $kind {
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
                let $windows = of.windows.clone();
                gathered(of, $gaps, aggregator, present)
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
                let $windows = of.windows.clone();
                staying(of, $gaps, firings, aggregator, present)
            }
        }
    };
}

sessions!(Session, |windows| Gaps::Fixed(windows));
// It was made for values of this stream.
sessions!(SessionBy, |windows| windows.gaps().unwrap_or(Gaps::Fixed(Session::gap(Duration::micros(-1)))));

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Gathers each key's values in sessions in which each record says how long a pause after it ends them: a page is read for
    /// minutes, a film is watched for hours.
    ///
    /// A session reaches from its first record to the end of the longest pause: the latest of what its records say. Sessions that overlap or
    /// touch are one; so a record that comes later, or late, may join sessions that were apart. A short pause after a long one ends nothing
    /// sooner. A gap below zero is an error of the function, as if it had panicked. All else is as with
    /// [`Session`](firesteel_window::Session).
    ///
    /// That sessions have a gap for each record is compared with the checkpoint; the function is not, so give it a
    /// [version](Stream::version) when its meaning changes.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Timestamp, Watermark, minutes};
    ///
    /// let test = TestJob::new();
    /// // Who, at which minute, and for how many minutes the page may be read.
    /// let visits = test
    ///     .script([vec![("ann", 0, 5), ("ann", 4, 90), ("ann", 60, 5), ("ann", 100, 5)]])
    ///     .event_time(|view| Timestamp::EPOCH + minutes(view.1), Watermark::bounded(minutes(0)))
    ///     .map(|(user, _, reading)| (user.to_owned(), reading))
    ///     .sessions_by(|reading| minutes(*reading))
    ///     .count();
    /// let visits = test.record(visits.map(|row| (row.window.start().as_secs() / 60, row.window.end().as_secs() / 60, row.value)));
    /// test.run()?;
    /// test.finish()?;
    /// assert_eq!(visits.take(), [(0, 94, 3), (100, 105, 1)]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn sessions_by<K, V, F>(self, gap: F) -> WindowedStream<K, V, SessionBy>
    where
        T: Pair<Key = K, Value = V>,
        K: Key + Ord,
        V: Send + 'static,
        S: EventTime,
        F: Fn(&V) -> Duration + Send + Sync + 'static,
    {
        let gap: EachGap<V> = Arc::new(gap);
        self.window(SessionBy::new(gap))
    }
}

fn gathered<K, V, W, A, T>(
    of: WindowedStream<K, V, W>,
    windows: Gaps<V>,
    aggregator: A,
    present: fn(A::Out) -> Option<T>,
) -> Stream<WindowResult<K, T>, Timed>
where
    K: Key + Ord,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    let WindowedStream { stream, operator, late: late_output, .. } = of;
    let (aggregator, late, fired) = (Arc::new(aggregator), Accumulator::default(), stream.plan.fired());
    let refused = windows.refused();
    let results = stream.apply_at(operator, Gathering { windows, aggregator, present, late, late_output, fired });
    results.plan.refuse_windows(results.node, refused);
    results
}

fn staying<K, V, W, A, T>(
    of: WindowedStream<K, V, W>,
    windows: Gaps<V>,
    firings: Firings,
    aggregator: A,
    present: fn(A::Out) -> Option<T>,
) -> Stream<Change<K, T>, Timed>
where
    K: Key + Ord,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    let WindowedStream { stream, operator, late: late_output, .. } = of;
    let aggregator = Arc::new(Counted(Arc::new(aggregator)));
    let (late, fired) = (Accumulator::default(), stream.plan.fired());
    let allowance = Allowance::new(firings.late, stream.plan.trackers(stream.node));
    let allowed = Arc::clone(&allowance);
    let told = Told::default();
    let told_of = told.clone();
    let refused = windows.refused().or_else(|| firings.refused());
    let sessions = Staying { windows, firings, aggregator, present, allowance, late, late_output, fired, told };
    let results = stream.apply_at(operator, sessions);
    told_of.count_at(&results.plan, results.node);
    results.plan.allow(results.node, &allowed);
    results.plan.refuse_windows(results.node, refused);
    results
}

/// The operator of sessions.
struct Gathering<K, V, A: Aggregator<V>, T> {
    windows: Gaps<V>,
    aggregator: Arc<A>,
    /// The result, as far as there is one: a session holds a value.
    present: fn(A::Out) -> Option<T>,
    late: Accumulator<u64>,
    late_output: Option<(LateOutput<K, V>, NodeId)>,
    fired: FiredCount,
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
            windows: self.windows.clone(),
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
