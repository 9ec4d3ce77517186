//! Telling a job's thread to continue or to stop.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use firesteel_connect::Epoch;
use firesteel_core::Clock;
use firesteel_window::Duration;
use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};
use crate::run::{Calls, Tasks};

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
    moves: u64,
    savepoints: Savepoints,
}

/// What is asked for from outside, until the job's thread takes it.
#[derive(Default)]
struct Savepoints {
    asked: Vec<Asked>,
    over: bool,
}

/// A savepoint that somebody waits for.
pub(crate) struct Asked {
    pub(crate) folder: PathBuf,
    pub(crate) answer: mpsc::Sender<Result<Epoch>>,
}

/// What a job's thread waits on.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
    /// Which sources and sinks it waits for.
    pub(crate) calls: Arc<Calls>,
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

    /// Asks for a savepoint. Refused, by dropping the request, when the job has ended.
    fn ask(&self, asked: Asked) {
        let mut state = self.state.lock();
        if !state.savepoints.over {
            state.savepoints.asked.push(asked);
            state.woken = true;
            self.changed.notify_all();
        }
    }

    /// The savepoints that have been asked for since the last call.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().savepoints.asked)
    }

    /// The job has ended: nobody answers any more.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.savepoints.over = true;
        state.savepoints.asked.clear();
        drop(state);
        self.calls.end();
    }

    /// Waits for a wake-up call, a stop, or the time to pass.
    pub(crate) fn wait(&self, at_most: Duration) {
        let mut state = self.state.lock();
        if !state.woken && state.stop.is_none() {
            self.changed.wait_for(&mut state, at_most.to_std());
        }
        state.woken = false;
    }

    /// Waits for a stop of that kind or a harder one, or the time to pass, whatever comes in.
    pub(crate) fn wait_for_stop(&self, how: Stop, at_most: Duration) {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| state.stop < Some(how), at_most.to_std());
    }

    /// Lets the time pass, whatever happens.
    pub(crate) fn rest(&self, span: Duration) {
        self.changed.wait_while_for(&mut self.state.lock(), |_| true, span.to_std());
    }

    /// Looks at the clock: the time, and a number that changes when somebody moves the clock by hand.
    pub(crate) fn look(&self, clock: &dyn Clock) -> (Duration, u64) {
        let moves = self.state.lock().moves;
        (clock.monotonic(), moves)
    }

    /// Somebody has moved the clock.
    pub(crate) fn clock_moved(&self) {
        self.state.lock().moves += 1;
        self.changed.notify_all();
    }

    /// Waits for a stop, the time to pass, or somebody to move the clock since the look at it.
    pub(crate) fn wait_for_clock(&self, moves: u64, at_most: Duration) {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| state.stop.is_none() && state.moves == moves, at_most.to_std());
    }
}

/// Stops a job from anywhere, such as a signal handler's thread. A clone stops the same job.
#[derive(Clone)]
pub struct Stopper {
    pub(crate) control: Arc<Control>,
    pub(crate) tasks: Arc<Tasks>,
}

impl Stopper {
    /// Has the job end its epoch and write a copy of its checkpoint to `folder`, which stands alone: another job can
    /// [start from it](crate::Checkpoint::start_from), or use a copy of it as its checkpoint. Waits for it; the job keeps
    /// running. Returns the epoch.
    ///
    /// # Errors
    /// When the job has no checkpoint or has ended, or the copy cannot be written; an epoch that cannot be committed ends
    /// the job, too.
    pub fn savepoint(&self, folder: impl Into<PathBuf>) -> Result<Epoch> {
        let (answer, answered) = mpsc::channel();
        let folder = folder.into();
        self.control.ask(Asked { folder: folder.clone(), answer });
        answered.recv().unwrap_or_else(|_| {
            Err(Error::Setting {
                what: format!("savepoint {}", folder.display()),
                reason:
                    "the job has ended, and its checkpoint tells where: to begin another job there, use a copy of the \
                         checkpoint's folder as its checkpoint"
                        .to_owned(),
            })
        })
    }

    /// Tells the job to end, and returns at once.
    pub fn stop(&self, how: Stop) {
        self.control.stop(how);
        if how == Stop::AtOnce {
            self.tasks.cancel();
        }
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stopper").field("stopping", &self.control.stopping()).finish()
    }
}
