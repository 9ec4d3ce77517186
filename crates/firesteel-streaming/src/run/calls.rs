//! Calls of connectors that are under way: somebody has to say which one a job waits for.
//!
//! A call cannot be broken off from outside. What can be done is to tell who is waited for, as long as it lasts; and the
//! process can be ended, since a job resumes from wherever that happens.

use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A call that has not returned for so long is told, and again whenever it has taken three times as long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The calls that are under way.
pub(crate) struct Calls {
    under_way: Mutex<UnderWay>,
    changed: Condvar,
    patience: Duration,
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
    begun: Instant,
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
        Self { under_way: Mutex::default(), changed: Condvar::new(), patience: PATIENCE }
    }
}

impl Calls {
    /// Takes note of a call to a source or sink, until what is returned is dropped.
    pub(crate) fn watch(&self, whom: &Arc<str>, what: &'static str) -> Watched<'_> {
        let mut under_way = self.under_way.lock();
        let number = under_way.next;
        under_way.next += 1;
        let call = Call { number, whom: Arc::clone(whom), what, begun: Instant::now(), told_after: self.patience };
        under_way.calls.push(call);
        Watched { calls: self, number }
    }

    /// What has taken so long that it is to be told: who, what, and for how long; and how long until there can be more.
    fn slow(&self, now: Instant) -> (Vec<(Arc<str>, &'static str, Duration)>, Duration) {
        let (mut slow, mut wait) = (Vec::new(), self.patience);
        for call in &mut self.under_way.lock().calls {
            let taken = now.saturating_duration_since(call.begun);
            if taken >= call.told_after {
                slow.push((Arc::clone(&call.whom), call.what, taken));
                call.told_after = taken.max(call.told_after) * 3;
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
        let (slow, wait) = calls.slow(Instant::now());
        for (whom, what, taken) in slow {
            let seconds = taken.as_secs();
            let message =
                "the job waits for a source or sink that does not return; nothing is lost if the process is ended";
            tracing::warn!(job, %whom, what, seconds, message);
        }
        let mut under_way = calls.under_way.lock();
        if !under_way.is_watched {
            return;
        }
        // Calls come and go without waking this thread: one that is slow will be seen at the next look.
        calls.changed.wait_for(&mut under_way, wait.max(Duration::from_millis(100)));
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
    use super::*;

    #[test]
    fn a_call_that_does_not_return_is_told_at_growing_intervals_and_no_other() {
        let calls = Calls::default();
        let (whom, other): (Arc<str>, Arc<str>) = ("a sink".into(), "another".into());
        drop(calls.watch(&other, "commit"));
        let watched = calls.watch(&whom, "commit");
        let begun = Instant::now();
        let told = |seconds| {
            let (slow, wait) = calls.slow(begun + Duration::from_secs(seconds));
            (slow.into_iter().map(|(whom, what, _)| format!("{whom} {what}")).collect::<Vec<_>>(), wait)
        };
        assert!(told(9).0.is_empty() && told(9).1 <= Duration::from_secs(1) + Duration::from_millis(500));
        assert_eq!(told(11).0, ["a sink commit"]);
        assert!(told(20).0.is_empty());
        assert_eq!(told(40).0, ["a sink commit"]);
        assert!(told(100).0.is_empty());
        assert_eq!(told(200).0, ["a sink commit"]);
        drop(watched);
        assert!(told(10_000).0.is_empty());
    }
}
