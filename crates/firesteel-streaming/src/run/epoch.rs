//! Epochs: micro-batches that are committed together.
//!
//! Without a checkpoint every batch is an epoch of its own. With one, an epoch ends when enough time has passed, when
//! too many batches have gathered, when state needs its memory, or when the job ends.

use std::collections::BTreeSet;
use std::mem::take;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use firesteel_connect::{Class, Epoch, RunId};
use firesteel_faults::{alterable, fail_point, in_order};
use firesteel_state::changelog::{BatchBoundary, InputRange};
use firesteel_state::cursor::{Counted, SinkCursor, TimersLeft};
use firesteel_state::{CommitName, StateStore};
use firesteel_window::{Duration, Timestamp};

use crate::calls::Of;
use crate::checkpoint::{Cursor, EpochEnd, Plan, Unfinished, commit_id, gather};
use crate::error::{Error, Result};
use crate::plan::{Admitted, Batch, Output, Parts};
use crate::run::batch_loop::{Cut, JobRun};
use crate::run::commit::{BESIDE, panicked};
use crate::time::Tracker;

/// An epoch whose batches are computed and not committed.
pub(super) struct OpenEpoch {
    pub(super) epoch: Epoch,
    /// What its batches read, for a repetition of exactly the same; nothing without a checkpoint.
    boundaries: Vec<BatchBoundary>,
    plans: Vec<Plan>,
    batches: usize,
    /// The processing time of its last batch.
    time: Timestamp,
}

/// What an epoch knows of where it ends.
struct At<'a> {
    epoch: Epoch,
    batch: u64,
    left: Option<TimersLeft>,
    counted: Counted,
    /// Which start of the program computes it.
    run: RunId,
    sink_names: &'a [String],
}

/// What ends an epoch, in this order.
#[derive(Clone, Copy)]
enum Step {
    /// The record of what it read and changed is on disk: whatever happens, the epoch can be run again.
    Prepare,
    /// Snapshots have what they need of the state: the next epoch may change it from here on.
    Collect,
    /// Every sink has it.
    Commit,
    /// It is never run again, and backend and snapshots may have it.
    Mark,
    /// Sources may forget what it read.
    Tell,
}

impl Step {
    const ALL: [Self; 5] = [Self::Prepare, Self::Collect, Self::Commit, Self::Mark, Self::Tell];
}

/// An epoch that is prepared, and whose sinks commit while the batches of the next one compute.
pub(super) struct Beside {
    pub(super) epoch: Epoch,
    time: Timestamp,
    /// What is left to do when they have.
    rest: Vec<Step>,
    /// Returns how long they took.
    commit: JoinHandle<Result<Duration>>,
}

/// Batches of an epoch at most: what sinks have pending for them is in memory.
const BATCHES: usize = 1000;

impl JobRun {
    /// The epoch of the next batch.
    pub(super) fn open_epoch(&mut self) -> Epoch {
        let ended = self.beside.as_ref().map_or(self.last_epoch, |beside| beside.epoch);
        let next = Epoch(ended.0 + 1);
        let open = self.epoch.get_or_insert_with(|| OpenEpoch {
            epoch: next,
            boundaries: Vec::new(),
            plans: Vec::new(),
            batches: 0,
            time: Timestamp::EPOCH,
        });
        open.epoch
    }

    /// Takes note of a batch of the epoch.
    pub(super) fn note_batch(&mut self, batch: &Batch, admitted: &[Admitted], cut: Cut, ranges: Vec<InputRange>) {
        let Some(open) = &mut self.epoch else { return };
        open.batches += 1;
        open.time = batch.time();
        if self.durable.is_some() {
            open.boundaries.push(BatchBoundary { batch: batch.id(), time: batch.time(), inputs: ranges });
            let inputs = self.parts.inputs.iter().zip(admitted);
            let inputs = inputs.map(|(input, admitted)| {
                (input.name().to_string(), admitted.waiting.clone(), admitted.finished.clone())
            });
            let parallelism = u32::try_from(batch.context().parallelism()).unwrap_or(u32::MAX);
            let Cut { ending, continues, .. } = cut;
            open.plans.push(Plan { parallelism, ending, continues, inputs: inputs.collect() });
        }
    }

    /// Whether the open epoch, if there is one, ends now.
    pub(super) fn epoch_is_due(&self) -> bool {
        let (Some(open), Some(durable)) = (&self.epoch, &self.durable) else { return self.epoch.is_some() };
        let since = self.config.clock.monotonic().saturating_sub(self.epoch_ended);
        // Whatever else ends the epoch: what may leave memory does.
        let is_relieved = self.relieve();
        // While the sinks have not committed the epoch before, this one grows instead of waiting for them.
        open.batches >= BATCHES || !is_relieved || (since >= durable.interval && !self.is_committing())
    }

    /// Whether the sinks commit an epoch while the next one computes.
    fn is_committing(&self) -> bool {
        alterable("epoch.committing", self.beside.is_some())
    }

    /// Lets go of state that the backend holds, if there is too much in memory; `false` if that is not enough.
    fn relieve(&self) -> bool {
        let Some(durable) = &self.durable else { return true };
        if !durable.budget.is_exceeded() {
            return true;
        }
        // Without a backend there is nowhere to put it.
        durable.backend.is_none() || self.parts.states.iter().any(|(cell, _)| cell.store().relieve())
    }

    /// Commits the open epoch: its record is prepared, the sinks commit, it is marked. Where sinks take long, the last two
    /// come later, and what is returned is how the epoch before this one ended.
    pub(super) fn end_epoch(&mut self) -> Result<()> {
        self.end_epoch_as(None)
    }

    /// As [`end_epoch`](Self::end_epoch). An epoch that was prepared before a restart need not be prepared again.
    pub(super) fn end_epoch_as(&mut self, mut again: Option<Unfinished>) -> Result<()> {
        self.control.calls.check()?;
        if self.epoch.is_none() {
            return Ok(());
        }
        // No more than one is prepared and not marked.
        if self.is_committing() {
            self.finish_commit()?;
        }
        let Some(mut open) = self.epoch.take() else { return Ok(()) };
        let (epoch, time) = (open.epoch, open.time);
        self.end_inputs().inspect_err(|_| self.abort(epoch))?;
        let beside = alterable("epoch.beside", self.commit_took >= BESIDE) && again.is_none();
        let mut steps = in_order("epoch.steps", Step::ALL);
        while let Some(step) = steps.next() {
            self.control.calls.check()?;
            match step {
                Step::Prepare => {
                    let prepared = self.prepare_epoch(&mut open, again.take());
                    prepared.inspect_err(|_| self.abort(epoch))?;
                    fail_point!("epoch.prepared");
                }
                Step::Collect => {
                    let collected = self.follow(step, epoch, time);
                    collected.inspect_err(|_| self.abort(epoch))?;
                }
                Step::Commit => {
                    let (clock, outputs) = (&self.config.clock, self.parts.outputs.iter_mut());
                    if beside {
                        let staged = outputs.map(|output| output.hand_over()).collect();
                        let committer = self.committer.clone();
                        let commit = committer.commit_beside(Arc::clone(clock), epoch, self.batch, staged)?;
                        self.beside = Some(Beside { epoch, time, rest: steps.collect(), commit });
                        break;
                    }
                    let begun = clock.monotonic();
                    let committed = self.committer.commit(epoch, self.batch, outputs.map(|output| output.staged()));
                    let took = clock.monotonic().saturating_sub(begun);
                    self.note_fenced(committed)?;
                    self.committed(took);
                }
                Step::Mark | Step::Tell => self.follow(step, epoch, time)?,
            }
        }
        self.epoch_ended = self.config.clock.monotonic();
        Ok(())
    }

    /// The inputs end an epoch where they stand.
    fn end_inputs(&mut self) -> Result<()> {
        let keeps = self.durable.is_some();
        self.parts.inputs.iter_mut().try_for_each(|input| {
            let _watched = self.control.calls.watch(Of::Source, &input.name(), "notes");
            input.end_epoch(keeps)
        })?;
        self.parts.tables.iter().try_for_each(|table| table.end_epoch(keeps))
    }

    /// Takes a step that needs nothing of the epoch but what is prepared.
    fn follow(&mut self, step: Step, epoch: Epoch, time: Timestamp) -> Result<()> {
        match step {
            Step::Collect => self.durable.as_mut().map_or(Ok(()), |durable| durable.collect(&self.parts.stores())),
            Step::Mark => self.mark_epoch(epoch, time),
            Step::Tell => {
                self.tell_sources();
                Ok(())
            }
            Step::Prepare | Step::Commit => Ok(()),
        }
    }

    /// Takes note that another process has taken over, if a sink says so.
    pub(super) fn note_fenced<T>(&mut self, committed: Result<T>) -> Result<T> {
        self.is_fenced |= committed.as_ref().is_err_and(|error| error.class() == Class::Fenced);
        committed
    }

    /// Takes note that all sinks have committed, and how long they took.
    fn committed(&mut self, took: Duration) {
        self.commit_took = took;
        fail_point!("epoch.committed");
    }

    /// Does what is left for the epoch whose sinks have committed beside, if there is one and they have.
    pub(super) fn look_at_commit(&mut self) -> Result<()> {
        let has_ended = self.beside.as_ref().is_some_and(|beside| beside.commit.is_finished());
        if has_ended { self.finish_commit() } else { Ok(()) }
    }

    /// The same for the epoch whose sinks commit beside, when they have: waits for them. If one fails, so does the job.
    pub(super) fn finish_commit(&mut self) -> Result<()> {
        let Some(Beside { epoch, time, rest, commit }) = self.beside.take() else { return Ok(()) };
        let committed = commit.join().unwrap_or_else(|panic| Err(panicked(&*panic)));
        let finished = self.note_fenced(committed).and_then(|took| {
            self.committed(took);
            rest.into_iter().try_for_each(|step| self.follow(step, epoch, time))
        });
        match finished {
            Ok(()) => self.tell_untold(),
            Err(_) => self.failed = Some(self.batch),
        }
        finished
    }

    fn abort(&mut self, epoch: Epoch) {
        for output in &mut self.parts.outputs {
            // Whoever has been left without an answer, or is another's by now, touches nothing any more.
            if self.is_fenced || self.control.calls.is_abandoned() {
                return;
            }
            output.staged().abort(epoch);
        }
    }

    /// Tells the sources what they may forget.
    fn tell_sources(&mut self) {
        self.parts.tables.iter().for_each(|table| table.committed());
        let is_final = self.mark_for_sources();
        for input in self.parts.inputs.iter_mut().filter(|input| is_final || !input.forgets()) {
            let _watched = self.control.calls.watch(Of::Source, &input.name(), "committed");
            input.committed();
        }
    }

    /// Writes the mark now where a source is about to forget what it covers: a sink that cannot tell what it has would
    /// have the epoch run again after a restart. Tells whether no restart will.
    fn mark_for_sources(&mut self) -> bool {
        let Some(durable) = &mut self.durable else { return true };
        if !alterable("epoch.forgets", self.parts.inputs.iter().any(|input| input.forgets())) {
            return true;
        }
        let marked = durable.log.sync_mark();
        if let Err(error) = &marked {
            tracing::warn!(job = %self.job, %error, "a source keeps what is committed until the mark can be written");
        }
        marked.is_ok()
    }

    /// Writes down what the epoch read and changed.
    fn prepare_epoch(&mut self, open: &mut OpenEpoch, again: Option<Unfinished>) -> Result<()> {
        self.parts.trackers.iter().for_each(|tracker| tracker.settle_over());
        let Some(durable) = &self.durable else {
            self.parts.stores().iter().for_each(|store| store.pass_epoch(open.epoch.0));
            self.parts.inputs.iter_mut().for_each(|input| input.drop_changes());
            return Ok(());
        };
        let (epoch, boundaries, plans) = (open.epoch, take(&mut open.boundaries), take(&mut open.plans));
        let (batch, left, counted) = (self.batch, self.left, self.counted);
        let at = At { epoch, batch, left, counted, run: self.run, sink_names: &self.sink_names };
        let changed = self.parts.changes(&durable.cursor, at, plans);
        let states: Vec<_> = self.parts.states.iter().map(|(cell, _)| cell).collect();
        let frames = gather(&states, epoch.0, durable.changed_bytes, &self.context)?;
        fail_point!("epoch.collected");
        let ending = EpochEnd { epoch: epoch.0, boundaries, changed, frames };
        match (&mut self.durable, again) {
            (Some(durable), None) => durable.prepare(ending),
            (Some(durable), Some(again)) => durable.prepare_again(ending, again),
            (None, _) => Ok(()),
        }
    }

    /// Takes note that all sinks have the epoch.
    fn mark_epoch(&mut self, epoch: Epoch, time: Timestamp) -> Result<()> {
        if let Some(durable) = &mut self.durable {
            durable.mark(time, &self.parts.stores())?;
        }
        fail_point!("epoch.ended");
        self.last_epoch = epoch;
        self.uncommitted.retain(|(uncommitted, _)| *uncommitted > epoch);
        Ok(())
    }

    /// Gives up the open epoch: a job that is started again resumes after the last one.
    pub(super) fn abandon_epoch(&mut self) {
        // A sink that commits is not told to throw something away meanwhile.
        if let Err(error) = self.finish_commit() {
            tracing::warn!(job = %self.job, %error, "the epoch before could not be committed either");
        }
        if let Some(open) = self.epoch.take() {
            self.abort(open.epoch);
        }
    }

    /// Ends the epoch and writes a copy of the checkpoint that stands alone; returns the epoch.
    ///
    /// # Errors
    /// When the job has no checkpoint, the epoch cannot be committed, or the copy cannot be written.
    pub fn savepoint(&mut self, folder: impl AsRef<Path>) -> Result<Epoch> {
        let folder = folder.as_ref();
        if self.durable.is_none() {
            return Err(Error::Setting {
                what: format!("savepoint {}", folder.display()),
                reason: "the job has no checkpoint: give its builder one with `checkpoint`".to_owned(),
            });
        }
        self.end_epoch()?;
        self.finish_commit()?;
        fail_point!("savepoint.begin");
        let stores = self.parts.stores();
        if let Some(durable) = &self.durable {
            durable.savepoint(folder, self.last_epoch.0, &stores)?;
        }
        Ok(self.last_epoch)
    }
}

impl Parts {
    /// What operators hold back of the watermark.
    pub(super) fn held(&self) -> impl Iterator<Item = &Tracker> {
        self.nodes.iter().filter_map(|node| node.held.as_deref())
    }

    /// All watermarks that outlive a batch.
    fn watermarks(&self) -> impl Iterator<Item = &Tracker> {
        self.trackers.iter().chain(&self.merged).map(|tracker| &**tracker)
    }

    /// The stores of all operators with state.
    pub(super) fn stores(&self) -> Vec<&dyn StateStore> {
        self.states.iter().map(|(cell, _)| cell.store()).collect()
    }

    /// What an epoch changed of how far the job has come.
    fn changes(&mut self, before: &Cursor, at: At<'_>, plans: Vec<Plan>) -> Cursor {
        let At { epoch, batch, left, counted, run, sink_names } = at;
        let (epoch, checkpoint) = (epoch.0, before.checkpoint);
        let mut cursor = Cursor {
            checkpoint: before.checkpoint,
            program: before.program,
            epoch,
            begun: before.begun,
            batch,
            counted,
            left,
            owned: before.owned,
            commit: name_of(epoch, run, before),
            follows: before.commit,
            ..Cursor::default()
        };
        // Maps that are collected are sorted first, by code that each type of entry has anew; these are small.
        let with_rows = sink_names.iter().zip(&self.outputs).filter(|(_, output)| output.has_rows());
        let mark = |output: &dyn Output| SinkCursor { epoch, checkpoint, place: output.describe() };
        cursor.sinks.extend(with_rows.map(|(name, output)| (name.clone(), mark(&**output))));
        let numbers = &self.split_numbers;
        let mentioned = plans
            .iter()
            .flat_map(|plan| &plan.inputs)
            .flat_map(|(_, waiting, finished)| waiting.iter().chain(finished));
        let mentioned: BTreeSet<u32> = mentioned.copied().collect();
        cursor.planned.extend(mentioned.into_iter().filter_map(|number| Some((number, numbers.name(number)?))));
        cursor.plans = plans;
        cursor.watermarks.extend(self.watermarks().map(|tracker| (tracker.name().to_string(), tracker.save())));
        cursor.gone.extend(self.allowances().map(|(name, allowance)| (name.to_owned(), allowance.save())));
        cursor.keys.extend(self.states.iter().map(|(cell, _)| (cell.declared().operator, cell.keys())));
        // Last, since splits that are gone lose their numbers.
        cursor.inputs.extend(self.inputs.iter_mut().map(|input| (input.name().to_string(), input.changes())));
        cursor
    }
}

/// A name for the commit of an epoch that this start of the program computes, which no other one has.
fn name_of(epoch: u64, run: RunId, before: &Cursor) -> CommitName {
    let bits = run.to_bits();
    let id = commit_id(bits as u64 ^ (bits >> 64) as u64, epoch);
    CommitName { term: before.owned.map_or(0, |owned| owned.term), id: id.max(1) }
}
