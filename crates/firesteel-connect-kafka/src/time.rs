//! Time limits of requests, which are those of the network: no result depends on them.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When something has to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// In this much time.
    #[allow(clippy::disallowed_methods, reason = "how long a peer may take is measured here and nowhere else")]
    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// How much of it is left; nothing when it is over.
    #[allow(clippy::disallowed_methods, reason = "how long a peer may take is measured here and nowhere else")]
    pub(crate) fn left(self) -> Option<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Lets threads wait before they try again, and ends all waiting at once.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_over: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    /// Ends all waiting, now and later.
    pub(crate) fn stop(&self) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Waits; tells whether it was ended before.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(is_over, time, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// How long to wait before each repetition: doubled from time to time, up to a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(Self::LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_doubled_up_to_a_second_and_ends_when_told() {
        let mut backoff = Backoff::new();
        let waits: Vec<u128> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        let stop = Stop::default();
        assert!(!stop.wait(Duration::ZERO));
        stop.stop();
        assert!(stop.wait(Duration::from_secs(3_600)));
    }
}
