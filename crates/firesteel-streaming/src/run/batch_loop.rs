//! One micro-batch after the other: admit, compute, commit, report.

use std::sync::Arc;

use firesteel_connect::{Epoch, Replay, RunId};
use firesteel_core::{Clock, Context};
use firesteel_faults::fail_point;
use firesteel_state::TimeDomain;
use firesteel_state::changelog::InputRange;
use firesteel_state::cursor::{Counted, TimersLeft};
use firesteel_window::{Duration, Timestamp};

use crate::calls::Of;
use crate::checkpoint::Durable;
use crate::error::{Error, Result};
use crate::plan::{Admission, Admitted, Batch, Bound, Frozen, Input, Parts, Settled, What, range_name};
use crate::progress::{BatchProgress, InputProgress, StartDurations, Summary};
use crate::run::again::ask;
use crate::run::commit::Committer;
use crate::run::epoch::{Beside, OpenEpoch};
use crate::run::report::{Processed, state_progress};
use crate::run::{Config, Control, Stop, Tasks};
use crate::time::{Ahead, Alignment, Tracker};

/// A job that has been started and is advanced batch by batch.
///
/// [`StreamingContext::run`](crate::StreamingContext::run) drives it by a trigger; tests drive it by hand, on virtual
/// time.
pub struct JobRun {
    pub(super) job: Arc<str>,
    /// Which start of the program it is.
    pub(super) run: RunId,
    pub(super) parts: Parts,
    pub(super) program: Arc<Frozen>,
    pub(super) names: Arc<[Arc<str>]>,
    /// What the outputs are called in the checkpoint, if there is one.
    pub(super) sink_names: Vec<String>,
    /// What each operator of the plan is called in progress.
    pub(super) operator_names: Vec<Arc<str>>,
    /// Whether people are told of it.
    pub(super) shown: Vec<bool>,
    pub(super) context: Context,
    pub(super) config: Arc<Config>,
    pub(super) control: Arc<Control>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) committer: Committer,
    /// For each output, how many levels of side outputs lie before it.
    pub(super) levels: Vec<usize>,
    /// Which splits wait for others, and those that do in the batch at hand.
    pub(super) alignment: Alignment,
    pub(super) ahead: Ahead,
    /// Of each input, the splits that had something to read when the last batch began.
    pub(super) waiting: Vec<Vec<u32>>,
    pub(super) batch: u64,
    /// The last epoch that is committed, in this run or before it: what is committed next is after it.
    pub(super) last_epoch: Epoch,
    /// The epoch after it, if it has ended and its sinks commit beside the batches of the next.
    pub(super) beside: Option<Beside>,
    /// The epoch that has begun.
    pub(super) epoch: Option<OpenEpoch>,
    /// When the last epoch ended.
    pub(super) epoch_ended: Duration,
    /// How long its sinks took.
    pub(super) commit_took: Duration,
    pub(super) durable: Option<Durable>,
    /// The epoch that the job resumes from.
    pub(super) resumed: Option<Epoch>,
    /// What opening its checkpoint took.
    pub(super) start_durations: StartDurations,
    /// An epoch is being run again that was prepared before a restart.
    pub(super) is_again: bool,
    pub(super) started: Duration,
    /// Since the checkpoint began, up to the last batch.
    pub(super) counted: Counted,
    pub(super) summary: Summary,
    /// Epochs that are written to and not committed, and how many records were.
    pub(super) uncommitted: Vec<(Epoch, u64)>,
    /// Batches that nobody has been told of: what is told as written can be read.
    pub(super) untold: Vec<BatchProgress>,
    pub(super) ended: bool,
    /// The job is to stop gracefully: only what receivers have stored is still read, for nobody could read it later.
    pub(super) draining: bool,
    /// Something was given up because the job is to stop.
    pub(super) interrupted: bool,
    /// The batch whose due timers have not all fired: the next one continues it.
    pub(super) left: Option<TimersLeft>,
    /// The number of the batch that failed: nothing runs after it.
    pub(super) failed: Option<u64>,
    pub(super) closed: bool,
    /// Another process has taken over: sinks are called no more.
    pub(super) is_fenced: bool,
}

/// What came of looking for work.
pub(super) enum Step {
    Done(Box<BatchProgress>),
    /// Nothing to read. `complete`: nothing will ever come. `drained`: nothing left that the trigger asks for.
    Idle {
        complete: bool,
        drained: bool,
    },
}

/// How a batch is run, besides what it reads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cut {
    /// Partitions after a shuffle, where that is given.
    pub(super) parallelism: Option<usize>,
    /// Whether it closes all windows.
    pub(super) ending: bool,
    /// Whether it fires what the batch before it has left of the timers that were due.
    pub(super) continues: bool,
}

/// Below this many records a batch is not worth more than one partition after a shuffle.
const SMALL_BATCH: u64 = 20_000;

impl JobRun {
    pub(crate) fn start(
        job: Arc<str>,
        mut parts: Parts,
        context: Context,
        config: Arc<Config>,
        control: Arc<Control>,
        tasks: Arc<Tasks>,
    ) -> Result<Self> {
        let Settled { levels, names } = parts.settle(&job, config.checkpoint.is_some())?;
        let program = parts.frozen(config.timers_per_batch);
        let operator_names = parts.nodes.iter().map(|node| node.operator.name().into()).collect();
        let shown = parts.shown();
        let started = config.clock.monotonic();
        let alignment = Alignment::new(&parts.trackers, &parts.merged);
        let names: Arc<[Arc<str>]> = names.into();
        let committer = Committer { job: Arc::clone(&job), names: Arc::clone(&names), control: Arc::clone(&control) };
        let mut run = Self {
            job,
            run: RunId::random(),
            parts,
            program,
            names,
            sink_names: Vec::new(),
            operator_names,
            shown,
            context,
            config,
            control,
            tasks,
            committer,
            levels,
            alignment,
            ahead: Ahead::new(),
            waiting: Vec::new(),
            batch: 0,
            last_epoch: Epoch::default(),
            beside: None,
            epoch: None,
            epoch_ended: Duration::ZERO,
            commit_took: Duration::ZERO,
            durable: None,
            resumed: None,
            start_durations: StartDurations::default(),
            is_again: false,
            started,
            counted: Counted::default(),
            summary: Summary::default(),
            uncommitted: Vec::new(),
            untold: Vec::new(),
            ended: false,
            draining: false,
            interrupted: false,
            left: None,
            failed: None,
            closed: false,
            is_fenced: false,
        };
        run.refuse_own_results()?;
        for output in &mut run.parts.outputs {
            output.watched_by(&run.control.calls);
        }
        run.parts.inputs.iter().for_each(|input| input.watched_by(&run.control.calls));
        run.watch();
        let again = run.open_states()?;
        run.parts.states.iter().for_each(|(cell, _)| cell.set_timers(cell.store().timers()));
        run.announce();
        if let Some(again) = again {
            run.run_again(again)?;
        }
        Ok(run)
    }

    /// Runs one micro-batch of what there is, be it nothing. Where the batch before has
    /// [left timers](BatchProgress::timers_left), it is one that fires them and reads nothing.
    ///
    /// # Errors
    /// When the batch fails; the job is over then.
    pub fn next_batch(&mut self) -> Result<BatchProgress> {
        let step = self.step(Bound::Open, true)?;
        self.finish_commit()?;
        match step {
            Step::Done(progress) => Ok(*progress),
            Step::Idle { .. } => Err(Error::Thread { what: "a forced batch did not run".to_owned() }),
        }
    }

    /// Runs the last micro-batch: after it no event can come, so all windows close. What a batch before has left of its
    /// timers fires before; what this one leaves, [`next_batch`](Self::next_batch) fires.
    ///
    /// # Errors
    /// When the batch fails.
    pub fn last_batch(&mut self) -> Result<BatchProgress> {
        while let Some(left) = self.left {
            self.continue_batch(left)?;
        }
        let admission = self.admission(Bound::Open);
        self.ahead.clear();
        let admitted = self.admit(&admission)?;
        let cut = Cut { ending: true, ..Cut::default() };
        let progress = self.process(&admission, &admitted, cut, self.config.clock.monotonic())?;
        self.finish_commit()?;
        Ok(progress)
    }

    pub(super) fn admission(&self, bound: Bound) -> Admission {
        let now = self.config.clock.wall();
        Admission { now, limits: self.config.limits, bound, executors: self.context.executors() }
    }

    pub(super) fn admit(&mut self, admission: &Admission) -> Result<Vec<Admitted>> {
        if let Some(batch) = self.failed {
            return Err(Error::Setting {
                what: format!("job {}", self.job),
                reason: format!(
                    "batch {batch} has failed, so no batch can follow: build a new context for another run"
                ),
            });
        }
        let (control, draining, interrupted, ahead) =
            (&self.control, self.draining, &mut self.interrupted, &self.ahead);
        let mut admit = |input: &mut Box<dyn Input>| {
            if draining && input.replay() == Replay::Always {
                return Ok(Admitted { drained: true, ..Admitted::default() });
            }
            // What receivers have stored is not given up because of a graceful stop.
            let give_up = if draining { Stop::AtOnce } else { Stop::Gracefully };
            let name = input.name();
            let admitted = ask(control, give_up, || {
                let _watched = control.calls.watch(Of::Source, &name, "discover");
                input.admit(admission, ahead)
            });
            *interrupted |= admitted.is_err() && control.stopping() >= Some(give_up);
            control.calls.check()?;
            admitted
        };
        let admitted = self.parts.inputs.iter_mut().map(&mut admit).collect::<Result<_>>()?;
        for table in &self.parts.tables {
            let _watched = self.control.calls.watch(Of::Table, &table.name(), "load");
            table.refresh(admission.now)?;
        }
        self.control.calls.check()?;
        Ok(admitted)
    }

    /// Fires a further slice of the timers that were due in the last batch: at its time, and with nothing to read, so
    /// that no record comes between.
    pub(super) fn continue_batch(&mut self, left: TimersLeft) -> Result<BatchProgress> {
        let admission = Admission { now: left.time, ..self.admission(Bound::Open) };
        // What the batch before has left unread is so still.
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        let mut nothing = || Admitted { waiting: waiting.next().unwrap_or_default(), ..Admitted::default() };
        let nothing: Vec<Admitted> = self.parts.inputs.iter().map(|_| nothing()).collect();
        let cut = Cut { ending: left.ending, continues: true, ..Cut::default() };
        self.process(&admission, &nothing, cut, self.config.clock.monotonic())
    }

    pub(super) fn step(&mut self, bound: Bound, force: bool) -> Result<Step> {
        if let Some(left) = self.left {
            return self.continue_batch(left).map(|progress| Step::Done(Box::new(progress)));
        }
        let begun = self.config.clock.monotonic();
        let admission = self.admission(bound);
        // One batch of all there is leaves nothing for later.
        self.ahead = if bound == Bound::Once { Ahead::new() } else { self.alignment.ahead(admission.now) };
        let mut admitted = self.admit(&admission)?;
        let mut something = admitted.iter().any(|input| input.ranges > 0);
        if !something && !self.ahead.is_empty() && (bound != Bound::Open || self.draining) {
            // Nobody waits for what may come later: all that is there has to be read.
            self.ahead.clear();
            admitted = self.admit(&admission)?;
            something = admitted.iter().any(|input| input.ranges > 0);
        }
        if !something
            && !force
            && !self.watermark_can_advance(&admission, &admitted)
            && !self.timers_are_due(&admission)?
        {
            let complete = admitted.iter().all(|input| input.complete);
            let drained = admitted.iter().all(|input| input.drained);
            return Ok(Step::Idle { complete, drained });
        }
        self.process(&admission, &admitted, Cut::default(), begun).map(|progress| Step::Done(Box::new(progress)))
    }

    /// Whether a batch without records would fire windows.
    fn watermark_can_advance(&self, admission: &Admission, admitted: &[Admitted]) -> bool {
        self.parts.trackers.iter().any(|tracker| {
            let inputs = tracker.inputs.iter().filter_map(|input| admitted.get(*input));
            let waiting = inputs.clone().flat_map(|input| &input.waiting).copied();
            let finished = inputs.filter(|input| input.newly_finished).flat_map(|input| &input.finished);
            tracker.can_advance(admission.now, finished.copied(), waiting)
        })
    }

    /// Whether a batch without records would fire something by the clock.
    fn timers_are_due(&self, admission: &Admission) -> Result<bool> {
        for (cell, _) in &self.parts.states {
            let of_event_time = if cell.goes_by_clock() { cell.next_timer(TimeDomain::Event)? } else { None };
            let timers = cell.next_timer(TimeDomain::Processing)?.into_iter().chain(of_event_time);
            let next = timers.chain(cell.next_wake()).min();
            if next.is_some_and(|next| next <= admission.now) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn process(
        &mut self,
        admission: &Admission,
        admitted: &[Admitted],
        cut: Cut,
        begun: Duration,
    ) -> Result<BatchProgress> {
        let Cut { parallelism, ending, continues } = cut;
        self.batch += 1;
        let epoch = self.open_epoch();
        // It holds until the batch is done.
        self.failed = Some(self.batch);
        for tracker in &self.parts.trackers {
            let of = |numbers: fn(&Admitted) -> &Vec<u32>| {
                tracker.inputs.iter().filter_map(|input| admitted.get(*input)).flat_map(numbers).copied()
            };
            let [waiting, read, finished] =
                [of(|input| &input.waiting), of(|input| &input.read), of(|input| &input.finished)];
            tracker.begin(admission.now, waiting, read, finished, ending);
            let mut inputs = tracker.inputs.iter().filter_map(|input| admitted.get(*input)).peekable();
            if inputs.peek().is_some() && inputs.all(|input| input.complete) {
                tracker.over();
            }
        }
        self.parts.held().for_each(Tracker::begin_held);
        let records = admitted.iter().map(|input| if input.ranges == 0 { Some(0) } else { input.records }).sum();
        let records: Option<u64> = records;
        let small = records.is_some_and(|records| records < SMALL_BATCH);
        let usual = self.config.partitions.unwrap_or(if small { 1 } else { admission.executors });
        let context = self.context.with_parallelism(parallelism.unwrap_or(usual));
        let batch = Batch::new(self.batch, admission.now, context, &self.program).continuing(continues);
        self.parts.inputs.iter().for_each(|input| input.begin(&batch));
        let admitted_at = self.config.clock.monotonic();
        let mut letters = Vec::new();
        let written = self.write(&batch, epoch, &mut letters)?;
        fail_point!("batch.written");
        let written_at = self.config.clock.monotonic();
        let (inputs, watermark) = self.settle(&batch, admitted, cut, written_at.saturating_sub(admitted_at));
        let watermarks = self.watermarks(&inputs, admission.now, admitted);
        // What is committed says how many keys there are.
        let mut left = false;
        let states = self.parts.states.iter();
        let states = states.filter_map(|(cell, changes)| state_progress(&**cell, changes, &mut left)).collect();
        self.left = left.then_some(TimersLeft { time: admission.now, ending });
        self.check_rejected(&inputs, letters.len())?;
        fail_point!("batch.settled");
        self.look_at_commit()?;
        let ends_epoch = !self.is_again && self.epoch_is_due();
        if ends_epoch {
            self.end_epoch()?;
        }
        let committed_at = self.config.clock.monotonic();
        self.failed = None;
        self.waiting = admitted.iter().map(|input| input.waiting.clone()).collect();
        let dead_letters = letters;
        let done = Processed { epoch, ends_epoch, inputs, watermark, watermarks, written, states, dead_letters };
        Ok(self.progress(&batch, done, [begun, admitted_at, written_at, committed_at]))
    }

    /// Counts what was read and refused, and ends the job here if more was refused than may be.
    fn check_rejected(&mut self, inputs: &[InputProgress], dead_letters: usize) -> Result<()> {
        let malformed = self.parts.counters.iter().filter(|counter| counter.what == What::Malformed);
        let malformed: u64 = malformed.map(|counter| counter.count.value()).sum();
        self.counted.rejected += malformed + dead_letters as u64;
        self.counted.read += inputs.iter().map(|input| input.rows).sum::<u64>();
        let Counted { read, rejected } = self.counted;
        let Some(limit) = self.config.rejected_limit.filter(|limit| limit.is_exceeded(rejected, read)) else {
            return Ok(());
        };
        let sample = self.parts.samples.iter().flat_map(|samples| samples.take()).next();
        self.abandon_epoch();
        Err(Error::TooManyRejected {
            batch: self.batch,
            rejected,
            read,
            limit,
            sample: sample.map_or_else(String::new, |sample| format!("; the last batch has {sample}")),
        })
    }

    /// The batch is computed: positions and watermarks move on.
    fn settle(
        &mut self,
        batch: &Batch,
        admitted: &[Admitted],
        cut: Cut,
        took: Duration,
    ) -> (Vec<InputProgress>, Option<Timestamp>) {
        let reached: Vec<_> = self.parts.trackers.iter().map(|tracker| tracker.end()).collect();
        self.parts.merged.iter().for_each(|merged| _ = merged.end());
        let watermark = reached.into_iter().min().filter(|watermark| *watermark != Timestamp::MIN);
        let mut ranges = Vec::new();
        let survives = self.durable.is_some();
        let settle = |input: &mut Box<dyn Input>| {
            let name = input.name();
            input.settle(took, &mut |split, from, to| {
                if survives {
                    ranges.push(InputRange { input: name.to_string(), split: split.to_owned(), from, to });
                }
            })
        };
        let inputs = self.parts.inputs.iter_mut().map(settle).collect();
        for table in &self.parts.tables {
            let version = table.note_use();
            if survives {
                let split = format!("version {version:016x}");
                ranges.push(InputRange { input: range_name(&table.name()), split, from: version, to: version });
            }
        }
        self.note_batch(batch, admitted, cut, ranges);
        (inputs, watermark)
    }
}

impl Drop for JobRun {
    /// A run that is given up leaves nothing behind that runs on.
    fn drop(&mut self) {
        if !self.closed
            && let Err(error) = self.close(Ok(()))
        {
            tracing::warn!(job = %self.job, %error, "the job could not be closed");
        }
    }
}

impl std::fmt::Debug for JobRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobRun").field("job", &self.job).field("batch", &self.batch).finish_non_exhaustive()
    }
}
