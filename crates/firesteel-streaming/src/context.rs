//! The streaming context: where a job is built and run.

mod builder;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_budget::Memory;
use firesteel_connect::{Buffered, Receiver, Source};
use firesteel_core::{Context, Data, JobOptions, Operator, RddOps};
use firesteel_scheduler::Scheduler;
use firesteel_state::JobDescription;

pub use self::builder::Builder;
use crate::error::{Error, Result};
use crate::input::{OnUndecodable, Reading, SourceInput, SourceRdd};
use crate::plan::{Explain, Plan, PlanNode, Role, Settled, Width};
use crate::progress::Summary;
use crate::refused::Rejected;
use crate::run::{Config, Control, JobRun, RunningJob, Stop, Stopper, Tasks, Trigger, run_on_a_thread, spawn};
use crate::stream::{SideOutput, Stream};

struct Inner {
    name: Arc<str>,
    plan: Arc<Plan>,
    scheduler: Scheduler,
    context: Context,
    config: Arc<Config>,
    control: Arc<Control>,
    tasks: Arc<Tasks>,
    rejected: SideOutput<Rejected>,
    started: AtomicBool,
}

/// A streaming job: built from sources, streams and outputs, then run. A clone is the same job.
///
/// Several jobs may run in one process, each with a context of its own, on shared executors if they are given the same
/// [`Scheduler`].
#[derive(Clone)]
pub struct StreamingContext {
    inner: Arc<Inner>,
}

impl StreamingContext {
    /// Begins a job. The name appears in messages, events and progress.
    pub fn builder(name: &str) -> Builder {
        Builder::new(name)
    }

    /// The job's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The memory that the job may take, which tells what is taken of each part.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.inner.config.memory
    }

    /// The context of RDDs outside of any batch, such as static tables to join with.
    #[must_use]
    pub fn rdds(&self) -> Context {
        self.inner.context.with_options(JobOptions::default())
    }

    /// The executors' scheduler.
    #[must_use]
    pub fn scheduler(&self) -> &Scheduler {
        &self.inner.scheduler
    }

    /// The stream of what `source` yields.
    ///
    /// Positions are stored, and found again by a job that is started again, under the name that
    /// [`named`](Stream::named) gives; without one, under what the source says of itself.
    #[track_caller]
    pub fn read<S: Source>(&self, source: S) -> Stream<S::Item> {
        self.add(source, Operator::here("read"))
    }

    /// The stream of what `receiver` is sent. What it has received and not yet processed is in memory only, within the
    /// [part](firesteel_budget::Part::Buffers) for buffers: records say how large they are by being serializable. For others
    /// see [`Buffered::measured`], which [`read`](Self::read) takes.
    #[track_caller]
    pub fn receive<R: Receiver>(&self, receiver: R) -> Stream<R::Item>
    where
        R::Item: Data + serde::Serialize,
    {
        self.add(Buffered::new(receiver), Operator::here("receive"))
    }

    fn add<S: Source>(&self, source: S, operator: Operator) -> Stream<S::Item> {
        let plan = &self.inner.plan;
        let node = plan.change(|parts| {
            let role = Role::Input(parts.inputs.len());
            parts.add(PlanNode::operator(operator, &[], Width::Narrow).with_role(role))
        });
        let undecodable = OnUndecodable::of(self.inner.config.undecodable, plan, node);
        let reading = Reading::new(source, undecodable);
        plan.change(|parts| {
            let numbers = parts.split_numbers.clone();
            parts.inputs.push(Box::new(SourceInput::new(node, &reading, numbers)));
        });
        Stream::new(Arc::clone(plan), node, move |batch| Ok(SourceRdd::of_batch(batch, node, &reading).boxed()))
    }

    /// A side output, to be filled by operators of this job and read as a stream.
    #[must_use]
    #[track_caller]
    pub fn side_output<T: Data>(&self, name: &str) -> SideOutput<T> {
        SideOutput::new(&self.inner.plan, name)
    }

    /// All records of the job that do not get through, in the batch in which they are met: what sources cannot decode,
    /// under [`Undecodable::SetAside`](crate::Undecodable::SetAside); what [`try_map`](Stream::try_map) refuses; and
    /// what user code panics on, under [`OnPanic::DeadLetter`](firesteel_core::OnPanic::DeadLetter).
    ///
    /// The stream can be had several times and written to any sink, in the same epoch as the results of its neighbors. What
    /// is refused of it by a `try_map` of its own comes in the next batch.
    ///
    /// ```
    /// use firesteel_connect_memory::{Collector, MemorySource};
    /// use firesteel_streaming::{StreamingContext, Trigger};
    ///
    /// let job = StreamingContext::builder("numbers").build()?;
    /// let (numbers, rejected) = (Collector::new(), Collector::new());
    /// job.read(MemorySource::new(vec!["1", "two", "3"])).try_map(|text| text.parse::<u32>()).write(numbers.clone());
    /// job.rejected().map(|rejected| (rejected.position, rejected.error)).write(rejected.clone());
    /// job.run(Trigger::AvailableNow)?;
    /// assert_eq!(numbers.records(), [1, 3]);
    /// assert_eq!(rejected.records(), [(Some(1), "invalid digit found in string".to_owned())]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn rejected(&self) -> Stream<Rejected> {
        self.inner.plan.rejects().read();
        self.inner.rejected.stream()
    }

    /// What the job declares, once it is built and before it is started: its inputs, watermarks, states and outputs, and
    /// what is set for them. Written as JSON, it can be compared with a checkpoint by `firesteel checkpoint diff` before
    /// the program is started there.
    ///
    /// ```
    /// use firesteel_connect_memory::MemorySource;
    /// use firesteel_streaming::StreamingContext;
    ///
    /// let job = StreamingContext::builder("totals").build()?;
    /// let totals = job
    ///     .read(MemorySource::new(vec!["ann".to_owned(), "bob".to_owned()]))
    ///     .named("clicks")
    ///     .key_by(|user| user.clone())
    ///     .update_state_by_key(|new, old: Option<usize>| Some(old.unwrap_or(0) + new.len()))
    ///     .named("totals");
    /// let description = job.describe()?;
    /// assert_eq!(description.inputs[0].name, "clicks");
    /// assert_eq!(description.states[0].operator, "totals");
    /// # drop(totals);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    ///
    /// # Errors
    /// When two operators have the same name.
    pub fn describe(&self) -> Result<JobDescription> {
        self.inner.plan.change(|parts| {
            parts.resolve_names(true)?;
            let checkpoint = self.inner.config.checkpoint.as_ref();
            let key_groups = checkpoint.and_then(|checkpoint| checkpoint.key_groups);
            Ok(JobDescription { key_groups, ..parts.describe() })
        })
    }

    /// The program as it would run: its stages, operators, names, state, windows, outputs and guarantee, once it is built
    /// and before it is started. Nothing runs, and no source or sink is asked for data.
    ///
    /// ```
    /// use firesteel_connect_memory::{Collector, MemorySource};
    /// use firesteel_streaming::StreamingContext;
    ///
    /// let job = StreamingContext::builder("words").build()?;
    /// let words = job.read(MemorySource::new(vec!["to", "be"])).named("words").map(|word| (word.to_owned(), ()));
    /// words.running_count().named("how often").write(Collector::new());
    /// let explained = job.explain()?;
    /// assert_eq!(explained.stages.len(), 2);
    /// assert!(explained.to_string().contains("how often"));
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the program does not fit together, or has no output.
    pub fn explain(&self) -> Result<Explain> {
        let inner = &self.inner;
        inner.plan.change(|parts| {
            let checkpoint = inner.config.checkpoint.as_ref();
            let Settled { names, .. } = parts.settle(&inner.name, checkpoint.is_some())?;
            let (guarantee, reason) = crate::guarantee::of(&parts.inputs, &parts.outputs, &names, checkpoint.is_some());
            Ok(Explain {
                job: inner.name.to_string(),
                guarantee: guarantee.to_string(),
                guarantee_reason: reason,
                checkpoint: checkpoint.map(|checkpoint| checkpoint.folder.display().to_string()),
                key_groups: checkpoint.map(|checkpoint| Ok::<_, Error>(checkpoint.groups()?.count())).transpose()?,
                stages: parts.explain_stages(),
            })
        })
    }

    /// Starts the job to be advanced by hand, batch by batch.
    ///
    /// # Errors
    /// When the job does not fit together, has been started before, or a source or sink cannot start.
    pub fn begin(&self) -> Result<JobRun> {
        if self.inner.started.swap(true, Ordering::SeqCst) {
            return Err(Error::Setting {
                what: format!("job {}", self.inner.name),
                reason: "it has been started already: build a new context for another run".to_owned(),
            });
        }
        let parts = self.inner.plan.change(std::mem::take);
        JobRun::start(
            Arc::clone(&self.inner.name),
            parts,
            self.inner.context.clone(),
            Arc::clone(&self.inner.config),
            Arc::clone(&self.inner.control),
            Arc::clone(&self.inner.tasks),
        )
    }

    /// Runs the job until it ends, on a thread of its own.
    ///
    /// # Errors
    /// Why the job could not start, or what ended it.
    #[track_caller]
    pub fn run(&self, trigger: Trigger) -> Result<()> {
        self.run_to_summary(trigger).map(drop)
    }

    /// Runs the job until it ends, and returns the run in numbers. The job has a thread of its own, so that this returns also
    /// where a source or sink does not: see [`CallLimits`](crate::CallLimits).
    ///
    /// # Errors
    /// Why the job could not start, or what ended it.
    #[track_caller]
    pub fn run_to_summary(&self, trigger: Trigger) -> Result<Summary> {
        let (job, schedule) = (self.clone(), trigger.schedule()?);
        run_on_a_thread(&self.inner.name, self.stopper(), move || job.begin()?.drive(schedule))
    }

    /// Runs the job on a thread of its own.
    ///
    /// # Errors
    /// Why the job could not start. What ends it later is returned by [`RunningJob::await_termination`].
    #[track_caller]
    pub fn start(&self, trigger: Trigger) -> Result<RunningJob> {
        let schedule = trigger.schedule()?;
        let run = self.begin()?;
        spawn(&self.inner.name, self.stopper(), move || run.drive(schedule))
    }

    /// Something to stop the job with from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { control: Arc::clone(&self.inner.control), tasks: Arc::clone(&self.inner.tasks) }
    }

    /// Tells the job to end, and returns at once.
    pub fn stop(&self, how: Stop) {
        self.stopper().stop(how);
    }
}

impl std::fmt::Debug for StreamingContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamingContext").field("job", &self.inner.name).finish_non_exhaustive()
    }
}
