//! Calls of connectors that are under way: somebody has to say which one a job waits for, and the job must be able to end
//! without it.
//!
//! A call cannot be broken off from outside: its thread stays in it. What can be done is to tell who is waited for, and to
//! **abandon** the call when it has taken longer than its [limit](CallLimits). From then on the job does nothing more: what the
//! call has done is unknown, so nothing is written after it, thrown away or told. The next start finds out, as it does after a
//! crash. If the call returns later after all, its thread finds that it has been abandoned, and ends.

mod limits;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Builder;

use firesteel_core::Clock;
use firesteel_window::{Duration, Timestamp, millis, seconds};
use parking_lot::{Condvar, Mutex};

pub use self::limits::CallLimits;
use crate::error::{Error, Result};

/// A call that has not returned for so long is told, and again whenever it has taken three times as long.
const PATIENCE: Duration = Duration::secs(10);

/// How a job is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// The running batch is finished. Receivers stop receiving, and what they have stored is processed.
    Gracefully,
    /// The running batch is cancelled; nothing of it becomes visible.
    AtOnce,
}

/// The calls of a job that are under way.
pub(crate) struct Calls {
    state: Mutex<State>,
    changed: Condvar,
    clock: Arc<dyn Clock>,
    limits: CallLimits,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    next: u64,
    /// How the job is to stop, and since when.
    stop: Option<(Stop, Duration)>,
    /// The call without which the job ends, if there is one.
    abandoned: Option<Abandoned>,
    /// Nobody calls any more: the job's thread has ended, or everybody has been told that a call is abandoned.
    is_over: bool,
    is_watched: bool,
    /// How often a clock that is moved by hand was.
    moves: u64,
}

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Source,
    Sink,
    Table,
}

struct Call {
    number: u64,
    of: Of,
    whom: Arc<str>,
    what: &'static str,
    begun: Duration,
    /// After how long it is told next.
    told_after: Duration,
    /// Of a task, by which one sees whether it moves.
    pulse: Option<Arc<Pulse>>,
    seen: u64,
}

/// Tells from outside whether a task is in a call, and whether it moves: the number is odd while it is in one.
#[derive(Debug, Default)]
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    /// Only one thread says so.
    #[inline]
    fn add(&self, number: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + number, Ordering::Relaxed);
    }
}

/// A call that has taken so long that it is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slow {
    of: Of,
    whom: Arc<str>,
    what: &'static str,
    taken: Duration,
    since: Timestamp,
}

/// A call without which the job ends.
#[derive(Debug, Clone)]
struct Abandoned(Slow);

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whom, what, .. } = self;
        match (self.of, *what) {
            (Of::Sink, "write") => write!(f, "a task that computes and writes records for sink {whom}"),
            (Of::Sink, _) => write!(f, "{what} of sink {whom}"),
            (Of::Source, _) => write!(f, "{what} of source {whom}"),
            (Of::Table, _) => write!(f, "{what} of table {whom}"),
        }
    }
}

/// Whole seconds, as people are told them.
fn whole(span: Duration) -> Duration {
    Duration::secs(span.as_micros() / 1_000_000)
}

impl Abandoned {
    fn error(&self) -> Error {
        let Self(slow) = self;
        Error::Abandoned { call: slow.to_string(), waited: whole(slow.taken), since: slow.since }
    }
}

/// Ends the call when it is dropped.
pub(crate) struct Watched<'a> {
    calls: &'a Calls,
    number: u64,
}

/// A task that makes calls, until it is dropped.
pub(crate) struct WatchedTask<'a> {
    _watched: Option<Watched<'a>>,
    pulse: Arc<Pulse>,
}

impl WatchedTask<'_> {
    /// A task of `calls`, if somebody looks at them. `within`: it is in a call from the beginning.
    pub(crate) fn begin<'a>(
        calls: Option<&'a Arc<Calls>>,
        of: Of,
        whom: &Arc<str>,
        what: &'static str,
        within: bool,
    ) -> WatchedTask<'a> {
        let pulse = Arc::new(Pulse(AtomicU64::new(u64::from(within))));
        let watched = calls.map(|calls| calls.note(of, whom, what, Some(Arc::clone(&pulse))));
        WatchedTask { _watched: watched, pulse }
    }

    /// A call begins or ends.
    pub(crate) fn pass(&self) {
        self.pulse.add(1);
    }

    /// The call has got further by a record.
    #[inline]
    pub(crate) fn moves(&self) {
        self.pulse.add(2);
    }

    /// It is over. By how many records the call has got further in which it was from the beginning.
    pub(crate) fn end(self) -> u64 {
        self.pulse.0.load(Ordering::Relaxed) / 2
    }
}

impl Calls {
    pub(crate) fn new(clock: Arc<dyn Clock>, limits: CallLimits) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), clock, limits }
    }

    /// Takes note of a call to a source or sink, until what is returned is dropped.
    pub(crate) fn watch(&self, of: Of, whom: &Arc<str>, what: &'static str) -> Watched<'_> {
        self.note(of, whom, what, None)
    }

    fn note(&self, of: Of, whom: &Arc<str>, what: &'static str, pulse: Option<Arc<Pulse>>) -> Watched<'_> {
        let (begun, whom) = (self.clock.monotonic(), Arc::clone(whom));
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        let seen = u64::from(pulse.is_some());
        state.calls.push(Call { number, of, whom, what, begun, told_after: PATIENCE, pulse, seen });
        Watched { calls: self, number }
    }

    /// The job is to stop: from now on, calls have less time.
    pub(crate) fn stopping(&self, how: Stop) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        if state.stop.is_none_or(|(before, _)| before < how) {
            state.stop = Some((how, now));
        }
        self.changed.notify_all();
    }

    /// An error if a call has been abandoned: nothing may be done after it.
    pub(crate) fn check(&self) -> Result<()> {
        self.state.lock().abandoned.as_ref().map_or(Ok(()), |abandoned| Err(abandoned.error()))
    }

    /// Whether a call has been abandoned.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned.is_some()
    }

    /// What is waited for at the moment, and for how long, where that is more than a moment.
    pub(crate) fn under_way(&self) -> Vec<String> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let look = |call: &mut Call| call.look(now, self.clock.wall());
        let slow = state.calls.iter_mut().map(look).filter(|slow| slow.taken >= seconds(1));
        slow.map(|slow| format!("{slow}, for {}", whole(slow.taken))).collect()
    }

    /// What has taken so long that it is to be told, and how long until there can be more. Abandons what has taken too long.
    fn slow(&self, now: Duration, wall: Timestamp) -> (Vec<Slow>, Duration) {
        let mut state = self.state.lock();
        let State { calls, stop, abandoned, .. } = &mut *state;
        let (mut slow, mut wait) = (Vec::new(), if stop.is_some() { seconds(1) } else { PATIENCE });
        // Of calls within each other, the inner one has begun later. What a task that writes is at may be a call that reads.
        let (mut worst, mut reads): (Option<(u64, Slow)>, Option<Slow>) = (None, None);
        for call in calls {
            let found = call.look(now, wall);
            if call.is_idle() {
                continue;
            }
            if let Some(left) = self.limits.left(found.what, call.begun, *stop, now) {
                if left <= Duration::ZERO && worst.as_ref().is_none_or(|(number, _)| *number < call.number) {
                    worst = Some((call.number, found.clone()));
                }
                wait = wait.min(left);
            }
            if found.what == "read" && found.taken > Duration::ZERO {
                reads = Some(found.clone());
            }
            if found.taken >= call.told_after {
                call.told_after = found.taken.saturating_add(found.taken).saturating_add(found.taken);
                slow.push(found.clone());
            }
            wait = wait.min(call.told_after.saturating_sub(found.taken));
        }
        if let (Some((_, found)), None) = (worst, &abandoned) {
            let reads = reads.filter(|_| found.what == "write");
            *abandoned = Some(Abandoned(reads.unwrap_or(found)));
        }
        (slow, wait)
    }

    /// Tells of calls that take long, on a thread of its own, as long as anybody has `calls`; and ends a job that waits too
    /// long, by telling `abandon` why.
    pub(crate) fn tell(calls: &Arc<Self>, job: &Arc<str>, abandon: impl FnOnce(&Error) + Send + 'static) {
        if std::mem::replace(&mut calls.state.lock().is_watched, true) {
            return;
        }
        let (weak, job) = (Arc::downgrade(calls), Arc::clone(job));
        // Where no thread can be had, nobody tells; the job runs all the same.
        _ = Builder::new().name("firesteel-watch".to_owned()).spawn(move || watch(&weak, &job, abandon));
    }

    /// The last call has been made: nothing is told any more.
    pub(crate) fn rest(&self) {
        self.state.lock().is_watched = false;
        self.changed.notify_all();
    }

    /// The job's thread has ended.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        (state.is_watched, state.is_over) = (false, true);
        self.changed.notify_all();
    }

    /// Waits until the job's thread has ended, or is not waited for any more: why.
    pub(crate) fn wait_for_end(&self) -> Result<()> {
        let mut state = self.state.lock();
        while !state.is_over {
            self.changed.wait(&mut state);
        }
        drop(state);
        self.check()
    }
}

impl Call {
    /// Whether it is of a task that is in no call at the moment, as far as has been looked.
    fn is_idle(&self) -> bool {
        self.pulse.is_some() && self.seen.is_multiple_of(2)
    }

    /// How long the call has taken, or of a task the one that it is in. One that moves has only begun.
    fn look(&mut self, now: Duration, wall: Timestamp) -> Slow {
        if let Some(pulse) = &self.pulse {
            let seen = pulse.0.load(Ordering::Relaxed);
            if seen != self.seen || seen.is_multiple_of(2) {
                (self.seen, self.begun, self.told_after) = (seen, now, PATIENCE);
            }
        }
        let taken = now.saturating_sub(self.begun);
        let since = wall.saturating_add(Duration::micros(-taken.as_micros()));
        Slow { of: self.of, whom: Arc::clone(&self.whom), what: self.what, taken, since }
    }
}

fn watch(calls: &Weak<Calls>, job: &str, abandon: impl FnOnce(&Error)) {
    let weak = calls.clone();
    // A clock that is moved by hand wakes this thread.
    let moved: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        if let Some(calls) = weak.upgrade() {
            calls.state.lock().moves += 1;
            calls.changed.notify_all();
        }
    });
    if let Some(calls) = calls.upgrade() {
        calls.clock.on_move(Arc::downgrade(&moved));
    }
    while let Some(calls) = calls.upgrade() {
        let moves = calls.state.lock().moves;
        let (slow, wait) = calls.slow(calls.clock.monotonic(), calls.clock.wall());
        if let Err(error) = calls.check() {
            abandon(&error);
            calls.end();
            return;
        }
        for call in slow {
            let (since, waited) = (call.since, whole(call.taken));
            let message = "the job waits for a call that does not return; nothing is lost if the process is ended";
            tracing::warn!(job, call = %call, waited = %waited, since = %since, message);
        }
        let mut state = calls.state.lock();
        if !state.is_watched {
            return;
        }
        // Calls come and go without waking this thread: one that is slow will be seen at the next look.
        if state.moves == moves {
            calls.changed.wait_for(&mut state, wait.max(millis(100)).to_std());
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut state = self.calls.state.lock();
        if let Some(at) = state.calls.iter().position(|call| call.number == self.number) {
            state.calls.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use firesteel_core::ManualClock;

    use super::*;

    fn calls(limits: CallLimits) -> (ManualClock, Calls) {
        let clock = ManualClock::starting_at(Timestamp::from_secs(1_000));
        (clock.clone(), Calls::new(Arc::new(clock), limits))
    }

    fn told(clock: &ManualClock, calls: &Calls, after: i64) -> Vec<String> {
        clock.advance(seconds(after));
        calls.slow(clock.monotonic(), clock.wall()).0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_call_that_does_not_return_is_told_at_growing_intervals_and_no_other() {
        let (clock, calls) = calls(CallLimits::default());
        let (whom, other): (Arc<str>, Arc<str>) = ("files".into(), "another".into());
        drop(calls.watch(Of::Source, &other, "commit"));
        let watched = calls.watch(Of::Sink, &whom, "commit");
        assert_eq!(told(&clock, &calls, 9), [""; 0]);
        for (after, is_told) in [(2, true), (9, false), (20, true), (60, false), (100, true)] {
            assert_eq!(told(&clock, &calls, after) == ["commit of sink files"], is_told, "{after}");
        }
        assert_eq!(calls.under_way(), ["commit of sink files, for 3m 20s"]);
        calls.check().unwrap();
        drop(watched);
        assert_eq!(told(&clock, &calls, 10_000), [""; 0]);
    }

    #[test]
    fn a_task_that_moves_has_only_begun() {
        let (clock, calls) = calls(CallLimits::default());
        let whom: Arc<str> = "files".into();
        let calls = Arc::new(calls);
        let task = WatchedTask::begin(Some(&calls), Of::Source, &whom, "read", false);
        let pulse = &task;
        assert_eq!(told(&clock, &calls, 100), [""; 0], "it is in no call");
        pulse.pass();
        assert_eq!(told(&clock, &calls, 100), [""; 0], "when the call began is not known");
        assert_eq!(told(&clock, &calls, 11), ["read of source files"]);
        pulse.pass();
        pulse.pass();
        assert_eq!(told(&clock, &calls, 100), [""; 0], "it is another call");
        pulse.moves();
        assert_eq!(told(&clock, &calls, 100), [""; 0], "it has got further");
        assert_eq!(told(&clock, &calls, 10), ["read of source files"]);
    }

    #[test]
    fn a_task_that_is_in_no_call_is_not_given_up() {
        let (clock, calls) = calls(CallLimits::default().at_once(Duration::ZERO));
        let (whom, calls) = (Arc::<str>::from("files"), Arc::new(calls));
        let _task = WatchedTask::begin(Some(&calls), Of::Source, &whom, "read", false);
        calls.stopping(Stop::AtOnce);
        told(&clock, &calls, 100);
        calls.check().unwrap();
        let _call = calls.watch(Of::Source, &whom, "discover");
        told(&clock, &calls, 0);
        assert!(calls.check().unwrap_err().to_string().starts_with("FS-S015: discover of source files"));
    }

    #[test]
    fn limits_count_from_the_stop_on_and_the_inner_call_is_named() {
        let limits = CallLimits::default().stopping(seconds(30)).at_once(seconds(5));
        let (clock, calls) = calls(limits);
        let whom: Arc<str> = "files".into();
        let (_outer, _inner) = (calls.watch(Of::Sink, &whom, "commit"), calls.watch(Of::Sink, &whom, "outcome"));
        told(&clock, &calls, 10_000);
        calls.check().unwrap();
        calls.stopping(Stop::Gracefully);
        told(&clock, &calls, 29);
        calls.check().unwrap();
        calls.stopping(Stop::AtOnce);
        calls.stopping(Stop::Gracefully);
        told(&clock, &calls, 4);
        calls.check().unwrap();
        told(&clock, &calls, 1);
        let error = calls.check().unwrap_err().to_string();
        assert!(error.starts_with("FS-S015: outcome of sink files has not returned for 2h 47m 14s"), "{error}");
    }
}
