//! One micro-batch after the other: admit, compute, commit, report.

use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, Epoch, Replay};
use firesteel_core::{Clock, Context, DeadLetter};
use firesteel_window::Timestamp;

use crate::batch::Batch;
use crate::context::Config;
use crate::error::{Error, Result};
use crate::graph::{Counted, Parts, What};
use crate::input::{Admission, Admitted, Bound, Input};
use crate::output::Written;
use crate::progress::{BatchProgress, Durations, JobInfo, OutputProgress, Summary, per_second};
use crate::run::{Control, Stop};
use crate::stream::{RecordError, SideOutput};

/// A job that has been started and is advanced batch by batch.
///
/// [`StreamingContext::run`](crate::StreamingContext::run) drives it by a trigger; tests drive it by hand, on virtual
/// time.
pub struct JobRun {
    pub(super) job: Arc<str>,
    pub(super) parts: Parts,
    pub(super) names: Vec<Arc<str>>,
    context: Context,
    pub(super) config: Arc<Config>,
    pub(super) control: Arc<Control>,
    dead_letters: SideOutput<RecordError>,
    pub(super) batch: u64,
    /// The newest epoch of this run or of any sink: what is committed next is behind all of them.
    last_epoch: Epoch,
    started: std::time::Duration,
    summary: Summary,
    pub(super) ended: bool,
    /// The job is to stop gracefully: only what receivers have stored is still read, for nobody could read it later.
    pub(super) draining: bool,
    pub(super) closed: bool,
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

/// How often a commit is tried when the sink says that trying again may help.
const COMMIT_ATTEMPTS: u32 = 5;
/// Below so many records a batch is not worth more than one partition behind a shuffle.
const SMALL_BATCH: u64 = 20_000;

impl JobRun {
    pub(crate) fn start(
        job: Arc<str>,
        mut parts: Parts,
        context: Context,
        config: Arc<Config>,
        control: Arc<Control>,
        dead_letters: SideOutput<RecordError>,
    ) -> Result<Self> {
        if let Some(fault) = parts.faults.pop() {
            return Err(fault);
        }
        if parts.outputs.is_empty() {
            return Err(Error::NoOutput { job: job.to_string() });
        }
        // Outputs that read side outputs run behind those that fill them.
        parts.outputs.sort_by_key(|output| output.level());
        let names = parts.outputs.iter().map(|output| output.name().into()).collect();
        let started = config.clock.monotonic();
        let mut run = Self {
            job,
            parts,
            names,
            context,
            config,
            control,
            dead_letters,
            batch: 0,
            last_epoch: Epoch::default(),
            started,
            summary: Summary::default(),
            ended: false,
            draining: false,
            closed: false,
        };
        run.announce();
        for input in &mut run.parts.inputs {
            let control = Arc::clone(&run.control);
            input.start(firesteel_connect::Wake::new(move || control.wake()))?;
        }
        for output in &mut run.parts.outputs {
            run.last_epoch = run.last_epoch.max(output.start()?.unwrap_or_default());
        }
        Ok(run)
    }

    fn announce(&self) {
        let (guarantee, guarantee_reason) = crate::guarantee::of(&self.parts.inputs, &self.parts.outputs);
        let inputs = self.parts.inputs.iter().map(|input| (Arc::clone(input.name()), input.describe())).collect();
        let outputs = self.parts.outputs.iter().zip(&self.names);
        let outputs = outputs.map(|(output, name)| (Arc::clone(name), output.describe())).collect();
        let info = JobInfo { job: Arc::clone(&self.job), inputs, outputs, guarantee, guarantee_reason };
        tracing::info!(job = %info.job, guarantee = %info.guarantee, reason = %info.guarantee_reason, "the job starts");
        for listener in &self.config.listeners {
            listener.on_start(&info);
        }
    }

    /// The run so far, in numbers.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let elapsed = self.config.clock.monotonic().saturating_sub(self.started);
        Summary { elapsed_us: micros(elapsed), ..self.summary.clone() }
    }

    /// Runs one micro-batch of what there is, be it nothing.
    ///
    /// # Errors
    /// When the batch fails; the job is over then.
    pub fn next_batch(&mut self) -> Result<BatchProgress> {
        match self.step(Bound::Open, true)? {
            Step::Done(progress) => Ok(*progress),
            Step::Idle { .. } => Err(Error::Thread { what: "a forced batch did not run".to_owned() }),
        }
    }

    /// Runs the last micro-batch: behind it no event can come, so all windows close.
    ///
    /// # Errors
    /// When the batch fails.
    pub fn last_batch(&mut self) -> Result<BatchProgress> {
        let admission = self.admission(Bound::Open);
        let admitted = self.admit(&admission)?;
        self.process(&admission, &admitted, true, self.config.clock.monotonic())
    }

    pub(super) fn admission(&self, bound: Bound) -> Admission {
        let now = Timestamp::from_micros(i64::try_from(self.config.clock.wall().as_micros()).unwrap_or(i64::MAX));
        Admission { now, limits: self.config.limits, bound, executors: self.context.executors() }
    }

    pub(super) fn admit(&mut self, admission: &Admission) -> Result<Vec<Admitted>> {
        let (control, draining) = (&self.control, self.draining);
        let admit = |input: &mut Box<dyn Input>| {
            if draining && input.replay() == Replay::Always {
                return Ok(Admitted { drained: true, ..Admitted::default() });
            }
            ask(control, || input.admit(admission))
        };
        self.parts.inputs.iter_mut().map(admit).collect()
    }

    pub(super) fn step(&mut self, bound: Bound, force: bool) -> Result<Step> {
        let begun = self.config.clock.monotonic();
        let admission = self.admission(bound);
        let admitted = self.admit(&admission)?;
        let something = admitted.iter().any(|input| input.ranges > 0);
        if !something && !force && !self.parts.trackers.iter().any(|tracker| tracker.can_advance(admission.now)) {
            let complete = admitted.iter().all(|input| input.complete);
            let drained = admitted.iter().all(|input| input.drained);
            return Ok(Step::Idle { complete, drained });
        }
        self.process(&admission, &admitted, false, begun).map(|progress| Step::Done(Box::new(progress)))
    }

    fn process(
        &mut self,
        admission: &Admission,
        admitted: &[Admitted],
        ending: bool,
        begun: std::time::Duration,
    ) -> Result<BatchProgress> {
        self.batch += 1;
        self.last_epoch = Epoch(self.last_epoch.0 + 1);
        let epoch = self.last_epoch;
        for tracker in &self.parts.trackers {
            let of = |names: fn(&Admitted) -> &Vec<Arc<str>>| {
                tracker.inputs.iter().filter_map(|input| admitted.get(*input)).flat_map(names).cloned()
            };
            tracker.begin(admission.now, of(|input| &input.waiting), of(|input| &input.finished), ending);
        }
        let records = admitted.iter().map(|input| if input.ranges == 0 { Some(0) } else { input.records }).sum();
        let records: Option<u64> = records;
        let small = records.is_some_and(|records| records < SMALL_BATCH);
        let parallelism = self.config.partitions.unwrap_or(if small { 1 } else { admission.executors });
        let context = self.context.with_parallelism(parallelism);
        let batch = Batch { id: self.batch, time: admission.now, context };
        let admitted_at = self.config.clock.monotonic();
        let written = self.write(&batch, epoch)?;
        let written_at = self.config.clock.monotonic();
        self.commit(epoch)?;
        let committed_at = self.config.clock.monotonic();
        Ok(self.settle(&batch, epoch, written, [begun, admitted_at, written_at, committed_at]))
    }

    fn write(&mut self, batch: &Batch, epoch: Epoch) -> Result<Vec<Written>> {
        let mut written = Vec::with_capacity(self.parts.outputs.len());
        for index in 0..self.parts.outputs.len() {
            match self.parts.outputs[index].write(batch, epoch) {
                Ok(done) => {
                    self.set_aside(&done.dead_letters);
                    written.push(done);
                }
                Err(error) => {
                    for output in &mut self.parts.outputs[..=index] {
                        output.abort(epoch);
                    }
                    return Err(error);
                }
            }
        }
        Ok(written)
    }

    fn set_aside(&self, letters: &[DeadLetter]) {
        for DeadLetter(blame) in letters {
            tracing::warn!(job = %self.job, %blame, "a record was set aside because user code panicked on it");
            self.dead_letters.emit(RecordError {
                operator: blame.operator.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string),
                split: blame.origin.clone(),
                position: blame.position,
                error: blame.cause.clone(),
            });
        }
    }

    fn commit(&mut self, epoch: Epoch) -> Result<()> {
        for (output, name) in self.parts.outputs.iter_mut().zip(&self.names) {
            let mut attempt = 0;
            while let Err(source) = output.commit(epoch) {
                if source.class() == Class::Closed {
                    tracing::info!(job = %self.job, sink = %name, "the job ends: {source}");
                    self.control.stop(Stop::Gracefully);
                    break;
                }
                attempt += 1;
                if source.class() != Class::Retryable || attempt >= COMMIT_ATTEMPTS {
                    return Err(Error::Sink { name: name.to_string(), batch: self.batch, source });
                }
                self.control.wait_for_stop(pause(attempt));
            }
        }
        Ok(())
    }

    fn settle(
        &mut self,
        batch: &Batch,
        epoch: Epoch,
        written: Vec<Written>,
        [begun, admitted, processed, committed]: [std::time::Duration; 4],
    ) -> BatchProgress {
        let reached: Vec<_> = self.parts.trackers.iter().map(|tracker| tracker.end()).collect();
        let watermark = reached.into_iter().min().filter(|watermark| *watermark != Timestamp::MIN);
        let inputs: Vec<_> = self.parts.inputs.iter_mut().map(|input| input.settle()).collect();
        for input in &mut self.parts.inputs {
            input.committed();
        }
        let outputs = written.iter().zip(&self.names);
        let outputs: Vec<_> =
            outputs.map(|(written, name)| OutputProgress { name: Arc::clone(name), rows: written.rows }).collect();
        let dead_letters: Vec<_> =
            written.iter().flat_map(|written| &written.dead_letters).map(ToString::to_string).collect();
        let rows_in = inputs.iter().map(|input| input.rows).sum();
        let rows_out = outputs.iter().map(|output| output.rows).sum();
        let total_us = micros(committed.saturating_sub(begun));
        let progress = BatchProgress {
            job: Arc::clone(&self.job),
            batch: batch.id,
            epoch,
            time: batch.time,
            inputs,
            rows_in,
            outputs,
            rows_out,
            input_rows_per_second: per_second(rows_in, total_us),
            durations: Durations {
                admit_us: micros(admitted.saturating_sub(begun)),
                process_us: micros(processed.saturating_sub(admitted)),
                commit_us: micros(committed.saturating_sub(processed)),
                total_us,
            },
            watermark,
            windows: self.parts.fired.iter().map(|fired| fired.take().len()).sum(),
            late: counted(&self.parts.counters, What::Late),
            malformed: counted(&self.parts.counters, What::Malformed),
            dead_letters,
        };
        self.tell(&progress);
        progress
    }

    fn tell(&mut self, progress: &BatchProgress) {
        self.summary.batches += 1;
        self.summary.rows_in += progress.rows_in;
        self.summary.rows_out += progress.rows_out;
        self.summary.windows += progress.windows;
        self.summary.late += progress.late;
        self.summary.malformed += progress.malformed;
        self.summary.dead_letters += progress.dead_letters.len() as u64;
        tracing::debug!(
            job = %self.job,
            batch = progress.batch,
            rows_in = progress.rows_in,
            rows_out = progress.rows_out,
            total_us = progress.durations.total_us,
            late = progress.late,
            malformed = progress.malformed,
            "a batch is committed"
        );
        for listener in &self.config.listeners {
            listener.on_batch(progress);
        }
    }
}

impl Drop for JobRun {
    /// A run that is given up leaves nothing behind that runs on.
    fn drop(&mut self) {
        if !self.closed
            && let Err(error) = self.close(Ok(()))
        {
            tracing::warn!(job = %self.job, %error, "a sink could not be closed");
        }
    }
}

/// Repeats what failed for a passing reason.
fn ask<T>(control: &Control, mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut attempt = 0;
    loop {
        match call() {
            Err(Error::Source { source, name }) if is_retryable(&source) && attempt < COMMIT_ATTEMPTS => {
                attempt += 1;
                tracing::warn!(source = %name, error = %source, attempt, "a source failed and is asked again");
                control.wait_for_stop(pause(attempt));
                if control.stopping().is_some() {
                    return Err(Error::Source { source, name });
                }
            }
            other => return other,
        }
    }
}

fn is_retryable(error: &ConnectError) -> bool {
    error.class() == Class::Retryable
}

/// The pause before an attempt: 100 ms, doubling.
fn pause(attempt: u32) -> std::time::Duration {
    std::time::Duration::from_millis(50 << attempt.min(8))
}

fn counted(counters: &[Counted], what: What) -> u64 {
    counters.iter().filter(|counter| counter.what == what).map(|counter| counter.count.take()).sum()
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for JobRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobRun").field("job", &self.job).field("batch", &self.batch).finish_non_exhaustive()
    }
}
