//! Calls of connectors that are under way: somebody has to say which one a job waits for.
//!
//! A call cannot be broken off from outside. What can be done is to tell who is waited for, as long as it lasts; and the
//! process can be ended, since a job resumes from wherever that happens.

use std::sync::{Arc, Weak};
use std::thread::Builder;

use firesteel_core::{Clock, SystemClock};
use firesteel_window::{Duration, millis};
use parking_lot::{Condvar, Mutex};

/// A call that has not returned for so long is told, and again whenever it has taken three times as long.
const PATIENCE: Duration = Duration::secs(10);

/// The calls that are under way.
pub(crate) struct Calls {
    under_way: Mutex<UnderWay>,
    changed: Condvar,
    /// The machine's, whatever the job's: what people wait for is told.
    clock: SystemClock,
}

#[derive(Default)]
struct UnderWay {
    calls: Vec<Call>,
    next: u64,
    is_watched: bool,
}

struct Call {
    number: u64,
    whom: Arc<str>,
    what: &'static str,
    begun: Duration,
    /// After how long it is told next.
    told_after: Duration,
}

/// Ends the call when it is dropped.
pub(crate) struct Watched<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Default for Calls {
    fn default() -> Self {
        Self { under_way: Mutex::default(), changed: Condvar::new(), clock: SystemClock::new() }
    }
}

impl Calls {
    /// Takes note of a call to a source or sink, until what is returned is dropped.
    pub(crate) fn watch(&self, whom: &Arc<str>, what: &'static str) -> Watched<'_> {
        let mut under_way = self.under_way.lock();
        let number = under_way.next;
        under_way.next += 1;
        let begun = self.clock.monotonic();
        let call = Call { number, whom: Arc::clone(whom), what, begun, told_after: PATIENCE };
        under_way.calls.push(call);
        Watched { calls: self, number }
    }

    /// What has taken so long that it is to be told: who, what, and for how long; and how long until there can be more.
    fn slow(&self, now: Duration) -> (Vec<(Arc<str>, &'static str, Duration)>, Duration) {
        let (mut slow, mut wait) = (Vec::new(), PATIENCE);
        for call in &mut self.under_way.lock().calls {
            let taken = now.saturating_sub(call.begun);
            if taken >= call.told_after {
                slow.push((Arc::clone(&call.whom), call.what, taken));
                call.told_after = taken.saturating_add(taken).saturating_add(taken);
            }
            wait = wait.min(call.told_after.saturating_sub(taken));
        }
        (slow, wait)
    }

    /// Tells of calls that take long, on a thread of its own, as long as anybody has `calls`.
    pub(crate) fn tell(calls: &Arc<Self>, job: &Arc<str>) {
        if std::mem::replace(&mut calls.under_way.lock().is_watched, true) {
            return;
        }
        let (weak, job) = (Arc::downgrade(calls), Arc::clone(job));
        // Where no thread can be had, nobody tells; the job runs all the same.
        _ = Builder::new().name("firesteel-watch".to_owned()).spawn(move || watch(&weak, &job));
    }

    /// Nothing is told any more.
    pub(crate) fn end(&self) {
        self.under_way.lock().is_watched = false;
        self.changed.notify_all();
    }
}

fn watch(calls: &Weak<Calls>, job: &str) {
    while let Some(calls) = calls.upgrade() {
        let (slow, wait) = calls.slow(calls.clock.monotonic());
        for (whom, what, taken) in slow {
            let seconds = taken.as_micros() / 1_000_000;
            let message =
                "the job waits for a source or sink that does not return; nothing is lost if the process is ended";
            tracing::warn!(job, %whom, what, seconds, message);
        }
        let mut under_way = calls.under_way.lock();
        if !under_way.is_watched {
            return;
        }
        // Calls come and go without waking this thread: one that is slow will be seen at the next look.
        calls.changed.wait_for(&mut under_way, wait.max(millis(100)).to_std());
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut under_way = self.calls.under_way.lock();
        if let Some(at) = under_way.calls.iter().position(|call| call.number == self.number) {
            under_way.calls.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::seconds;

    use super::*;

    #[test]
    fn a_call_that_does_not_return_is_told_at_growing_intervals_and_no_other() {
        let calls = Calls::default();
        let (whom, other): (Arc<str>, Arc<str>) = ("a sink".into(), "another".into());
        drop(calls.watch(&other, "commit"));
        let watched = calls.watch(&whom, "commit");
        let begun = calls.clock.monotonic();
        let told = |after| {
            let (slow, wait) = calls.slow(begun.saturating_add(seconds(after)));
            (slow.into_iter().map(|(whom, what, _)| format!("{whom} {what}")).collect::<Vec<_>>(), wait)
        };
        assert!(told(9).0.is_empty() && told(9).1 <= millis(1_500));
        assert_eq!(told(11).0, ["a sink commit"]);
        assert!(told(20).0.is_empty());
        assert_eq!(told(40).0, ["a sink commit"]);
        assert!(told(100).0.is_empty());
        assert_eq!(told(200).0, ["a sink commit"]);
        drop(watched);
        assert!(told(10_000).0.is_empty());
    }
}
