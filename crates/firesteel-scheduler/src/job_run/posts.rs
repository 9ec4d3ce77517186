//! What a job tells listeners about itself and its stages.

use std::sync::Arc;

use firesteel_window::Duration;

use crate::engine::task_set::{Task, TaskSet};
use crate::event::{Event, JobStarted, StageEnded, StageStarted};
use crate::job_run::JobRun;
use crate::plan::Plan;

/// A round of a wave, for those who listen.
#[derive(Default)]
pub(super) struct Round {
    started: Duration,
    /// The number of tasks of each stage.
    tasks: Vec<usize>,
}

impl JobRun<'_> {
    pub(super) fn post_started(&self, plan: &Plan) {
        self.engine.bus.post(|| {
            let text = |name: &Option<Arc<str>>| name.as_deref().map(str::to_owned);
            let options = self.job.options;
            Event::JobStarted(JobStarted {
                job: self.control.id,
                name: text(&options.name),
                pool: text(&options.pool),
                group: text(&options.group),
                target: self.job.target.node().operator().to_string(),
                stages: plan.shuffles.len() + usize::from(!self.job.splits.is_empty()),
                skipped_stages: plan.skipped,
                at: self.engine.clock.wall(),
            })
        });
    }

    /// Announces the stages of a wave, or of the tasks of it that run again.
    pub(super) fn post_round_started(&mut self, set: &TaskSet, round: &[u32]) -> Round {
        if !self.engine.bus.is_active() {
            return Round::default();
        }
        let running: Vec<Task> = match round {
            [] => set.tasks.to_vec(),
            some => some.iter().map(|task| set.tasks[*task as usize]).collect(),
        };
        let mut counts = Vec::new();
        for (position, stage) in set.stages.iter().enumerate() {
            let tasks: Vec<&Task> = running.iter().filter(|task| task.stage as usize == position).collect();
            counts.push(tasks.len());
            if tasks.is_empty() {
                continue;
            }
            let known = &mut self.stages[stage.number];
            let attempt = known.rounds;
            known.rounds += 1;
            let lineage = self.lineage(stage);
            let places = |task: &&Task| -> Vec<String> {
                lineage.preferred_locations(task.split).iter().map(|place| place.0.to_string()).collect()
            };
            let mut locations: Vec<Vec<String>> = tasks.iter().map(places).collect();
            if locations.iter().all(Vec::is_empty) {
                locations.clear();
            }
            self.engine.bus.post(|| {
                Event::StageStarted(StageStarted {
                    job: self.control.id,
                    stage: stage.number,
                    attempt,
                    shuffle: stage.shuffle().map(|shuffle| shuffle.id().number()),
                    operator: lineage.node().operator().to_string(),
                    tasks: tasks.len(),
                    locations,
                    at: self.engine.clock.wall(),
                })
            });
        }
        Round { started: self.engine.clock.monotonic(), tasks: counts }
    }

    /// Announces that the stages of a round have ended.
    pub(super) fn post_round_ended(&self, set: &TaskSet, round: Round) {
        for (position, stage) in set.stages.iter().enumerate() {
            let progress = set.take_progress(position);
            let Some(tasks) = round.tasks.get(position).filter(|tasks| **tasks > 0) else { continue };
            self.engine.bus.post(|| {
                Event::StageEnded(StageEnded {
                    job: self.control.id,
                    stage: stage.number,
                    attempt: self.stages[stage.number].rounds - 1,
                    duration: progress.last_end.saturating_sub(round.started),
                    metrics: progress.metrics,
                    complete: progress.durations.len() == *tasks,
                })
            });
        }
    }
}
