//! Clocks: what everything that asks the time asks.
//!
//! This is the one place that reads the machine's clock. Code that takes a [`Clock`] runs unchanged on virtual time:
//!
//! ```
//! use firesteel_core::{Clock, ManualClock};
//! use firesteel_window::{Timestamp, millis};
//!
//! let clock = ManualClock::starting_at(Timestamp::from_secs(1_000));
//! let started = clock.monotonic();
//! clock.advance(millis(250));
//! assert_eq!(clock.monotonic() - started, millis(250));
//! assert_eq!(clock.wall(), Timestamp::from_millis(1_000_250));
//! ```
//!
//! A clock does not wait for anybody: timers and pauses belong to whoever owns the thread. One that is moved by hand
//! tells those who asked for it ([`Clock::on_move`]).

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Instant, SystemTime};

use firesteel_window::{Duration, Timestamp};
use parking_lot::Mutex;

/// Tells the time. All methods may be called from any thread.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Time since some fixed moment in the life of this clock. It never runs backwards: use it for durations.
    fn monotonic(&self) -> Duration;

    /// The time as a person's clock shows it. It may jump: use it for time stamps.
    fn wall(&self) -> Timestamp;

    /// Has `call` called whenever somebody moves the clock by hand, for as long as it lives: whoever waits for a time
    /// then looks again. A clock that goes by itself calls nobody.
    fn on_move(&self, call: Weak<dyn Fn() + Send + Sync>) {
        let _ = call;
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
    fn wall(&self) -> Timestamp {
        (**self).wall()
    }
    fn on_move(&self, call: Weak<dyn Fn() + Send + Sync>) {
        (**self).on_move(call);
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this module is where the machine's clock is read")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this module is where the machine's clock is read")]
    fn monotonic(&self) -> Duration {
        Instant::now().saturating_duration_since(self.origin).into()
    }

    #[allow(clippy::disallowed_methods, reason = "this module is where the machine's clock is read")]
    fn wall(&self) -> Timestamp {
        // A clock set before 1970 counts as 1970.
        Timestamp::from(SystemTime::now()).max(Timestamp::EPOCH)
    }
}

/// A clock that stands still until it is told to move. A clone is the same clock.
#[derive(Clone, Default)]
pub struct ManualClock {
    time: Arc<Mutex<Times>>,
    /// Who is told when it moves.
    told: Arc<Mutex<Vec<Weak<dyn Fn() + Send + Sync>>>>,
}

#[derive(Debug, Default)]
struct Times {
    monotonic: Duration,
    wall: Timestamp,
}

impl ManualClock {
    /// A clock that shows the Unix epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock that shows this time.
    #[must_use]
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { time: Arc::new(Mutex::new(Times { monotonic: Duration::ZERO, wall })), told: Arc::default() }
    }

    /// Moves both times forward.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time.lock();
        time.monotonic += by;
        time.wall += by;
        drop(time);
        self.tell();
    }

    /// Sets the wall time, forwards or backwards, as an administrator does; monotonic time stays.
    pub fn set_wall(&self, wall: Timestamp) {
        self.time.lock().wall = wall;
        self.tell();
    }

    fn tell(&self) {
        let mut told = self.told.lock();
        told.retain(|call| call.strong_count() > 0);
        let calls = told.clone();
        drop(told);
        for call in calls.iter().filter_map(Weak::upgrade) {
            call();
        }
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&*self.time.lock()).finish()
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        self.time.lock().monotonic
    }
    fn wall(&self) -> Timestamp {
        self.time.lock().wall
    }
    fn on_move(&self, call: Weak<dyn Fn() + Send + Sync>) {
        self.told.lock().push(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_clock_moves_forwards_only() {
        let clock = SystemClock::new();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert!(clock.wall() > Timestamp::from_secs(1_700_000_000));
    }

    #[test]
    fn those_who_wait_for_a_time_hear_of_every_move() {
        let (clock, heard) = (ManualClock::new(), Arc::new(Mutex::new(Vec::new())));
        let (same, noted) = (clock.clone(), Arc::clone(&heard));
        let call: Arc<dyn Fn() + Send + Sync> = Arc::new(move || noted.lock().push(same.monotonic().as_secs()));
        Arc::new(clock.clone()).on_move(Arc::downgrade(&call));
        clock.advance(Duration::secs(2));
        clock.set_wall(Timestamp::EPOCH);
        drop(call);
        clock.advance(Duration::secs(1));
        assert_eq!(*heard.lock(), [2, 2]);
    }

    #[test]
    fn a_jump_of_the_wall_clock_leaves_durations_alone() {
        let clock = ManualClock::starting_at(Timestamp::from_secs(10));
        let same = clock.clone();
        clock.advance(Duration::secs(5));
        same.set_wall(Timestamp::from_secs(3));
        assert_eq!((clock.monotonic(), clock.wall()), (Duration::secs(5), Timestamp::from_secs(3)));
    }
}
