//! The tasks of one wave: which are left, which run, what they left.
//!
//! A task is *open* until it is done, waits for lost input, or is given up. Whoever closes the last one wakes the thread
//! that submitted the wave.

mod assignment;
mod attempt;
mod failure;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_core::shuffle::ShuffleId;
use firesteel_core::{DeadLetter, Error, OnPanic, TaskMetrics, TaskOutput};
use firesteel_window::Duration;
use parking_lot::{Condvar, Mutex};
use smallvec::{SmallVec, smallvec};

use crate::engine::{Engine, JobControl};
use crate::stage::Stages;

pub(crate) use assignment::Assignment;

/// One task of a wave.
#[derive(Clone, Copy)]
pub(crate) struct Task {
    /// The position of its stage within the wave.
    pub(crate) stage: u32,
    /// The partition.
    pub(crate) split: usize,
}

/// The tasks of one wave.
pub(crate) struct TaskSet {
    engine: Arc<Engine>,
    pub(crate) job: Arc<JobControl>,
    on_panic: OnPanic,
    pub(crate) stages: Stages,
    pub(crate) tasks: SmallVec<[Task; 4]>,
    state: Mutex<State>,
    /// Signaled when no task is open any more, and when tasks were handed back.
    changed: Condvar,
}

/// What changes while the wave runs.
struct State {
    tasks: SmallVec<[TaskState; 4]>,
    /// Tasks in the order in which to start them; empty if that is the order of the tasks.
    order: Vec<u32>,
    /// What nobody has taken yet.
    pending: VecDeque<Assignment>,
    open: usize,
    outputs: SmallVec<[Option<TaskOutput>; 2]>,
    dead: Vec<(u32, Vec<DeadLetter>)>,
    lost: Vec<Lost>,
    error: Option<Error>,
    /// What the tasks of each stage did in this round; kept for listeners and for speculation.
    progress: SmallVec<[Progress; 1]>,
    /// What each task counts for, where the round is spread over the executors.
    weights: Vec<u64>,
    /// What the tasks of each stage have taken in such a round.
    spent: Vec<Spent>,
    /// The attempts that run; kept for speculation only.
    running: Vec<Running>,
}

#[derive(Clone, Default)]
struct TaskState {
    /// Attempts begun.
    attempts: u32,
    /// Attempts that failed for reasons of their own.
    failures: u32,
    /// Attempts that found their input lost.
    losses: u32,
    /// Attempts that run now.
    running: u32,
    done: bool,
    guarded: bool,
    /// Whether a speculative attempt is on its way.
    copied: bool,
}

/// What the tasks of a stage did.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    /// The sums over those that succeeded.
    pub(crate) metrics: TaskMetrics,
    /// How long each of those took.
    pub(crate) durations: Vec<Duration>,
    /// When the last attempt ended.
    pub(crate) last_end: Duration,
}

/// What tasks have taken, those that failed or waited for lost input left out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// What they count for, all together.
    pub(crate) weight: u64,
    /// How long they took, all together.
    pub(crate) time: Duration,
}

/// An attempt that a second one may overtake.
struct Running {
    task: u32,
    number: u32,
    started: Duration,
    stop: Arc<AtomicBool>,
}

/// A task whose input is gone.
pub(crate) struct Lost {
    pub(crate) task: u32,
    pub(crate) shuffle: ShuffleId,
    pub(crate) map: usize,
}

/// How a round of a wave ended.
pub(crate) enum RoundEnd {
    /// All tasks are done.
    Done,
    /// Some wait for lost input.
    Lost(Vec<Lost>),
    /// The job has failed.
    Failed(Error),
}

impl TaskSet {
    pub(crate) fn new(
        engine: &Arc<Engine>,
        job: &Arc<JobControl>,
        on_panic: OnPanic,
        stages: Stages,
        tasks: SmallVec<[Task; 4]>,
    ) -> Self {
        let state = State {
            tasks: smallvec![TaskState::default(); tasks.len()],
            order: Vec::new(),
            pending: VecDeque::new(),
            open: 0,
            outputs: SmallVec::new(),
            dead: Vec::new(),
            lost: Vec::new(),
            error: None,
            progress: smallvec![Progress::default(); stages.len()],
            weights: Vec::new(),
            spent: Vec::new(),
            running: Vec::new(),
        };
        let (engine, job) = (Arc::clone(engine), Arc::clone(job));
        Self { engine, job, on_panic, stages, tasks, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Opens tasks, in the order in which to start them, as one assignment.
    pub(crate) fn open_in_one(&self, order: Vec<u32>, count: usize) -> Assignment {
        let mut state = self.state.lock();
        state.order = order;
        state.open = count;
        Assignment::new(0, count as u32)
    }

    /// Opens tasks, in the order in which to start them, cut into assignments that end at `ends`. `weights` is what each
    /// task counts for.
    pub(crate) fn open_spread(&self, order: Vec<u32>, ends: &[u32], weights: impl Iterator<Item = (u32, u64)>) {
        let mut state = self.state.lock();
        state.weights.resize(self.tasks.len(), 0);
        weights.for_each(|(task, weight)| state.weights[task as usize] = weight);
        state.spent.resize(self.stages.len(), Spent::default());
        state.open = order.len();
        state.order = order;
        let mut start = 0;
        for end in ends {
            state.pending.push_back(Assignment::new(start, *end));
            start = *end;
        }
    }

    /// Takes tasks that nobody has taken yet.
    pub(crate) fn take(&self) -> Option<Assignment> {
        self.state.lock().pending.pop_front()
    }

    /// How many assignments nobody has taken yet.
    pub(crate) fn pending(&self) -> usize {
        self.state.lock().pending.len()
    }

    /// How many tasks nobody has taken yet.
    pub(crate) fn queued(&self) -> usize {
        self.state.lock().pending.iter().map(Assignment::len).sum()
    }

    /// Takes a second attempt of a task that runs for too long.
    pub(crate) fn take_straggler(&self) -> Option<Assignment> {
        let rule = self.engine.speculation.as_ref()?;
        let now = self.engine.clock.monotonic();
        let state = &mut *self.state.lock();
        if state.error.is_some() {
            return None;
        }
        for (position, stage) in self.stages.iter().enumerate() {
            let tasks = self.tasks.iter().filter(|task| task.stage as usize == position).count();
            let Some(limit) = rule.limit(tasks, &mut state.progress[position].durations) else { continue };
            let slow = state.running.iter().find(|running| {
                let entry = &state.tasks[running.task as usize];
                let of_stage = self.tasks[running.task as usize].stage as usize == position;
                of_stage
                    && !stage.stateful
                    && !entry.done
                    && !entry.copied
                    && now.saturating_sub(running.started) > limit
            });
            if let Some(slow) = slow {
                state.tasks[slow.task as usize].copied = true;
                return Some(Assignment::copy_of(slow.task));
            }
        }
        None
    }

    /// Hands the rest of an assignment back, to be taken task by task.
    fn give_back(&self, assignment: &mut Assignment) {
        let mut state = self.state.lock();
        if state.error.is_some() {
            return;
        }
        for single in assignment.split().rev() {
            state.pending.push_front(single);
        }
        drop(state);
        self.changed.notify_all();
        self.engine.pool.wake();
    }

    /// Gives up: nothing more is started, what runs is told to stop.
    pub(crate) fn abort(&self, error: Error) {
        let mut state = self.state.lock();
        self.fail(&mut state, error);
        self.close(&mut state, 0);
    }

    fn fail(&self, state: &mut State, error: Error) {
        if state.error.is_some() {
            return;
        }
        state.error = Some(error);
        self.job.stop.store(true, Ordering::Release);
        for running in &state.running {
            running.stop.store(true, Ordering::Release);
        }
        let untaken: usize = state.pending.drain(..).map(|mut assignment| assignment.abandon()).sum();
        state.open -= untaken;
    }

    /// Ends the wave at once, after something went wrong that left the count of open tasks in doubt.
    fn collapse(&self) {
        let what = "a value that a task left behind panicked in its destructor, or a clock or a logger panicked";
        let mut state = self.state.lock();
        self.fail(&mut state, Error::Misuse { what: what.to_owned() });
        self.close(&mut state, usize::MAX);
    }

    /// Counts tasks that are not open any more.
    fn close(&self, state: &mut State, tasks: usize) {
        state.open = state.open.saturating_sub(tasks);
        if state.open == 0 {
            self.changed.notify_all();
        }
    }

    /// Whether no task is open.
    pub(crate) fn is_finished(&self) -> bool {
        self.state.lock().open == 0
    }

    /// Waits until no task is open. If `helping`, also returns, with `false`, when there are tasks to be taken.
    pub(crate) fn wait(&self, helping: bool) -> bool {
        let mut state = self.state.lock();
        while state.open > 0 {
            if helping && !state.pending.is_empty() {
                return false;
            }
            self.changed.wait(&mut state);
        }
        true
    }

    /// How the round that has finished ended.
    pub(crate) fn end(&self) -> RoundEnd {
        let mut state = self.state.lock();
        match state.error.take() {
            Some(error) => RoundEnd::Failed(error),
            None if state.lost.is_empty() => RoundEnd::Done,
            None => RoundEnd::Lost(std::mem::take(&mut state.lost)),
        }
    }

    /// What the tasks left for the caller, in order.
    pub(crate) fn take_outputs(&self) -> Vec<TaskOutput> {
        std::mem::take(&mut self.state.lock().outputs).into_iter().flatten().collect()
    }

    /// The records that were set aside, in the order of the tasks.
    pub(crate) fn take_dead(&self) -> Vec<DeadLetter> {
        let mut dead = std::mem::take(&mut self.state.lock().dead);
        dead.sort_by_key(|(task, _)| *task);
        dead.into_iter().flat_map(|(_, letters)| letters).collect()
    }

    /// What the tasks of a stage have taken since this was asked last, where that was measured.
    pub(crate) fn take_spent(&self, stage: usize) -> Spent {
        self.state.lock().spent.get_mut(stage).map_or_else(Spent::default, std::mem::take)
    }

    /// What the tasks of a stage did since this was asked last.
    pub(crate) fn take_progress(&self, stage: usize) -> Progress {
        std::mem::take(&mut self.state.lock().progress[stage])
    }
}
