//! Telling a job's thread to go on or to stop.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How a job is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// The running batch is finished. Receivers stop receiving, and what they have stored is processed.
    Gracefully,
    /// The running batch is cancelled; nothing of it becomes visible.
    AtOnce,
}

#[derive(Default)]
struct State {
    stop: Option<Stop>,
    woken: bool,
}

/// What a job's thread waits on.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

impl Control {
    pub(crate) fn stop(&self, stop: Stop) {
        let mut state = self.state.lock();
        state.stop = state.stop.max(Some(stop));
        self.changed.notify_all();
    }

    pub(crate) fn stopping(&self) -> Option<Stop> {
        self.state.lock().stop
    }

    pub(crate) fn wake(&self) {
        let mut state = self.state.lock();
        if !state.woken {
            state.woken = true;
            self.changed.notify_all();
        }
    }

    /// Waits for a wake-up call, a stop, or the time to pass.
    pub(crate) fn wait(&self, at_most: Duration) {
        let mut state = self.state.lock();
        if !state.woken && state.stop.is_none() {
            self.changed.wait_for(&mut state, at_most);
        }
        state.woken = false;
    }

    /// Waits for a stop or the time to pass, whatever comes in.
    pub(crate) fn wait_for_stop(&self, at_most: Duration) {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| state.stop.is_none(), at_most);
    }
}

/// Stops a job from anywhere, such as a signal handler's thread. A clone stops the same job.
#[derive(Clone)]
pub struct Stopper {
    pub(crate) control: Arc<Control>,
    pub(crate) cancel: Arc<dyn Fn() + Send + Sync>,
}

impl Stopper {
    /// Tells the job to end, and returns at once.
    pub fn stop(&self, how: Stop) {
        self.control.stop(how);
        if how == Stop::AtOnce {
            (self.cancel)();
        }
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stopper").field("stopping", &self.control.stopping()).finish()
    }
}
