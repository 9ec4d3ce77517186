//! What a run tells of itself: when it starts, and after each batch.

use std::mem::take;
use std::sync::Arc;

use firesteel_connect::Epoch;
use firesteel_core::{Clock, DeadLetter};
use firesteel_state::cursor::SplitName;
use firesteel_window::{Duration, Timestamp};

use crate::plan::{Admitted, Batch, Changed, PlanNode, Role, StateCell, StateChanges, What};
use crate::progress::{
    BatchProgress, Durations, HeldBy, InputProgress, JobInfo, OperatorProgress, OutputProgress, StateProgress, Summary,
    WaitingSplit, WatermarkProgress, micros, per_second, tell,
};
use crate::refused::KEPT;
use crate::run::JobRun;
use crate::time::Tracker;

/// What came of a batch.
pub(super) struct Processed {
    pub(super) epoch: Epoch,
    pub(super) ends_epoch: bool,
    pub(super) inputs: Vec<InputProgress>,
    pub(super) watermark: Option<Timestamp>,
    pub(super) watermarks: Vec<WatermarkProgress>,
    pub(super) written: Vec<u64>,
    pub(super) states: Vec<StateProgress>,
    pub(super) dead_letters: Vec<DeadLetter>,
}

impl JobRun {
    pub(super) fn announce(&self) {
        let survives = self.durable.is_some();
        let (guarantee, guarantee_reason) =
            crate::guarantee::of(&self.parts.inputs, &self.parts.outputs, &self.names, survives);
        let inputs = self.parts.inputs.iter().map(|input| (input.name(), input.describe())).collect();
        let outputs = self.parts.outputs.iter().zip(self.names.iter());
        let outputs = outputs.map(|(output, name)| (Arc::clone(name), output.describe())).collect();
        let info = JobInfo {
            job: Arc::clone(&self.job),
            inputs,
            outputs,
            guarantee,
            guarantee_reason,
            checkpoint: self.durable.as_ref().map(|durable| durable.folder.display().to_string()),
            resumed: self.resumed,
            durations: self.start_durations,
        };
        tracing::info!(job = %info.job, guarantee = %info.guarantee, reason = %info.guarantee_reason, "the job starts");
        tell(&self.config.listeners, |listener| listener.on_start(&info));
    }

    /// The run so far, in numbers.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let elapsed = self.config.clock.monotonic().saturating_sub(self.started);
        let mut summary = Summary { elapsed_us: micros(elapsed), ..self.summary.clone() };
        for (name, count) in self.parts.inputs.iter().flat_map(|input| input.counted()) {
            *summary.counts.entry(name).or_default() += count;
        }
        if self.closed {
            summary.uncommitted = self.uncommitted.iter().map(|(_, rows)| rows).sum();
            summary.rows_out -= summary.uncommitted;
        }
        summary
    }

    pub(super) fn progress(
        &mut self,
        batch: &Batch,
        done: Processed,
        [begun, admitted, processed, committed]: [Duration; 4],
    ) -> BatchProgress {
        let Processed { epoch, ends_epoch, inputs, watermark, watermarks, written, states, dead_letters } = done;
        let outputs = written.iter().zip(self.names.iter());
        let outputs: Vec<_> =
            outputs.map(|(rows, name)| OutputProgress { name: Arc::clone(name), rows: *rows }).collect();
        let operators = self.operators(&inputs, &written, &dead_letters);
        let late = operators.iter().map(|operator| operator.late).sum();
        let outside = operators.iter().map(|operator| operator.outside).sum();
        let unmatched = operators.iter().map(|operator| operator.unmatched).sum();
        let fired_early = operators.iter().map(|operator| operator.fired_early).sum();
        let fired_late = operators.iter().map(|operator| operator.fired_late).sum();
        let malformed = operators.iter().map(|operator| operator.malformed).sum();
        let rows_in = inputs.iter().map(|input| input.rows).sum();
        let rows_out = outputs.iter().map(|output| output.rows).sum();
        let total_us = micros(committed.saturating_sub(begun));
        let progress = BatchProgress {
            job: Arc::clone(&self.job),
            batch: batch.id,
            epoch,
            ends_epoch,
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
            watermarks,
            operators,
            states,
            tables: self.parts.tables.iter().map(|table| table.progress()).collect(),
            timers_left: self.left.is_some(),
            windows: self.parts.fired.iter().map(|fired| fired.take()).sum(),
            fired_early,
            fired_late,
            late,
            outside,
            unmatched,
            malformed,
            malformed_sample: self.parts.samples.iter().flat_map(|samples| samples.take()).take(KEPT).collect(),
            dead_letters: dead_letters.iter().map(ToString::to_string).collect(),
        };
        self.note(&progress);
        *self.control.summary.lock() = self.summary();
        if self.beside.is_some() {
            self.untold.push(progress.clone());
        } else {
            self.tell(&progress);
        }
        progress
    }

    /// How far event time has come, and who holds it back.
    pub(super) fn watermarks(
        &self,
        inputs: &[InputProgress],
        now: Timestamp,
        admitted: &[Admitted],
    ) -> Vec<WatermarkProgress> {
        let numbers = &self.parts.split_numbers;
        for tracker in &self.parts.trackers {
            let of = tracker.inputs.iter().filter_map(|input| inputs.get(*input));
            let read = of.flat_map(|input| {
                input.splits.iter().filter(|split| split.to > split.from).map(move |split| (input, split))
            });
            tracker.note_read(read.map(|(input, split)| numbers.of(&input.name, &split.split)));
        }
        let progress = |(id, tracker): (usize, &Tracker)| {
            let held_by = tracker.holder().map(|holder| {
                let since = holder.since.filter(|since| *since <= now);
                let (input, split) = holder.split.map(|name| (name.input.into(), name.split.into())).unzip();
                HeldBy {
                    operator: holder.operator,
                    input,
                    split,
                    latest: holder.latest,
                    since: holder.since,
                    silent_us: since.map_or(0, |since| micros(now - since)),
                    reason: holder.reason,
                }
            });
            let watermark = Some(tracker.current()).filter(|watermark| *watermark > Timestamp::MIN);
            let operator = Arc::clone(&self.operator_names[id]);
            let waiting = admitted.iter().flat_map(|input| &input.waiting);
            let ahead = waiting.filter_map(|number| Some((*number, *self.ahead.get(number)?)));
            let ahead = ahead.filter(|(number, _)| tracker.follows(*number));
            let waiting = ahead.filter_map(|(number, ahead)| {
                let SplitName { input, split } = numbers.name(number)?;
                Some(WaitingSplit { input: input.into(), split: split.into(), ahead_us: ahead.map(micros) })
            });
            let waiting = waiting.collect();
            WatermarkProgress { id, operator, watermark, held_by, idle: tracker.idle(), waiting }
        };
        let of_node = |(id, node): (usize, &PlanNode)| match node.role {
            Role::EventTime(tracker) => Some((id, Arc::clone(&self.parts.trackers[tracker]))),
            _ => node.merged.clone().map(|merged| (id, merged)),
        };
        let followed = self.parts.nodes.iter().enumerate().filter_map(of_node);
        followed.map(|(id, tracker)| progress((id, &tracker))).collect()
    }

    /// What went through each operator.
    fn operators(
        &self,
        inputs: &[InputProgress],
        written: &[u64],
        dead_letters: &[DeadLetter],
    ) -> Vec<OperatorProgress> {
        let (nodes, counts) = (&self.parts.nodes, self.program.rows().take());
        let rows = |id: usize| counts.get(id).copied().unwrap_or_default();
        let mut operators = Vec::with_capacity(nodes.len());
        operators.extend(nodes.iter().zip(&self.operator_names).enumerate().map(|(id, (node, name))| {
            let rows_in = match node.role {
                Role::Input(input) => inputs[input].rows,
                _ => node.parents.iter().map(|parent| rows(parent.index())).sum(),
            };
            let (operator, rows_out) = (Arc::clone(name), rows(id));
            let (fired_early, fired_late, malformed, dead_letters) = (0, 0, 0, 0);
            let (late, outside, unmatched) = (0, 0, 0);
            OperatorProgress {
                id,
                operator,
                rows_in,
                rows_out,
                late,
                outside,
                unmatched,
                fired_early,
                fired_late,
                malformed,
                dead_letters,
            }
        }));
        for (output, rows) in self.parts.outputs.iter().zip(written) {
            operators[output.node().index()].rows_out = *rows;
        }
        for counter in &self.parts.counters {
            let operator = &mut operators[counter.node.index()];
            match counter.what {
                What::Late => operator.late += counter.count.take(),
                What::Outside => operator.outside += counter.count.take(),
                What::Unmatched => operator.unmatched += counter.count.take(),
                What::FiredEarly => operator.fired_early += counter.count.take(),
                What::FiredLate => operator.fired_late += counter.count.take(),
                What::Malformed => operator.malformed += counter.count.take(),
            }
        }
        for DeadLetter(blame) in dead_letters {
            let blamed = |node: &PlanNode| blame.operator.as_ref().is_some_and(|by| by.is_same(&node.operator));
            if let Some(node) = nodes.iter().position(blamed) {
                operators[node].dead_letters += 1;
            }
        }
        operators.retain(|operator| self.shown[operator.id]);
        operators
    }

    fn note(&mut self, progress: &BatchProgress) {
        self.summary.batches += 1;
        self.summary.rows_in += progress.rows_in;
        self.summary.rows_out += progress.rows_out;
        if progress.epoch > self.last_epoch {
            match self.uncommitted.last_mut() {
                Some((epoch, rows)) if *epoch == progress.epoch => *rows += progress.rows_out,
                _ => self.uncommitted.push((progress.epoch, progress.rows_out)),
            }
        }
        self.summary.windows += progress.windows;
        self.summary.fired_early += progress.fired_early;
        self.summary.fired_late += progress.fired_late;
        self.summary.late += progress.late;
        self.summary.outside += progress.outside;
        self.summary.unmatched += progress.unmatched;
        self.summary.malformed += progress.malformed;
        self.summary.dead_letters += progress.dead_letters.len() as u64;
    }

    /// Tells of the batches that have waited for a commit, which is done.
    pub(super) fn tell_untold(&mut self) {
        for mut progress in take(&mut self.untold) {
            if progress.ends_epoch && progress.epoch == self.last_epoch {
                progress.durations.commit_us = micros(self.commit_took);
            }
            self.tell(&progress);
        }
    }

    fn tell(&self, progress: &BatchProgress) {
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
        tell(&self.config.listeners, |listener| listener.on_batch(progress));
    }
}

/// Counts what the batch has changed in the state of one operator; notes in `left` whether due timers are.
pub(super) fn state_progress(cell: &dyn StateCell, changes: &StateChanges, left: &mut bool) -> Option<StateProgress> {
    let Changed { changes, timers, left: of_operator } = changes.take();
    *left |= of_operator;
    cell.count(changes);
    cell.set_timers(timers);
    Some(StateProgress {
        operator: cell.reported_as()?,
        keys: cell.keys(),
        updated: changes.updated,
        removed: changes.removed,
        timers,
        memory_bytes: cell.store().memory_used(),
    })
}
