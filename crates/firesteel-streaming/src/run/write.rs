//! Writing a batch: all outputs are computed, and nothing is visible before their epoch is committed; if anything fails,
//! nothing stays.

use firesteel_connect::Epoch;
use firesteel_core::DeadLetter;

use crate::error::{Error, Result};
use crate::plan::{Batch, LAST};
use crate::refused::{Rejected, RejectedBy};
use crate::run::batch_loop::JobRun;
use crate::run::{STOPPED, Stop};

impl JobRun {
    /// Computes and writes all outputs, and what else the batch changes. If anything fails, nothing stays.
    pub(super) fn write(&mut self, batch: &Batch, epoch: Epoch, letters: &mut Vec<DeadLetter>) -> Result<Vec<u64>> {
        let mut written = Vec::with_capacity(self.parts.outputs.len());
        let done = self.write_outputs(batch, epoch, &mut written, letters);
        let done = self.note_fenced(done);
        self.control.calls.check()?;
        if done.is_err() {
            self.abandon_epoch();
        }
        done.map(|()| written)
    }

    fn write_outputs(
        &mut self,
        batch: &Batch,
        epoch: Epoch,
        written: &mut Vec<u64>,
        letters: &mut Vec<DeadLetter>,
    ) -> Result<()> {
        let first_last = self.levels.partition_point(|level| *level < LAST);
        for index in 0..self.parts.outputs.len() {
            if index > 0 && self.levels[index] > self.levels[index - 1] {
                self.complete_states(batch, letters)?;
            }
            if index == first_last {
                self.read_rest(batch)?;
            }
            self.check_stop(index)?;
            written.push(self.parts.outputs[index].write(batch, epoch)?);
            self.set_aside(letters);
        }
        self.complete_states(batch, letters)?;
        if first_last == self.levels.len() {
            self.read_rest(batch)?;
        }
        self.parts.inputs.iter().try_for_each(|input| input.check_read())?;
        self.check_stop(self.names.len() - 1)
    }

    /// Reads what no output has read of ranges whose end only reading can tell, and passes on what could not be decoded.
    fn read_rest(&self, batch: &Batch) -> Result<()> {
        for input in &self.parts.inputs {
            input.read_rest(batch)?;
            input.put_undecodable();
        }
        Ok(())
    }

    /// Completes the operators with state that outputs have asked for some results of: state depends on all records.
    fn complete_states(&self, batch: &Batch, letters: &mut Vec<DeadLetter>) -> Result<()> {
        for (node, complete) in batch.facts().incomplete() {
            let output = || batch.operator(node).to_string();
            complete().map_err(|source| Error::Batch { batch: batch.id, output: output(), source })?;
        }
        self.set_aside(letters);
        Ok(())
    }

    /// Ends the batch here if the job is to stop at once.
    fn check_stop(&self, output: usize) -> Result<()> {
        if self.control.stopping() != Some(Stop::AtOnce) {
            return Ok(());
        }
        let source = firesteel_core::Error::Cancelled { reason: Some(STOPPED.to_owned()) };
        Err(Error::Batch { batch: self.batch, output: self.names[output].to_string(), source })
    }

    /// Passes on the records that were set aside since the last call.
    fn set_aside(&self, letters: &mut Vec<DeadLetter>) {
        for letter in self.tasks.take_set_aside() {
            let DeadLetter(blame) = &letter;
            tracing::warn!(target: "firesteel::records", job = %self.job, %blame, "a record was set aside because user code panicked on it");
            self.parts.rejects.put(&Rejected {
                by: RejectedBy::Panic,
                operator: blame.operator.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string),
                split: blame.origin.clone(),
                position: blame.position,
                error: blame.cause.clone(),
                payload: None,
            });
            letters.push(letter);
        }
    }
}
