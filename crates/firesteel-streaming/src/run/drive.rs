//! Running a job by its trigger until it ends, and ending it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use firesteel_connect::Replay;
use firesteel_faults::fail_point;
use firesteel_window::Duration;

use crate::calls::Of;
use crate::error::{Error, Result};
use crate::plan::Bound;
use crate::progress::{Summary, tell};
use crate::run::batch_loop::{JobRun, Step};
use crate::run::commit::panicked;
use crate::run::{Schedule, Stop};

/// How long the loop waits for data when no source wakes it.
const POLL: Duration = Duration::millis(10);

impl JobRun {
    /// Drives the job until it ends.
    pub(crate) fn drive(mut self, schedule: Schedule) -> Result<Summary> {
        let ended =
            catch_unwind(AssertUnwindSafe(|| self.batches(schedule))).unwrap_or_else(|panic| Err(panicked(&*panic)));
        // A batch that was cut off has left something behind: its epoch is not committed.
        let is_whole = ended.is_ok() || self.interrupted;
        let ended = match ended {
            // What was given up because the job is to stop is no failure.
            Err(_) if self.interrupted => Ok(()),
            Err(error) if self.control.stopping() == Some(Stop::AtOnce) && error.is_cancellation() => Ok(()),
            ended => ended,
        };
        let ended = if is_whole { ended.and_then(|()| self.end_epoch()) } else { ended };
        let ended = self.close(ended);
        let summary = self.summary();
        // Where a call was abandoned, that has been told.
        self.control.calls.check()?;
        if let Err(error) = &ended {
            tracing::error!(target: "firesteel::job", job = %self.job, %error, "the job has failed");
        }
        tell(&self.config.listeners, |listener| listener.on_end(&summary, ended.as_ref().err()));
        ended.map(|()| summary)
    }

    fn batches(&mut self, Schedule { bound, interval }: Schedule) -> Result<()> {
        let clock = Arc::clone(&self.config.clock);
        let control = Arc::downgrade(&self.control);
        let moved: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            if let Some(control) = control.upgrade() {
                control.clock_moved();
            }
        });
        clock.on_move(Arc::downgrade(&moved));
        let mut due = clock.monotonic();
        loop {
            for asked in self.control.take_asked() {
                // Nobody may be waiting any more.
                _ = asked.answer.send(self.savepoint(&asked.folder));
            }
            match self.control.stopping() {
                Some(Stop::AtOnce) => return Ok(()),
                Some(Stop::Gracefully) => return self.drain_receivers(),
                None => {}
            }
            self.control.calls.check()?;
            self.look_at_commit()?;
            // What is left of a batch does not wait for the next.
            if let Some(interval) = interval.filter(|_| self.left.is_none()) {
                let (now, moves) = self.control.look(&*clock);
                if now < due {
                    self.finish_commit()?;
                    self.control.wait_for_clock(moves, due - now);
                    continue;
                }
                // Missed ticks are not made up for.
                due += interval * ((now - due).as_micros() / interval.as_micros() + 1);
            }
            match self.step(bound, false)? {
                Step::Done(_) if bound == Bound::Once && self.left.is_none() => return self.finish_if_complete(),
                Step::Done(_) => {}
                Step::Idle { .. } if self.epoch_is_due() => self.end_epoch()?,
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
            // What a stop leaves fires when the job resumes.
            while let (Some(left), None) = (self.left, self.control.stopping()) {
                self.continue_batch(left)?;
            }
        }
        Ok(())
    }

    /// What receivers have stored would be lost: it is processed before the job ends.
    fn drain_receivers(&mut self) -> Result<()> {
        self.draining = true;
        let mut receives = false;
        for input in self.parts.inputs.iter_mut().filter(|input| input.replay() == Replay::WhileRunning) {
            input.stop();
            receives = true;
        }
        if self.left.is_some() && !receives {
            // What is left fires when the job resumes.
            return Ok(());
        }
        while self.control.stopping() != Some(Stop::AtOnce) {
            if let Step::Idle { .. } = self.step(Bound::Open, false)? {
                break;
            }
        }
        Ok(())
    }

    /// The last calls, in this order: the sinks commit what is under way; what is open is thrown away; sources are stopped;
    /// the checkpoint is closed; sinks are stopped. Each is made whatever has become of those before it, and the first that fails
    /// is why the job has failed; but after a call that was abandoned there is none, and of who is fenced none to a sink.
    pub(super) fn close(&mut self, ended: Result<()>) -> Result<()> {
        self.closed = true;
        self.control.end();
        let ended = self.last_calls(ended);
        self.control.calls.rest();
        ended
    }

    fn last_calls(&mut self, ended: Result<()>) -> Result<()> {
        // What has begun to become visible becomes visible as a whole, whatever has become of the epoch after it.
        let finished = self.finish_commit();
        let mut ended = ended.and(finished);
        self.abandon_epoch();
        for input in &mut self.parts.inputs {
            self.control.calls.check()?;
            let _watched = self.control.calls.watch(Of::Source, &input.name(), "stop");
            input.stop();
        }
        self.control.calls.check()?;
        if let Some(durable) = &mut self.durable {
            ended = ended.and_then(|()| durable.close(&self.parts.stores()));
            fail_point!("job.closed");
        }
        for (output, name) in self.parts.outputs.iter_mut().zip(self.names.iter()).filter(|_| !self.is_fenced) {
            self.control.calls.check()?;
            let _watched = self.control.calls.watch(Of::Sink, name, "stop");
            if let Err(source) = output.stop() {
                let failed = Error::Sink { name: name.to_string(), batch: self.batch, source };
                ended = ended.and(Err(failed));
            }
        }
        self.control.calls.check()?;
        ended
    }
}
