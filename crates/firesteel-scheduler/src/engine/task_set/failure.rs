//! What happens when an attempt fails: it is retried, waits for lost input, or the job fails.

use firesteel_core::{Blame, Error, OnPanic, TaskError, TaskMetrics};

use crate::engine::task_set::attempt::Attempt;
use crate::engine::task_set::{Assignment, Lost, TaskSet, TaskState};
use crate::event::Outcome;

/// How often a task may find its input lost, beyond what its own failed attempts used up, before the job gives up.
const MAX_LOSSES: u32 = 4;

/// What follows from a failure.
enum Verdict {
    Retry,
    Wait(Lost),
    Fail(Error),
    /// The job has ended in some other way, or the task has.
    Nothing,
}

impl TaskSet {
    pub(super) fn failed(&self, assignment: &mut Assignment, attempt: &Attempt, error: TaskError) {
        let mut state = self.state.lock();
        let stopped = state.error.is_some() || self.job.is_stopped();
        let superseded = self.left(&mut state, attempt);
        let (verdict, outcome) = if superseded {
            (Verdict::Nothing, Outcome::Superseded)
        } else if stopped {
            (Verdict::Nothing, Outcome::Cancelled)
        } else {
            self.judge(&mut state.tasks[attempt.task as usize], attempt, error)
        };
        // Another attempt of the task may still succeed.
        let last = state.tasks[attempt.task as usize].running == 0;
        drop(state);
        let ended = self.engine.clock.monotonic();
        self.post_end(attempt, ended, TaskMetrics::default(), || outcome);
        if superseded {
            return;
        }
        let mut state = self.state.lock();
        state.progress[self.tasks[attempt.task as usize].stage as usize].last_end = ended;
        match verdict {
            Verdict::Fail(error) => {
                self.fail(&mut state, error);
                self.close(&mut state, usize::from(last));
            }
            _ if !last => {}
            Verdict::Retry if state.error.is_none() => assignment.repeat(attempt.task),
            Verdict::Wait(lost) if state.error.is_none() => {
                state.lost.push(lost);
                self.close(&mut state, 1);
            }
            _ => self.close(&mut state, 1),
        }
    }

    fn judge(&self, entry: &mut TaskState, attempt: &Attempt, error: TaskError) -> (Verdict, Outcome) {
        match error {
            TaskError::FetchFailed { shuffle, map } => {
                entry.losses += 1;
                let verdict = if entry.losses > entry.failures + u32::from(entry.guarded) + MAX_LOSSES {
                    Verdict::Fail(Error::OutputLost { shuffle: shuffle.number(), times: entry.losses })
                } else {
                    Verdict::Wait(Lost { task: attempt.task, shuffle, map })
                };
                (verdict, Outcome::InputLost { shuffle: shuffle.number(), map })
            }
            TaskError::Panic(blame) => {
                // The attempt that finds out that records have to be guarded is not held against the task.
                if self.on_panic == OnPanic::DeadLetter && !attempt.guarded {
                    entry.guarded = true;
                } else {
                    entry.failures += 1;
                }
                self.retry(entry.failures, true, blame, None)
            }
            TaskError::Failed { source, retryable, blame } => {
                entry.failures += 1;
                self.retry(entry.failures, retryable, blame, Some(source))
            }
            // Nobody cancelled the job: the task itself did.
            _ => {
                let partition = self.tasks[attempt.task as usize].split;
                let reason = Some(format!("the task of partition {partition} gave up"));
                (Verdict::Fail(Error::Cancelled { reason }), Outcome::Cancelled)
            }
        }
    }

    fn retry(
        &self,
        failures: u32,
        retryable: bool,
        blame: Blame,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> (Verdict, Outcome) {
        let retried = retryable && failures < self.engine.max_attempts;
        let listened = self.engine.bus.is_active();
        let outcome = Outcome::Failed { blame: if listened { blame.to_string() } else { String::new() }, retried };
        if retried {
            let panicked = source.is_none();
            tracing::warn!(job = self.job.id, %blame, failures, panicked, "a task failed and is retried");
            return (Verdict::Retry, outcome);
        }
        let error = Error::TaskFailed { blame: Box::new(blame), attempts: failures, source };
        (Verdict::Fail(error), outcome)
    }
}
