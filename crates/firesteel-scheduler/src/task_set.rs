//! The tasks of one wave: which are left, which run, what they left, and what happens when they fail.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use firesteel_core::shuffle::ShuffleId;
use firesteel_core::{
    DeadLetter, Error, OnPanic, TaskContext, TaskError, TaskIdentity, TaskMetrics, TaskOutput, TaskReport,
};
use parking_lot::{Condvar, Mutex};

use crate::cancel::JobControl;
use crate::engine::Engine;
use crate::event::{Event, Outcome, TaskEnded, TaskInfo, TaskStarted};
use crate::stage::Stage;

/// How often a task may find its input lost, beyond what its own failed attempts used up, before the job gives up.
const MAX_LOSSES: u32 = 4;

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
    pub(crate) engine: Arc<Engine>,
    pub(crate) job: Arc<JobControl>,
    pub(crate) on_panic: OnPanic,
    pub(crate) stages: Vec<Stage>,
    pub(crate) tasks: Vec<Task>,
    state: Mutex<State>,
    /// Signalled when no task is open any more, and when tasks were handed back.
    finished: Condvar,
}

/// What changes while the wave runs.
struct State {
    tasks: Vec<TaskState>,
    /// Tasks in the order in which to start them; empty if that is the order of the tasks.
    order: Vec<u32>,
    /// Runs of that order that nobody has taken yet.
    pending: VecDeque<Assignment>,
    /// Tasks that are neither done, nor lost, nor given up.
    open: usize,
    outputs: Vec<Option<TaskOutput>>,
    dead: Vec<(u32, Vec<DeadLetter>)>,
    lost: Vec<Lost>,
    error: Option<Error>,
    metrics: Vec<StageMetrics>,
}

#[derive(Clone, Default)]
struct TaskState {
    attempts: u32,
    failures: u32,
    losses: u32,
    running: u32,
    done: bool,
    guarded: bool,
}

/// What the successful tasks of a stage did.
#[derive(Clone, Default)]
pub(crate) struct StageMetrics {
    pub(crate) sum: TaskMetrics,
    pub(crate) done: usize,
    pub(crate) last_end: Duration,
}

/// A task whose input is gone.
pub(crate) struct Lost {
    pub(crate) task: u32,
    pub(crate) shuffle: ShuffleId,
    pub(crate) map: usize,
}

/// Tasks to be run one after the other by whoever took them.
pub(crate) struct Assignment {
    /// The positions in the order.
    next: u32,
    end: u32,
    /// A task to be tried again before the next.
    again: Option<u32>,
}

impl Assignment {
    pub(crate) fn new(next: u32, end: u32) -> Self {
        Self { next, end, again: None }
    }
}

/// An attempt that runs.
struct Attempt {
    task: u32,
    number: u32,
    guarded: bool,
    stop: Arc<AtomicBool>,
    started: Duration,
}

/// How a wave, or a round of it, ended.
pub(crate) enum WaveEnd {
    /// All tasks are done.
    Done,
    /// Some wait for lost input.
    Lost(Vec<Lost>),
    Failed(Error),
}

impl TaskSet {
    pub(crate) fn new(
        engine: &Arc<Engine>,
        job: &Arc<JobControl>,
        on_panic: OnPanic,
        stages: Vec<Stage>,
        tasks: Vec<Task>,
    ) -> Self {
        let state = State {
            tasks: vec![TaskState::default(); tasks.len()],
            order: Vec::new(),
            pending: VecDeque::new(),
            open: 0,
            outputs: Vec::new(),
            dead: Vec::new(),
            lost: Vec::new(),
            error: None,
            metrics: vec![StageMetrics::default(); stages.len()],
        };
        let (engine, job) = (Arc::clone(engine), Arc::clone(job));
        Self { engine, job, on_panic, stages, tasks, state: Mutex::new(state), finished: Condvar::new() }
    }

    /// Opens tasks, in the order in which to start them, all in one assignment.
    pub(crate) fn open_in_one(&self, order: Vec<u32>, count: usize) -> Assignment {
        let mut state = self.state.lock();
        state.order = order;
        state.open = count;
        Assignment::new(0, count as u32)
    }

    /// Opens tasks, in the order in which to start them, cut into assignments that end at `ends`.
    pub(crate) fn open_spread(&self, order: Vec<u32>, ends: &[u32]) {
        let mut state = self.state.lock();
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

    /// Runs the tasks of an assignment. If `patience` runs out, the rest goes back to be taken one by one.
    pub(crate) fn run(&self, mut assignment: Assignment, patience: Option<Duration>) {
        let clock = &*self.engine.clock;
        let started = patience.map(|_| clock.monotonic());
        while let Some(attempt) = self.begin(&mut assignment) {
            let task = self.tasks[attempt.task as usize];
            let stage = &self.stages[task.stage as usize];
            let identity =
                TaskIdentity { job: self.job.id, stage: stage.number, partition: task.split, attempt: attempt.number };
            let context = TaskContext::new(identity, attempt.guarded, Arc::clone(&attempt.stop));
            let result = context.run(|context| stage.compute(task.split, context));
            self.finish(&mut assignment, &attempt, result);
            if assignment.next < assignment.end
                && let (Some(patience), Some(started)) = (patience, started)
                && clock.monotonic() - started > patience
            {
                self.give_back(&mut assignment);
            }
        }
    }

    /// Starts the next attempt of an assignment.
    fn begin(&self, assignment: &mut Assignment) -> Option<Attempt> {
        let mut state = self.state.lock();
        if self.job.is_stopped() && state.error.is_none() {
            self.fail(&mut state, self.job.error());
        }
        if state.error.is_some() {
            let left = (assignment.end - assignment.next) as usize + usize::from(assignment.again.is_some());
            assignment.next = assignment.end;
            assignment.again = None;
            self.close(&mut state, left);
            return None;
        }
        let task = match assignment.again.take() {
            Some(task) => task,
            None if assignment.next < assignment.end => {
                let at = assignment.next;
                assignment.next += 1;
                state.order.get(at as usize).copied().unwrap_or(at)
            }
            None => return None,
        };
        let entry = &mut state.tasks[task as usize];
        let (number, guarded) = (entry.attempts, entry.guarded);
        entry.attempts += 1;
        entry.running += 1;
        drop(state);
        let stop = Arc::clone(&self.job.stop);
        let started = if self.engine.bus.is_active() { self.engine.clock.monotonic() } else { Duration::ZERO };
        let attempt = Attempt { task, number, guarded, stop, started };
        let post = || TaskStarted { task: self.info(&attempt), at: self.engine.clock.wall() };
        self.engine.bus.post(|| Event::TaskStarted(post()));
        Some(attempt)
    }

    fn info(&self, attempt: &Attempt) -> TaskInfo {
        let task = self.tasks[attempt.task as usize];
        TaskInfo {
            job: self.job.id,
            stage: self.stages[task.stage as usize].number,
            partition: task.split,
            attempt: attempt.number,
            speculative: false,
            executor: std::thread::current().name().unwrap_or("unnamed").to_owned(),
        }
    }

    fn finish(
        &self,
        assignment: &mut Assignment,
        attempt: &Attempt,
        result: Result<(TaskOutput, TaskReport), TaskError>,
    ) {
        match result {
            Ok((output, report)) => self.succeeded(attempt, output, report),
            Err(error) => self.failed(assignment, attempt, error),
        }
    }

    fn succeeded(&self, attempt: &Attempt, output: TaskOutput, report: TaskReport) {
        let mut state = self.state.lock();
        let entry = &mut state.tasks[attempt.task as usize];
        entry.running -= 1;
        let superseded = std::mem::replace(&mut entry.done, true);
        drop(state);
        let metrics = *report.metrics();
        if superseded {
            self.post_end(attempt, metrics, || Outcome::Superseded);
            return;
        }
        let task = self.tasks[attempt.task as usize];
        let stage = &self.stages[task.stage as usize];
        // Merging into accumulators is user code, too.
        let settled = catch_unwind(AssertUnwindSafe(|| stage.settle(task.split, output, report)));
        let dead_letters = settled.as_ref().map_or(0, |(_, dead)| dead.len());
        self.post_end(attempt, metrics, || Outcome::Succeeded { dead_letters });
        let mut state = self.state.lock();
        match settled {
            Ok((output, dead)) => {
                if let Some(output) = output {
                    if state.outputs.is_empty() {
                        state.outputs.resize_with(self.tasks.len(), || None);
                    }
                    state.outputs[attempt.task as usize] = Some(output);
                }
                if !dead.is_empty() {
                    state.dead.push((attempt.task, dead));
                }
            }
            Err(_) => {
                let what = format!("an accumulator panicked while taking in what partition {} added to it", task.split);
                self.fail(&mut state, Error::Misuse { what });
            }
        }
        if self.engine.bus.is_active() {
            let of_stage = &mut state.metrics[task.stage as usize];
            of_stage.sum.merge(&metrics);
            of_stage.done += 1;
            of_stage.last_end = self.engine.clock.monotonic();
        }
        self.close(&mut state, 1);
    }

    fn failed(&self, assignment: &mut Assignment, attempt: &Attempt, error: TaskError) {
        let mut state = self.state.lock();
        let stopped = state.error.is_some() || self.job.is_stopped();
        let entry = &mut state.tasks[attempt.task as usize];
        entry.running -= 1;
        let task = self.tasks[attempt.task as usize];
        let mut lost = None;
        let mut fatal = None;
        let outcome = match error {
            _ if entry.done => Outcome::Superseded,
            _ if stopped => Outcome::Cancelled,
            TaskError::FetchFailed { shuffle, map } => {
                entry.losses += 1;
                if entry.losses > entry.failures + u32::from(entry.guarded) + MAX_LOSSES {
                    fatal = Some(Error::OutputLost { shuffle: shuffle.number(), times: entry.losses });
                } else {
                    lost = Some(Lost { task: attempt.task, shuffle, map });
                }
                Outcome::InputLost { shuffle: shuffle.number(), map }
            }
            TaskError::Panic(blame) => {
                if self.on_panic == OnPanic::DeadLetter && !attempt.guarded {
                    // The attempt that finds out that records have to be guarded is not held against the task.
                    entry.guarded = true;
                } else {
                    entry.failures += 1;
                }
                let retried = entry.failures < self.engine.max_attempts;
                tracing::warn!(job = self.job.id, %blame, retried, "a task panicked");
                let text = self.engine.bus.is_active().then(|| blame.to_string()).unwrap_or_default();
                if !retried {
                    fatal = Some(Error::TaskFailed { blame: Box::new(blame), attempts: entry.failures, source: None });
                }
                Outcome::Failed { blame: text, retried }
            }
            TaskError::Failed { source, retryable, blame } => {
                entry.failures += 1;
                let retried = retryable && entry.failures < self.engine.max_attempts;
                tracing::warn!(job = self.job.id, %blame, retried, "a task failed");
                let text = self.engine.bus.is_active().then(|| blame.to_string()).unwrap_or_default();
                if !retried {
                    let (blame, attempts) = (Box::new(blame), entry.failures);
                    fatal = Some(Error::TaskFailed { blame, attempts, source: Some(source) });
                }
                Outcome::Failed { blame: text, retried }
            }
            // Nobody cancelled the job: the task itself did.
            _ => {
                let reason = Some(format!("the task of partition {} gave up", task.split));
                fatal = Some(Error::Cancelled { reason });
                Outcome::Cancelled
            }
        };
        drop(state);
        self.post_end(attempt, TaskMetrics::default(), || outcome.clone());
        let mut state = self.state.lock();
        if let Some(error) = fatal {
            self.fail(&mut state, error);
        }
        if outcome == Outcome::Superseded {
            return;
        }
        let alone = state.tasks[attempt.task as usize].running == 0;
        match lost {
            _ if state.error.is_some() => self.close(&mut state, 1),
            Some(lost) => {
                state.lost.push(lost);
                self.close(&mut state, 1);
            }
            None if alone => assignment.again = Some(attempt.task),
            None => {}
        }
    }

    fn post_end(&self, attempt: &Attempt, metrics: TaskMetrics, outcome: impl FnOnce() -> Outcome) {
        self.engine.bus.post(|| {
            let duration = self.engine.clock.monotonic() - attempt.started;
            Event::TaskEnded(TaskEnded { task: self.info(attempt), duration, metrics, outcome: outcome() })
        });
    }

    /// Hands the rest of an assignment back, to be taken task by task.
    fn give_back(&self, assignment: &mut Assignment) {
        let mut state = self.state.lock();
        if state.error.is_some() {
            return;
        }
        for at in (assignment.next..assignment.end).rev() {
            state.pending.push_front(Assignment::new(at, at + 1));
        }
        assignment.end = assignment.next;
        drop(state);
        self.finished.notify_all();
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
        self.job.stop.store(true, std::sync::atomic::Ordering::Release);
        let untaken: u32 = state.pending.drain(..).map(|assignment| assignment.end - assignment.next).sum();
        state.open -= untaken as usize;
    }

    /// Counts tasks that are not open any more.
    fn close(&self, state: &mut State, tasks: usize) {
        state.open -= tasks;
        if state.open == 0 {
            self.finished.notify_all();
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
            self.finished.wait(&mut state);
        }
        true
    }

    /// How the round that has finished ended.
    pub(crate) fn end(&self) -> WaveEnd {
        let mut state = self.state.lock();
        match state.error.take() {
            Some(error) => WaveEnd::Failed(error),
            None if state.lost.is_empty() => WaveEnd::Done,
            None => WaveEnd::Lost(std::mem::take(&mut state.lost)),
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

    /// What the tasks of a stage have done so far.
    pub(crate) fn stage_metrics(&self, stage: usize) -> StageMetrics {
        self.state.lock().metrics[stage].clone()
    }
}
