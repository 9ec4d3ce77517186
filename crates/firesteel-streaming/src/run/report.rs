//! What a run tells of itself: when it starts, and after each batch.

use std::sync::Arc;

use firesteel_connect::Epoch;
use firesteel_core::{Accumulator, Clock};
use firesteel_window::Timestamp;

use crate::batch::Batch;
use crate::plan::{Counted, What};
use crate::progress::{
    BatchProgress, Durations, InputProgress, JobInfo, OutputProgress, StateProgress, Summary, micros, per_second, tell,
};
use crate::run::JobRun;
use crate::state::{ChangesOf, StateCell};
use crate::stream::KEPT;

/// What came of a batch.
pub(super) struct Processed {
    pub(super) epoch: Epoch,
    pub(super) ends_epoch: bool,
    pub(super) inputs: Vec<InputProgress>,
    pub(super) watermark: Option<Timestamp>,
    pub(super) written: Vec<u64>,
    pub(super) states: Vec<StateProgress>,
    pub(super) dead_letters: Vec<String>,
}

impl JobRun {
    pub(super) fn announce(&self) {
        let survives = self.durable.is_some();
        let (guarantee, guarantee_reason) =
            crate::guarantee::of(&self.parts.inputs, &self.parts.outputs, &self.names, survives);
        let inputs = self.parts.inputs.iter().map(|input| (input.name(), input.describe())).collect();
        let outputs = self.parts.outputs.iter().zip(&self.names);
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
        let (epoch, rows) = self.written;
        if self.closed && epoch > self.last_epoch {
            summary.rows_out -= rows;
            summary.uncommitted = rows;
        }
        summary
    }

    pub(super) fn progress(
        &mut self,
        batch: &Batch,
        done: Processed,
        [begun, admitted, processed, committed]: [std::time::Duration; 4],
    ) -> BatchProgress {
        let Processed { epoch, ends_epoch, inputs, watermark, written, states, dead_letters } = done;
        let outputs = written.iter().zip(&self.names);
        let outputs: Vec<_> =
            outputs.map(|(rows, name)| OutputProgress { name: Arc::clone(name), rows: *rows }).collect();
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
            states,
            windows: self.parts.fired.iter().map(|fired| fired.take().len()).sum(),
            late: counted(&self.parts.counters, What::Late),
            malformed: counted(&self.parts.counters, What::Malformed),
            malformed_sample: self.parts.samples.iter().flat_map(|samples| samples.take()).take(KEPT).collect(),
            dead_letters,
        };
        self.report(&progress);
        progress
    }

    fn report(&mut self, progress: &BatchProgress) {
        self.summary.batches += 1;
        self.summary.rows_in += progress.rows_in;
        self.summary.rows_out += progress.rows_out;
        let before = if self.written.0 == progress.epoch { self.written.1 } else { 0 };
        self.written = (progress.epoch, before + progress.rows_out);
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
        tell(&self.config.listeners, |listener| listener.on_batch(progress));
    }
}

/// Counts what the batch has changed in the state of one operator.
pub(super) fn state_progress(cell: &dyn StateCell, changes: &Accumulator<ChangesOf>) -> Option<StateProgress> {
    let changes = changes.take().total();
    cell.count(changes);
    Some(StateProgress {
        operator: cell.reported_as()?,
        keys: cell.keys(),
        updated: changes.updated,
        removed: changes.removed,
        memory_bytes: cell.store().memory_used(),
    })
}

fn counted(counters: &[Counted], what: What) -> u64 {
    counters.iter().filter(|counter| counter.what == what).map(|counter| counter.count.take()).sum()
}
