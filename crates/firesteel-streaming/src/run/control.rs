//! Telling a job's thread to continue or to stop.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use firesteel_connect::Epoch;
use firesteel_core::Clock;
use firesteel_window::Duration;
use parking_lot::{Condvar, Mutex};

use crate::calls::{CallLimits, Calls, Stop};
use crate::error::{Error, Result};
use crate::progress::Summary;
use crate::run::Tasks;

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
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
    /// Which sources and sinks it waits for.
    pub(crate) calls: Arc<Calls>,
    /// The run in numbers as of its last batch, for who has to tell them when its thread cannot.
    pub(crate) summary: Mutex<Summary>,
}

impl Control {
    pub(crate) fn new(clock: Arc<dyn Clock>, limits: CallLimits) -> Self {
        let calls = Arc::new(Calls::new(clock, limits));
        Self { state: Mutex::default(), changed: Condvar::new(), calls, summary: Mutex::default() }
    }

    pub(crate) fn stop(&self, stop: Stop) {
        let mut state = self.state.lock();
        state.stop = state.stop.max(Some(stop));
        self.changed.notify_all();
        drop(state);
        self.calls.stopping(stop);
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

    /// The job ends: nobody answers any more.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.savepoints.over = true;
        state.savepoints.asked.clear();
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

    /// Which calls to sources and sinks the job waits for at the moment, each in words, where that is longer than a second.
    #[must_use]
    pub fn waits_for(&self) -> Vec<String> {
        self.control.calls.under_way()
    }

    /// Tells the job to end, and returns at once. How long it waits for sources and sinks then, [`CallLimits`] says.
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
