//! A task whose records are slow shares its work with executors that have nothing to do.
//!
//! How long user code takes for a record is not known beforehand. So a task begins alone and looks at the time. Where
//! what it has at hand will take longer than it costs to wake somebody, and there is somebody, it hands that out in parts,
//! takes part itself, and puts what the parts leave in their order: to whoever looks at the results, nothing has changed
//! but the time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use firesteel_window::Duration;
use parking_lot::{Condvar, Mutex};

use crate::task::{TaskContext, TaskError, TaskIdentity, TaskOutput, TaskReport};

/// A part of a task's work, as a task of its own.
pub type Part = Box<dyn FnOnce(&TaskContext) -> TaskOutput + Send>;

/// Executors that have nothing to do, as the tasks of others see them.
pub trait Helpers: Send + Sync {
    /// The time on the clock of whoever runs tasks.
    fn now(&self) -> Duration;

    /// A number that grows with each task that has taken long: functions that were known to be fast may not be any more.
    fn surprises(&self) -> u64;

    /// How many executors have nothing to do.
    fn idle(&self) -> usize;

    /// Has executors that have nothing to do [join in](Shared::join_in) in this.
    fn call(&self, work: &Arc<dyn Shared>);

    /// The work is done.
    fn over(&self, work: &Arc<dyn Shared>);
}

/// Work in parts that several executors do.
pub trait Shared: Send + Sync {
    /// How many parts nobody has begun.
    fn left(&self) -> usize;

    /// Does parts until all have been begun.
    fn join_in(&self);
}

/// The parts of a task's work.
struct Parts {
    helpers: Arc<dyn Helpers>,
    identity: TaskIdentity,
    cancelled: Arc<AtomicBool>,
    origin: (Option<Arc<str>>, u32),
    state: Mutex<State>,
    /// Signaled when no part is left or running.
    done: Condvar,
}

struct State {
    waiting: VecDeque<(usize, Part)>,
    running: usize,
    outcomes: Vec<Option<Outcome>>,
    /// How long all parts together took.
    busy: Duration,
}

type Outcome = Result<(TaskOutput, TaskReport), TaskError>;

impl Parts {
    fn take(&self) -> Option<(usize, Part)> {
        let mut state = self.state.lock();
        let taken = state.waiting.pop_front();
        state.running += usize::from(taken.is_some());
        taken
    }

    fn run(&self, part: Part) -> Outcome {
        let context = TaskContext::new(self.identity.clone(), false, Arc::clone(&self.cancelled));
        context.enter_blocks();
        context.set_origin(self.origin.0.clone(), self.origin.1);
        context.run(|context| {
            context.check_cancelled();
            part(context)
        })
    }

    fn left_behind(&self, at: usize, outcome: Outcome, busy: Duration) {
        let mut state = self.state.lock();
        state.busy = state.busy.saturating_add(busy);
        if outcome.is_err() {
            // The attempt has failed, and what has not been begun is of no use.
            state.waiting.clear();
        }
        state.outcomes[at] = Some(outcome);
        state.running -= 1;
        if state.running == 0 && state.waiting.is_empty() {
            self.done.notify_all();
        }
    }

    /// What the parts left, in their order, once all of them have ended, and how long they took.
    fn wait(&self) -> (Vec<Option<Outcome>>, Duration) {
        let mut state = self.state.lock();
        while state.running > 0 || !state.waiting.is_empty() {
            self.done.wait(&mut state);
        }
        (std::mem::take(&mut state.outcomes), state.busy)
    }
}

impl Shared for Parts {
    fn left(&self) -> usize {
        self.state.lock().waiting.len()
    }

    fn join_in(&self) {
        while let Some((at, part)) = self.take() {
            let begun = self.helpers.now();
            let outcome = self.run(part);
            self.left_behind(at, outcome, self.helpers.now().saturating_sub(begun));
        }
    }
}

impl TaskContext {
    /// The same attempt, which may share its work with those.
    #[must_use]
    pub fn with_helpers(mut self, helpers: Arc<dyn Helpers>) -> Self {
        self.surprises.set(helpers.surprises());
        self.helpers = Some(helpers);
        self
    }

    /// Whom work may be shared with.
    pub(crate) fn helpers(&self) -> Option<&Arc<dyn Helpers>> {
        if self.is_alone.get() { None } else { self.helpers.as_ref() }
    }

    /// From now on there is nobody to share work with; returns how it was before.
    pub(crate) fn alone(&self) -> bool {
        self.is_alone.replace(true)
    }

    /// Puts back what [`alone`](Self::alone) has returned.
    pub(crate) fn end_alone(&self, before: bool) {
        self.is_alone.set(before);
    }

    /// The time on the clock of whoever runs tasks, where there is anybody to share work with: otherwise nothing follows
    /// from how long anything takes.
    #[must_use]
    pub fn now(&self) -> Option<Duration> {
        self.helpers.as_ref().map(|helpers| helpers.now())
    }

    /// Whether some task has taken long since this was asked last.
    pub(crate) fn is_surprised(&self, helpers: &dyn Helpers) -> bool {
        let surprises = helpers.surprises();
        self.surprises.replace(surprises) != surprises
    }

    /// Does work in parts, together with executors that have nothing to do, and returns what the parts leave in their
    /// order. Each part counts, sets records aside and fails on behalf of this attempt.
    pub fn share(&self, parts: impl IntoIterator<Item = Part>) -> Vec<TaskOutput> {
        match &self.helpers {
            Some(helpers) => self.share_with(helpers, parts.into_iter().enumerate().collect()).0,
            None => parts.into_iter().map(|part| part(self)).collect(),
        }
    }

    /// As [`share`](Self::share); also tells how long the parts took, all of them together.
    pub(crate) fn share_with(
        &self,
        helpers: &Arc<dyn Helpers>,
        waiting: VecDeque<(usize, Part)>,
    ) -> (Vec<TaskOutput>, Duration) {
        let outcomes = waiting.iter().map(|_| None).collect();
        let parts = Arc::new(Parts {
            helpers: Arc::clone(helpers),
            identity: self.identity.clone(),
            cancelled: Arc::clone(&self.cancelled),
            origin: (self.origin(), self.origin_number()),
            state: Mutex::new(State { waiting, running: 0, outcomes, busy: Duration::ZERO }),
            done: Condvar::new(),
        });
        let shared: Arc<dyn Shared> = Arc::clone(&parts) as _;
        helpers.call(&shared);
        parts.join_in();
        let (outcomes, busy) = parts.wait();
        helpers.over(&shared);
        // What this attempt has counted so far was counted before the parts.
        self.rows.add_up();
        self.updates.close();
        (outcomes.into_iter().flatten().map(|outcome| self.take_in(outcome)).collect(), busy)
    }

    fn take_in(&self, outcome: Outcome) -> TaskOutput {
        let (output, report) = outcome.unwrap_or_else(|error| self.fail(error));
        report.updates.into_iter().for_each(|update| self.updates.push(update));
        self.dead.borrow_mut().extend(report.dead_letters);
        self.metrics.add(&report.metrics);
        output
    }
}
