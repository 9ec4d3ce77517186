//! The executors: persistent threads that take tasks of the waves that run, and the order in which they take them.
//!
//! The thread that submits a job works for it as well, as one of the executors: with two executors, two threads are
//! busy, whoever they are. It only ever runs tasks of its own job. With speculation it only waits.

mod fair;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering};

use firesteel_core::{Clock, Error, Helpers, Result, Shared};
use firesteel_window::Duration;
use parking_lot::{Condvar, Mutex};

use crate::engine::task_set::{Assignment, TaskSet};

use fair::Share;
pub use fair::{Mode, Pool};

/// The executors of a scheduler.
pub(crate) struct Executors {
    state: Mutex<State>,
    /// Signaled when there may be work for an idle thread, or it should end.
    work: Condvar,
    /// Counts the waves that have come, for threads that wait awake.
    arrivals: AtomicUsize,
    /// How many executors have nothing to do; negative while more threads are busy than there are to be.
    free: AtomicIsize,
    /// How many tasks may run at once.
    slots: AtomicUsize,
    /// How often tasks have taken long.
    surprises: AtomicU64,
    clock: Arc<dyn Clock>,
    patience: Duration,
    /// How often an idle thread looks for stragglers.
    look: Option<Duration>,
}

struct State {
    mode: Mode,
    /// The waves that run, in the order of their jobs.
    waves: Vec<Wave>,
    shares: Vec<Share>,
    /// What tasks that run share with others.
    calls: Vec<Arc<dyn Shared>>,
    /// How many tasks may run at once.
    slots: usize,
    /// How many threads run tasks.
    active: usize,
    threads: usize,
    idle: usize,
    next_name: usize,
    ended: bool,
}

/// What an executor has taken to do.
enum Taken {
    /// Tasks of a wave, and the share that they count for.
    Tasks(Arc<TaskSet>, usize, Assignment),
    /// A part of what a task of another thread is at.
    Call(Arc<dyn Shared>),
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
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let shares = pools.into_iter().map(|(name, pool)| Share::new(Some(name), pool)).collect();
        let state = State {
            mode,
            waves: Vec::new(),
            calls: Vec::new(),
            shares,
            slots,
            active: 0,
            threads: 0,
            idle: 0,
            next_name: 0,
            ended: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            arrivals: AtomicUsize::new(0),
            free: AtomicIsize::new(slots as isize),
            slots: AtomicUsize::new(slots),
            surprises: AtomicU64::new(0),
            clock,
            patience,
            look,
        })
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.load(Ordering::Relaxed)
    }

    /// Whether tasks may share their work with others.
    pub(crate) fn has_helpers(&self) -> bool {
        self.slots() > 1
    }

    /// A thread begins to run a task.
    fn begin(&self, state: &mut State) {
        state.active += 1;
        self.free.fetch_sub(1, Ordering::Relaxed);
    }

    /// A thread has ended what it was at.
    fn ended(&self, state: &mut State) {
        state.active -= 1;
        self.free.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs short tasks on the calling thread, of which nobody else knows.
    pub(crate) fn run_alone(self: &Arc<Self>, run: impl FnOnce()) {
        if worker::holds_slot_of(self) {
            return run();
        }
        self.free.fetch_sub(1, Ordering::Relaxed);
        run();
        self.free.fetch_add(1, Ordering::Relaxed);
    }

    /// Some task took long: functions that are known to be fast are to be looked at again.
    pub(crate) fn be_surprised(&self) {
        self.surprises.fetch_add(1, Ordering::Relaxed);
    }

    /// How many tasks nobody has taken yet.
    pub(crate) fn queued(&self) -> usize {
        self.state.lock().waves.iter().map(|wave| wave.set.queued()).sum()
    }

    /// Changes the number of executors and returns what it was. Threads that are too many end after their task.
    pub(crate) fn resize(self: &Arc<Self>, slots: usize) -> Result<usize> {
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.slots, slots);
        let change = slots as isize - before as isize;
        self.free.fetch_add(change, Ordering::Relaxed);
        self.slots.store(slots, Ordering::Relaxed);
        while state.threads < slots {
            let name = format!("firesteel-executor-{}", state.next_name);
            if let Err(error) = worker::start(self, name) {
                state.slots = before;
                self.free.fetch_sub(change, Ordering::Relaxed);
                self.slots.store(before, Ordering::Relaxed);
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
            if !inside {
                self.begin(&mut state);
            }
            let wake = state.wakeable();
            drop(state);
            self.notify(wake);
            self.run_one(set, assignment);
            state = self.state.lock();
            if !inside {
                self.ended(&mut state);
            }
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
        self.ended(&mut self.state.lock());
        self.wake();
        wait();
        self.begin(&mut self.state.lock());
    }
}

impl Helpers for Executors {
    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn surprises(&self) -> u64 {
        self.surprises.load(Ordering::Relaxed)
    }

    fn idle(&self) -> usize {
        usize::try_from(self.free.load(Ordering::Relaxed)).unwrap_or(0)
    }

    fn call(&self, work: &Arc<dyn Shared>) {
        let mut state = self.state.lock();
        state.calls.push(Arc::clone(work));
        let wake = state.wakeable();
        drop(state);
        self.arrivals.fetch_add(1, Ordering::Release);
        self.notify(wake);
    }

    fn over(&self, work: &Arc<dyn Shared>) {
        self.state.lock().calls.retain(|call| !Arc::ptr_eq(call, work));
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
        if free == 0 {
            return 0;
        }
        let pending: usize = self.waves.iter().map(|wave| wave.set.pending()).sum();
        free.min(pending + self.calls.iter().map(|call| call.left()).sum::<usize>())
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

    /// What there is for any executor to do. `is_free`: fewer threads are busy than there are to be, those included that
    /// run short tasks of their own.
    fn take_any(&self, is_free: bool) -> Option<Taken> {
        if self.active >= self.slots {
            return None;
        }
        loop {
            let Some(best) = self.best() else { return self.take_call(is_free).or_else(|| self.take_straggler()) };
            let wave = &self.waves[best];
            // Cancelling empties a wave without asking.
            if let Some(assignment) = wave.set.take() {
                return Some(Taken::Tasks(Arc::clone(&wave.set), wave.share, assignment));
            }
        }
    }

    /// A task of another thread that has work to share.
    fn take_call(&self, is_free: bool) -> Option<Taken> {
        let call = self.calls.iter().find(|call| is_free && call.left() > 0)?;
        Some(Taken::Call(Arc::clone(call)))
    }

    fn take_straggler(&self) -> Option<Taken> {
        let found = |wave: &Wave| {
            let assignment = wave.set.take_straggler()?;
            Some(Taken::Tasks(Arc::clone(&wave.set), wave.share, assignment))
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
