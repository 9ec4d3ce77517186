//! The executors: persistent threads that take tasks of the waves that run, and the order in which they take them.
//!
//! The thread that submits a job works for it as well, as one of the executors: with two executors, two threads are
//! busy, whoever they are. It only ever runs tasks of its own job. With speculation it only waits.

mod fair;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_core::{Error, Result};
use firesteel_window::Duration;
use parking_lot::{Condvar, Mutex};

use crate::task_set::{Assignment, TaskSet};

use fair::Share;
pub use fair::{Mode, Pool};

/// The executors of a scheduler.
pub(crate) struct Executors {
    state: Mutex<State>,
    /// Signaled when there may be work for an idle thread, or it should end.
    work: Condvar,
    /// Counts the waves that have come, for threads that wait awake.
    arrivals: AtomicUsize,
    patience: Duration,
    /// How often an idle thread looks for stragglers.
    look: Option<Duration>,
}

struct State {
    mode: Mode,
    /// The waves that run, in the order of their jobs.
    waves: Vec<Wave>,
    shares: Vec<Share>,
    /// How many tasks may run at once.
    slots: usize,
    /// How many threads run tasks.
    active: usize,
    threads: usize,
    idle: usize,
    next_name: usize,
    ended: bool,
}

struct Wave {
    set: Arc<TaskSet>,
    share: usize,
}

impl Executors {
    /// No threads yet.
    pub(crate) fn new(
        mode: Mode,
        pools: Vec<(Arc<str>, Pool)>,
        slots: usize,
        patience: Duration,
        look: Option<Duration>,
    ) -> Arc<Self> {
        let shares = pools.into_iter().map(|(name, pool)| Share::new(Some(name), pool)).collect();
        let state = State {
            mode,
            waves: Vec::new(),
            shares,
            slots,
            active: 0,
            threads: 0,
            idle: 0,
            next_name: 0,
            ended: false,
        };
        Arc::new(Self { state: Mutex::new(state), work: Condvar::new(), arrivals: AtomicUsize::new(0), patience, look })
    }

    pub(crate) fn slots(&self) -> usize {
        self.state.lock().slots
    }

    /// How many tasks nobody has taken yet.
    pub(crate) fn queued(&self) -> usize {
        self.state.lock().waves.iter().map(|wave| wave.set.queued()).sum()
    }

    /// Changes the number of executors and returns what it was. Threads that are too many end after their task.
    pub(crate) fn resize(self: &Arc<Self>, slots: usize) -> Result<usize> {
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.slots, slots);
        while state.threads < slots {
            let name = format!("firesteel-executor-{}", state.next_name);
            if let Err(error) = worker::start(self, name) {
                state.slots = before;
                return Err(error);
            }
            state.next_name += 1;
            state.threads += 1;
        }
        drop(state);
        self.work.notify_all();
        Ok(before)
    }

    /// Ends the threads, once they have finished what they are at.
    pub(crate) fn end(&self) {
        self.state.lock().ended = true;
        self.work.notify_all();
    }

    /// Waits awake for the next wave, some tens of microseconds: a job of many short waves has it ready by then, and
    /// waking a sleeping thread takes as long.
    fn linger(&self) {
        const LOOKS: u32 = 2_000;
        let before = self.arrivals.load(Ordering::Acquire);
        for _ in 0..LOOKS {
            if self.arrivals.load(Ordering::Acquire) != before {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Tells idle threads that there is something to take.
    pub(crate) fn wake(&self) {
        let wake = self.state.lock().wakeable();
        self.notify(wake);
    }

    /// Sees a wave through. The calling thread takes part.
    pub(crate) fn run(self: &Arc<Self>, set: &Arc<TaskSet>) {
        let inside = worker::holds_slot_of(self);
        self.state.lock().admit(set);
        self.arrivals.fetch_add(1, Ordering::Release);
        let speculating = self.look.is_some();
        if speculating {
            // From now on, whoever is idle looks for stragglers.
            self.work.notify_all();
        }
        loop {
            // With speculation, the calling thread might get stuck in the very task that another overtakes.
            if inside || !speculating {
                self.help(set, inside);
            }
            // A thread that waits within a task keeps its slot. Whatever of its own job comes back is its to run, lest
            // all slots be held by threads that wait for each other.
            if set.wait(inside) {
                break;
            }
        }
        self.state.lock().waves.retain(|wave| !Arc::ptr_eq(&wave.set, set));
    }

    /// Runs tasks of a wave for as long as it is its turn.
    fn help(self: &Arc<Self>, set: &Arc<TaskSet>, inside: bool) {
        let mut state = self.state.lock();
        loop {
            let taken = if inside { set.take() } else { state.take_for(set) };
            let Some(assignment) = taken else { break };
            let share = state.share_of(set);
            state.shares[share].running += 1;
            state.active += usize::from(!inside);
            let wake = state.wakeable();
            drop(state);
            self.notify(wake);
            self.run_one(set, assignment);
            state = self.state.lock();
            state.active -= usize::from(!inside);
            state.shares[share].running -= 1;
        }
        let wake = state.wakeable();
        drop(state);
        self.notify(wake);
    }

    fn notify(&self, threads: usize) {
        for _ in 0..threads {
            self.work.notify_one();
        }
    }

    fn run_one(self: &Arc<Self>, set: &TaskSet, assignment: Assignment) {
        let _slot = worker::hold_slot(self);
        set.run(assignment, Some(self.patience));
    }

    /// Lets others use the calling thread's slot, if it has one, while it waits.
    pub(crate) fn step_aside(self: &Arc<Self>, wait: impl FnOnce()) {
        if !worker::holds_slot_of(self) {
            return wait();
        }
        self.state.lock().active -= 1;
        self.wake();
        wait();
        self.state.lock().active += 1;
    }
}

impl State {
    fn admit(&mut self, set: &Arc<TaskSet>) {
        let name = set.job.pool.as_ref();
        let share = self.shares.iter().position(|share| share.name.as_ref() == name).unwrap_or_else(|| {
            self.shares.push(Share::new(name.cloned(), Pool::default()));
            self.shares.len() - 1
        });
        let at = self.waves.partition_point(|wave| wave.set.job.id <= set.job.id);
        self.waves.insert(at, Wave { set: Arc::clone(set), share });
    }

    fn share_of(&self, set: &Arc<TaskSet>) -> usize {
        self.waves.iter().find(|wave| Arc::ptr_eq(&wave.set, set)).map_or(0, |wave| wave.share)
    }

    /// How many idle threads there is something to take for.
    fn wakeable(&self) -> usize {
        let free = self.idle.min(self.slots.saturating_sub(self.active));
        if free == 0 { 0 } else { free.min(self.waves.iter().map(|wave| wave.set.pending()).sum()) }
    }

    /// The wave whose turn it is, by its position.
    fn best(&self) -> Option<usize> {
        let waiting = self.waves.iter().enumerate().filter(|(_, wave)| wave.set.pending() > 0);
        match self.mode {
            Mode::Fifo => waiting.map(|(at, _)| at).next(),
            Mode::Fair => waiting
                .min_by(|(_, a), (_, b)| fair::compare(&self.shares[a.share], &self.shares[b.share]))
                .map(|(at, _)| at),
        }
    }

    /// Tasks for any executor, with the wave and the share they belong to.
    fn take_any(&self) -> Option<(Arc<TaskSet>, usize, Assignment)> {
        if self.active >= self.slots {
            return None;
        }
        loop {
            let Some(best) = self.best() else { return self.take_straggler() };
            let wave = &self.waves[best];
            // Cancelling empties a wave without asking.
            if let Some(assignment) = wave.set.take() {
                return Some((Arc::clone(&wave.set), wave.share, assignment));
            }
        }
    }

    fn take_straggler(&self) -> Option<(Arc<TaskSet>, usize, Assignment)> {
        let found = |wave: &Wave| {
            let assignment = wave.set.take_straggler()?;
            Some((Arc::clone(&wave.set), wave.share, assignment))
        };
        self.waves.iter().find_map(found)
    }

    /// Tasks for the thread that submitted `set`, if it is the turn of that wave.
    fn take_for(&self, set: &Arc<TaskSet>) -> Option<Assignment> {
        if self.active < self.slots && Arc::ptr_eq(&self.waves[self.best()?].set, set) { set.take() } else { None }
    }
}

/// The operating system refused a thread.
fn cannot_start(name: &str, source: std::io::Error) -> Error {
    Error::File { action: "start the thread", path: name.into(), source }
}
