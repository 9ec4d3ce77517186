//! One attempt of one task, from its start to what becomes of its result.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_core::{Error, Helpers, TaskContext, TaskIdentity, TaskMetrics, TaskOutput, TaskReport};
use firesteel_window::Duration;

use crate::engine::task_set::assignment::Next;
use crate::engine::task_set::{Assignment, Running, TaskSet};
use crate::event::{Event, Outcome, TaskEnded, TaskInfo, TaskStarted};

/// An attempt that runs.
pub(super) struct Attempt {
    pub(super) task: u32,
    number: u32,
    pub(super) guarded: bool,
    pub(super) speculative: bool,
    /// Whether what it takes says something about the stage.
    is_measured: bool,
    stop: Arc<AtomicBool>,
    started: Duration,
}

impl TaskSet {
    /// Runs the tasks of an assignment. If `patience` runs out, the rest goes back to be taken one by one.
    pub(crate) fn run(&self, assignment: Assignment, patience: Option<Duration>) {
        // User code within a task is guarded more closely. This is for the rest: destructors, clocks, subscribers.
        if catch_unwind(AssertUnwindSafe(|| self.run_each(assignment, patience))).is_err() {
            self.collapse();
        }
    }

    fn run_each(&self, mut assignment: Assignment, patience: Option<Duration>) {
        let clock = &*self.engine.clock;
        let patience = patience.filter(|_| assignment.has_more()).map(|patience| (patience, clock.monotonic()));
        while let Some(attempt) = self.begin(&mut assignment) {
            let task = self.tasks[attempt.task as usize];
            let stage = &self.stages[task.stage as usize];
            let identity =
                TaskIdentity { job: self.job.id, stage: stage.number, partition: task.split, attempt: attempt.number };
            let mut context = TaskContext::new(identity, attempt.guarded, Arc::clone(&attempt.stop));
            if let Some(helpers) = self.helpers() {
                context = context.with_helpers(helpers);
            }
            if attempt.number > 0 {
                // The attempt before failed: should this one fail as well, it is to say on which record.
                context.want_positions();
            }
            match context.run(|context| stage.compute(task.split, context)) {
                Ok((output, report)) => self.succeeded(&attempt, output, report),
                Err(error) => self.failed(&mut assignment, &attempt, error),
            }
            if assignment.has_more()
                && let Some((patience, started)) = patience
                && clock.monotonic().saturating_sub(started) > patience
            {
                self.give_back(&mut assignment);
            }
        }
    }

    /// Whom tasks may share their work with.
    fn helpers(&self) -> Option<Arc<dyn Helpers>> {
        let pool = &self.engine.pool;
        (self.engine.deterministic.is_none() && pool.has_helpers()).then(|| Arc::clone(pool) as Arc<dyn Helpers>)
    }

    /// Whether somebody wants to know how long attempts take.
    fn is_timed(&self) -> bool {
        self.engine.bus.is_active() || self.engine.speculation.is_some()
    }

    /// Starts the next attempt of an assignment.
    fn begin(&self, assignment: &mut Assignment) -> Option<Attempt> {
        let mut started = if self.is_timed() { self.engine.clock.monotonic() } else { Duration::ZERO };
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.error.is_none() && self.job.is_stopped() {
            self.fail(state, self.job.error());
        }
        if state.error.is_some() {
            let open = assignment.abandon();
            self.close(state, open);
            return None;
        }
        let (task, speculative) = match assignment.next()? {
            Next::At(at) => (state.order.get(at as usize).copied().unwrap_or(at), false),
            Next::Retry(task) => (task, false),
            Next::Copy(task) => (task, true),
        };
        let entry = &mut state.tasks[task as usize];
        // By now the task may have succeeded, or failed and be about to be retried where it was.
        if speculative && (entry.done || entry.running == 0) {
            entry.copied = false;
            return None;
        }
        let (number, guarded) = (entry.attempts, entry.guarded);
        entry.attempts += 1;
        entry.running += 1;
        // With a second attempt about, each has to be stopped by itself.
        let stop = if self.engine.speculation.is_some() {
            let stop = Arc::<AtomicBool>::default();
            state.running.push(Running { task, number, started, stop: Arc::clone(&stop) });
            stop
        } else {
            Arc::clone(&self.job.stop)
        };
        let is_measured = !state.spent.is_empty();
        drop(guard);
        if is_measured && started == Duration::ZERO {
            started = self.engine.clock.monotonic();
        }
        let attempt = Attempt { task, number, guarded, speculative, is_measured, stop, started };
        self.engine
            .bus
            .post(|| Event::TaskStarted(TaskStarted { task: self.info(&attempt), at: self.engine.clock.wall() }));
        Some(attempt)
    }

    fn succeeded(&self, attempt: &Attempt, output: TaskOutput, report: TaskReport) {
        let mut state = self.state.lock();
        let superseded = self.left(&mut state, attempt);
        state.tasks[attempt.task as usize].done = true;
        for other in state.running.iter().filter(|other| other.task == attempt.task) {
            other.stop.store(true, Ordering::Release);
        }
        drop(state);
        let metrics = *report.metrics();
        let wants_time = attempt.is_measured || self.is_timed();
        let ended = if wants_time { self.engine.clock.monotonic() } else { Duration::ZERO };
        if superseded {
            self.post_end(attempt, ended, metrics, || Outcome::Superseded);
            return;
        }
        let task = self.tasks[attempt.task as usize];
        let stage = &self.stages[task.stage as usize];
        // Merging into accumulators is user code, too.
        let settled = catch_unwind(AssertUnwindSafe(|| stage.settle(task.split, output, report)));
        let dead_letters = settled.as_ref().map_or(0, |(_, dead)| dead.len());
        self.post_end(attempt, ended, metrics, || Outcome::Succeeded { dead_letters });
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
        // An attempt that follows a failed one goes record by record.
        if attempt.is_measured && attempt.number == 0 {
            let weight = state.weights[attempt.task as usize];
            let spent = &mut state.spent[task.stage as usize];
            spent.weight += weight;
            spent.time = spent.time.saturating_add(ended.saturating_sub(attempt.started));
        }
        if self.is_timed() {
            let progress = &mut state.progress[task.stage as usize];
            progress.metrics.merge(&metrics);
            progress.durations.push(ended.saturating_sub(attempt.started));
            progress.last_end = ended;
        }
        self.close(&mut state, 1);
    }

    /// Counts an attempt out; returns whether another was faster.
    pub(super) fn left(&self, state: &mut super::State, attempt: &Attempt) -> bool {
        state.running.retain(|other| (other.task, other.number) != (attempt.task, attempt.number));
        let entry = &mut state.tasks[attempt.task as usize];
        entry.running -= 1;
        entry.copied &= !attempt.speculative;
        entry.done
    }

    pub(super) fn post_end(
        &self,
        attempt: &Attempt,
        ended: Duration,
        metrics: TaskMetrics,
        outcome: impl FnOnce() -> Outcome,
    ) {
        self.engine.bus.post(|| {
            let duration = ended.saturating_sub(attempt.started);
            Event::TaskEnded(TaskEnded { task: self.info(attempt), duration, metrics, outcome: outcome() })
        });
    }

    fn info(&self, attempt: &Attempt) -> TaskInfo {
        let task = self.tasks[attempt.task as usize];
        TaskInfo {
            job: self.job.id,
            stage: self.stages[task.stage as usize].number,
            partition: task.split,
            attempt: attempt.number,
            speculative: attempt.speculative,
            executor: std::thread::current().name().unwrap_or("unnamed").to_owned(),
        }
    }
}
