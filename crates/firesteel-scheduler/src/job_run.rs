//! One job from its lineage to its result.

mod posts;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use firesteel_core::shuffle::ShuffleDependency;
use firesteel_core::{DeadLetter, Error, Job, JobOutput, Lineage, Result, TaskOutput};
use firesteel_window::Duration;
use smallvec::{SmallVec, smallvec};

use crate::adaptive::{Arrangement, Expected, nanos};
use crate::costs;
use crate::engine::task_set::{Lost, RoundEnd, Spent, Task, TaskSet};
use crate::engine::{Engine, JobControl};
use crate::plan::{Plan, PlannedShuffle, find_shuffle};
use crate::stage::{Body, Stage, Stages};

/// A job that runs.
pub(crate) struct JobRun<'a> {
    engine: &'a Arc<Engine>,
    control: Arc<JobControl>,
    job: &'a Job<'a>,
    /// The stages that have run so far within this job, at their numbers.
    stages: SmallVec<[KnownStage; 4]>,
    dead: Vec<DeadLetter>,
}

struct KnownStage {
    /// The shuffle it writes.
    shuffle: Option<u64>,
    /// How often it has run.
    rounds: u32,
}

impl<'a> JobRun<'a> {
    pub(crate) fn new(engine: &'a Arc<Engine>, control: Arc<JobControl>, job: &'a Job<'a>) -> Self {
        Self { engine, control, job, stages: SmallVec::new(), dead: Vec::new() }
    }

    pub(crate) fn run(mut self) -> Result<JobOutput> {
        let whole = self.job.splits == (0..self.job.target.num_partitions());
        let plan = Plan::for_job(self.job.target, whole, self.job.options, self.engine);
        self.post_started(&plan);
        if self.job.splits.is_empty() {
            return Ok(JobOutput { outputs: Vec::new(), dead_letters: Vec::new() });
        }
        let stateful = plan.stateful;
        self.run_plan(plan)?;
        let body = Body::Result(Arc::clone(&self.job.work));
        let stage = self.stage(None, body, stateful);
        let tasks = self.job.splits.clone().map(|split| Task { stage: 0, split }).collect();
        let outputs = self.run_wave(smallvec![stage], tasks)?;
        Ok(JobOutput { outputs, dead_letters: self.dead })
    }

    /// Runs what is missing, level by level.
    fn run_plan(&mut self, plan: Plan) -> Result<()> {
        let (levels, ended) = (plan.levels(), plan.ended);
        let mut shuffles = plan.shuffles;
        for level in 0..levels {
            let (now, later) = if level + 1 == levels {
                (shuffles, Vec::new())
            } else {
                shuffles.into_iter().partition(|planned| planned.level == level)
            };
            shuffles = later;
            self.run_level(now, ended)?;
        }
        Ok(())
    }

    /// Runs the map sides of shuffles that do not need each other, except those that another job is at.
    fn run_level(&mut self, shuffles: Vec<PlannedShuffle>, ended: u64) -> Result<()> {
        let engine = self.engine;
        let (mut stages, mut tasks) = (Stages::new(), SmallVec::new());
        let mut claims = SmallVec::<[_; 1]>::new();
        let mut elsewhere = Vec::new();
        for mut planned in shuffles {
            let Some(claim) = engine.in_flight.claim(&planned.shuffle) else {
                elsewhere.push(planned.shuffle);
                continue;
            };
            if engine.in_flight.ended() != ended {
                planned.missing = planned.shuffle.missing();
                if planned.missing.is_empty() {
                    continue;
                }
            }
            claims.push(claim);
            let stage = stages.len() as u32;
            tasks.extend(planned.missing.into_iter().map(|split| Task { stage, split }));
            let number = planned.shuffle.id().number();
            stages.push(self.stage(Some(number), Body::Map(planned.shuffle), planned.stateful));
        }
        if !stages.is_empty() {
            self.run_wave(stages, tasks)?;
        }
        drop(claims);
        for shuffle in elsewhere {
            let control = &self.control;
            engine.pool.step_aside(|| engine.in_flight.wait(&shuffle, || control.is_stopped()));
            if control.is_stopped() {
                return Err(control.error());
            }
            // The other job may have failed, or have lost something again.
            self.run_plan(Plan::for_shuffle(&shuffle, self.engine))?;
        }
        Ok(())
    }

    /// A stage under its number: the one it had before if its output has to be recomputed.
    fn stage(&mut self, shuffle: Option<u64>, body: Body, stateful: bool) -> Stage {
        let known = self.stages.iter().position(|stage| stage.shuffle.is_some() && stage.shuffle == shuffle);
        let number = known.unwrap_or_else(|| {
            self.stages.push(KnownStage { shuffle, rounds: 0 });
            self.stages.len() - 1
        });
        let rdd = match &body {
            Body::Map(shuffle) => shuffle.parent(),
            Body::Result(_) => self.job.target,
        };
        let key = costs::key(rdd, shuffle.is_some());
        Stage { number, key, body, stateful }
    }

    /// Runs tasks until all have succeeded, and makes lost input again where that is needed.
    fn run_wave(&mut self, stages: Stages, tasks: SmallVec<[Task; 4]>) -> Result<Vec<TaskOutput>> {
        let set = TaskSet::new(self.engine, &self.control, self.job.options.on_panic, stages, tasks);
        let set = Arc::new(set);
        if let Err(error) = self.run_rounds(&set) {
            // An executor may hold the wave a moment longer: what its tasks left, such as temporary files, is to be
            // gone when the caller hears of the failure. Dropping it is user code.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(set.take_outputs())));
            return Err(error);
        }
        self.dead.extend(set.take_dead());
        Ok(set.take_outputs())
    }

    fn run_rounds(&mut self, set: &Arc<TaskSet>) -> Result<()> {
        let mut round: Vec<u32> = Vec::new();
        loop {
            let started = self.post_round_started(set, &round);
            self.run_round(set, round);
            let end = set.end();
            self.post_round_ended(set, started);
            match end {
                RoundEnd::Done => return Ok(()),
                RoundEnd::Failed(error) => return Err(error),
                RoundEnd::Lost(lost) => {
                    self.recover(set, &lost)?;
                    round = lost.iter().map(|lost| lost.task).collect();
                    round.sort_unstable();
                }
            }
        }
    }

    /// Runs tasks of a wave once, all if `round` is empty.
    fn run_round(&self, set: &Arc<TaskSet>, round: Vec<u32>) {
        let count = if round.is_empty() { set.tasks.len() } else { round.len() };
        if let Some(seed) = self.engine.deterministic {
            let seed = if seed == 0 { 0 } else { seed ^ (self.control.id << 32) ^ set.stages[0].number as u64 };
            let assignment = set.open_in_one(shuffled(round, count, seed), count);
            set.run(assignment, None);
            return;
        }
        let at = |position: usize| round.get(position).map_or(position, |task| *task as usize);
        let engine = self.engine;
        let executors = engine.pool.slots();
        // An executor that is alone has nobody to share with, whatever tasks cost.
        let cost = |stage: &Stage| if executors > 1 { engine.costs.of(stage.key) } else { None };
        let stages: SmallVec<[_; 1]> = set.stages.iter().map(|stage| (cost(stage), self.lineage(stage))).collect();
        let expect = |position: usize| {
            let task = set.tasks[at(position)];
            let (cost, lineage) = stages[task.stage as usize];
            costs::expected(cost, lineage.size_hint(task.split))
        };
        let expected: SmallVec<[Expected; 4]> = (0..count).map(expect).collect();
        match engine.adaptive.arrange(&expected, executors) {
            Arrangement::Inline if executors == 1 => {
                let assignment = set.open_in_one(round, count);
                engine.pool.run_alone(|| set.run(assignment, None));
                return;
            }
            Arrangement::Inline => {
                let begun = engine.clock.monotonic();
                let assignment = set.open_in_one(round, count);
                engine.pool.run_alone(|| set.run(assignment, Some(engine.adaptive.patience)));
                if set.is_finished() {
                    let weight = expected.iter().map(|task| task.weight).sum();
                    let spent = Spent { weight, time: engine.clock.monotonic().saturating_sub(begun) };
                    self.learn(set, |_| spent);
                    return;
                }
            }
            Arrangement::Spread { order, ends } => {
                let order = order.into_iter().map(|position| at(position as usize) as u32).collect();
                let weights = (0..count).map(|position| (at(position) as u32, expected[position].weight));
                set.open_spread(order, &ends, weights);
            }
        }
        self.control.enter(set);
        if self.control.is_stopped() {
            set.abort(self.control.error());
        }
        engine.pool.run(set);
        self.learn(set, |stage| set.take_spent(stage));
    }

    /// Takes note of what the tasks of each stage cost.
    fn learn(&self, set: &TaskSet, spent: impl Fn(usize) -> Spent) {
        let mut longest = Duration::ZERO;
        for (position, stage) in set.stages.iter().enumerate() {
            let Spent { weight, time } = spent(position);
            self.engine.costs.learn(stage.key, weight, nanos(time));
            longest = longest.max(time);
        }
        if longest > self.engine.adaptive.patience {
            self.engine.pool.be_surprised();
        }
    }

    /// The RDD whose partitions the tasks of a stage compute.
    fn lineage<'s>(&'s self, stage: &'s Stage) -> &'s dyn Lineage {
        stage.shuffle().map_or(self.job.target, |shuffle| shuffle.parent())
    }

    /// Makes again what tasks could not find.
    fn recover(&mut self, set: &TaskSet, lost: &[Lost]) -> Result<()> {
        let mut shuffles: Vec<Arc<dyn ShuffleDependency>> = Vec::new();
        for lost in lost {
            let number = lost.shuffle.number();
            let known = shuffles.iter().find(|shuffle| shuffle.id() == lost.shuffle).cloned();
            let stage = &set.stages[set.tasks[lost.task as usize].stage as usize];
            let Some(shuffle) = known.clone().or_else(|| find_shuffle(self.lineage(stage), number)) else {
                return Err(Error::OutputLost { shuffle: number, times: 1 });
            };
            tracing::info!(
                job = self.control.id,
                shuffle = number,
                map = lost.map,
                "lost shuffle output is recomputed"
            );
            shuffle.discard(lost.map);
            if known.is_none() {
                shuffles.push(shuffle);
            }
        }
        for shuffle in shuffles {
            self.run_plan(Plan::for_shuffle(&shuffle, self.engine))?;
        }
        Ok(())
    }
}

/// The tasks, or as many numbers from 0, in an order drawn from `seed`; 0 keeps the order.
fn shuffled(tasks: Vec<u32>, count: usize, mut seed: u64) -> Vec<u32> {
    if seed == 0 {
        return tasks;
    }
    let mut tasks = if tasks.is_empty() { (0..count as u32).collect() } else { tasks };
    // SplitMix64 (Steele, Lea and Flood 2014) and the shuffle of Fisher and Yates.
    let mut next = || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    for at in (1..tasks.len()).rev() {
        tasks.swap(at, (next() % (at as u64 + 1)) as usize);
    }
    tasks
}
