//! The batch loop: admit, compute, commit, report; again.

use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, Epoch, Replay};
use firesteel_core::{Clock, Context, DeadLetter};
use firesteel_window::Timestamp;

use crate::batch::Batch;
use crate::context::Config;
use crate::error::{Error, Result};
use crate::graph::{Counted, Parts, What};
use crate::input::{Admission, Admitted, Bound};
use crate::output::Written;
use crate::progress::{BatchProgress, Durations, JobInfo, OutputProgress, Summary, per_second};
use crate::run::{Control, Stop, Trigger};
use crate::stream::{RecordError, SideOutput};

/// A job that has been started and is advanced batch by batch.
///
/// [`StreamingContext::run`](crate::StreamingContext::run) drives it by a trigger; tests drive it by hand, on virtual
/// time.
pub struct JobRun {
    job: Arc<str>,
    parts: Parts,
    names: Vec<Arc<str>>,
    context: Context,
    config: Arc<Config>,
    control: Arc<Control>,
    dead_letters: SideOutput<RecordError>,
    batch: u64,
    started: std::time::Duration,
    summary: Summary,
    ended: bool,
}

/// What came of looking for work.
enum Step {
    Done(Box<BatchProgress>),
    /// Nothing to read. `complete`: nothing will ever come. `drained`: nothing left that the trigger asks for.
    Idle {
        complete: bool,
        drained: bool,
    },
}

/// The interval of a trigger, which must be more than nothing.
fn std_interval(interval: firesteel_window::Duration) -> Result<std::time::Duration> {
    std::time::Duration::try_from(interval).ok().filter(|interval| !interval.is_zero()).ok_or_else(|| Error::Setting {
        what: "Trigger::Every".to_owned(),
        reason: format!("the interval is {interval}; it must be longer than zero"),
    })
}

/// How often a commit is tried when the sink says that trying again may help.
const COMMIT_ATTEMPTS: u32 = 5;
/// How long the loop waits for data when no source wakes it.
const POLL: std::time::Duration = std::time::Duration::from_millis(10);
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
            started,
            summary: Summary::default(),
            ended: false,
        };
        run.announce();
        for input in &mut run.parts.inputs {
            let control = Arc::clone(&run.control);
            input.start(firesteel_connect::Wake::new(move || control.wake()))?;
        }
        for output in &mut run.parts.outputs {
            output.start()?;
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

    fn admission(&self, bound: Bound) -> Admission {
        let now = Timestamp::from_micros(i64::try_from(self.config.clock.wall().as_micros()).unwrap_or(i64::MAX));
        Admission { now, limits: self.config.limits, bound, executors: self.context.executors() }
    }

    fn admit(&mut self, admission: &Admission) -> Result<Vec<Admitted>> {
        self.parts.inputs.iter_mut().map(|input| self_retry(&self.control, || input.admit(admission))).collect()
    }

    fn step(&mut self, bound: Bound, force: bool) -> Result<Step> {
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
        let epoch = Epoch(self.batch);
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

    /// Drives the job until it ends.
    pub(crate) fn drive(mut self, trigger: Trigger) -> Result<Summary> {
        let ended = self.batches(trigger);
        let ended = match ended {
            // A batch that was cancelled because the job is to stop at once is no failure.
            Err(Error::Batch { source: firesteel_core::Error::Cancelled { .. }, .. })
                if self.control.stopping() == Some(Stop::AtOnce) =>
            {
                Ok(())
            }
            ended => ended,
        };
        let ended = self.close(ended);
        let summary = self.summary();
        if let Err(error) = &ended {
            tracing::error!(job = %self.job, %error, "the job has failed");
        }
        for listener in &self.config.listeners {
            listener.on_end(&summary, ended.as_ref().err());
        }
        ended.map(|()| summary)
    }

    fn batches(&mut self, trigger: Trigger) -> Result<()> {
        let (bound, interval) = match trigger {
            Trigger::AsSoonAsPossible => (Bound::Open, None),
            Trigger::Every(interval) => (Bound::Open, Some(std_interval(interval)?)),
            Trigger::AvailableNow => (Bound::AvailableNow, None),
            Trigger::Once => (Bound::Once, None),
        };
        let mut due = self.config.clock.monotonic();
        loop {
            match self.control.stopping() {
                Some(Stop::AtOnce) => return Ok(()),
                Some(Stop::Gracefully) => return self.drain_receivers(),
                None => {}
            }
            if let Some(interval) = interval {
                let now = self.config.clock.monotonic();
                if now < due {
                    self.control.wait_for_stop(due - now);
                    continue;
                }
                // Missed ticks are not made up for.
                due += interval * u32::try_from((now - due).as_nanos() / interval.as_nanos() + 1).unwrap_or(1);
            }
            match self.step(bound, false)? {
                Step::Done(_) if bound == Bound::Once => return self.finish_if_complete(),
                Step::Done(_) => {}
                Step::Idle { complete: true, .. } => return self.finish(),
                Step::Idle { drained: true, .. } if bound != Bound::Open => return Ok(()),
                Step::Idle { .. } if interval.is_some() => drop(self.next_batch()?),
                Step::Idle { .. } => self.control.wait(POLL),
            }
        }
    }

    fn finish_if_complete(&mut self) -> Result<()> {
        let admission = self.admission(Bound::Open);
        let complete = self.admit(&admission)?.iter().all(|input| input.complete);
        if complete { self.finish() } else { Ok(()) }
    }

    /// All sources have ended: the last windows close.
    fn finish(&mut self) -> Result<()> {
        if !self.parts.trackers.is_empty() && !std::mem::replace(&mut self.ended, true) {
            self.last_batch()?;
        }
        Ok(())
    }

    /// What receivers have stored would be lost: it is processed before the job ends.
    fn drain_receivers(&mut self) -> Result<()> {
        let volatile = |input: &&mut Box<dyn crate::input::Input>| input.replay() == Replay::WhileRunning;
        let mut any = false;
        for input in self.parts.inputs.iter_mut().filter(volatile) {
            input.stop();
            any = true;
        }
        while any && self.control.stopping() != Some(Stop::AtOnce) {
            if let Step::Idle { .. } = self.step(Bound::AvailableNow, false)? {
                break;
            }
        }
        Ok(())
    }

    fn close(&mut self, ended: Result<()>) -> Result<()> {
        for input in &mut self.parts.inputs {
            input.stop();
        }
        let mut ended = ended;
        for (output, name) in self.parts.outputs.iter_mut().zip(&self.names) {
            if let Err(source) = output.stop() {
                let failed = Error::Sink { name: name.to_string(), batch: self.batch, source };
                ended = ended.and(Err(failed));
            }
        }
        ended
    }
}

/// Repeats what failed for a passing reason.
fn self_retry<T>(control: &Control, mut call: impl FnMut() -> Result<T>) -> Result<T> {
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
