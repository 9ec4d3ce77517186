//! Sinks: where results go.

use crate::context::{CheckpointId, SinkContext};
use crate::epoch::Epoch;
use crate::{Guarantee, Place, Result, Retention};

/// Says of a sink of [`Change`](firesteel_window::Change)s that it applies them: a row is that of one key in one window, each change
/// puts it in place of the one that was there, or takes it away, and what is visible is the newest of each.
///
/// A sink that appends what it gets does not say so: it would have the rows that were corrected beside the corrected ones.
///
/// Changes of one key come in their order within a partition, and all those of a key in one epoch come in partitions of
/// one order: who applies what is pending in the order in which `commit` gets it is right.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say that it applies changes: it may only append",
    label = "would keep each row that was corrected beside the corrected one",
    note = "write `.on_time()` of them, one row for each key and window, or `.changelog()`, every change as a row of its own",
    note = "or write them to a sink that keeps the newest row of each key and window: `Console::table().latest()`, `LatestRows`",
    note = "a sink of your own that does says so by `impl AppliesChanges`"
)]
pub trait AppliesChanges {}

/// Which part of which epoch a task writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteTask {
    /// The epoch that will commit what is written.
    pub epoch: Epoch,
    /// The partition of the output, counting from 0.
    pub partition: usize,
    /// The attempt, counting from 0: after a failure the same part is written again under a higher number.
    pub attempt: u32,
}

impl WriteTask {
    /// The first attempt at a partition.
    ///
    /// ```
    /// use firesteel_connect::{Epoch, WriteTask};
    /// assert_eq!(WriteTask::new(Epoch(7), 2).attempt(1).attempt, 1);
    /// ```
    #[must_use]
    pub fn new(epoch: Epoch, partition: usize) -> Self {
        Self { epoch, partition, attempt: 0 }
    }

    /// Another attempt.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }
}

/// What stands beside the results: which epoch they end with, and in which checkpoint that is counted.
///
/// A sink writes it together with the rows of the epoch, so that either both are there or neither is. By it the engine
/// tells a repetition from an epoch of another job, results that are gone from results that never were, and a checkpoint
/// that was restored from a backup from one that goes with the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The newest epoch of which something is visible.
    pub epoch: Epoch,
    /// The checkpoint that it was committed under: [`SinkContext::checkpoint`] then.
    pub checkpoint: CheckpointId,
}

/// A place for results.
///
/// 1. A task [`write`](Self::write)s one partition; nothing of it may be visible outside. It may be thrown away: its
///    attempt fails, or another one is quicker.
/// 2. When all tasks of a micro-batch have written, [`stage`](Self::stage) gets what they left: now it is known which
///    attempts count.
/// 3. When the epoch ends, of one micro-batch or of many, the engine calls [`commit`](Self::commit) with all that was
///    staged, in the order of micro-batches and partitions: now everything becomes visible, if possible at once and
///    together with the [`Mark`].
///
/// Epochs are committed one after the other, and an epoch is committed by one sink of a job after the other. Where a
/// commit takes long, the engine calls it on a thread of its own, and tasks write the next epoch meanwhile: so `write` and
/// `stage` may be called beside `commit`, for the epoch after it. All other calls come alone.
///
/// # How a commit can end
///
/// | answer of `commit` | what the engine does |
/// |---|---|
/// | `Ok` | it is done: `commit` is not called again for the epoch, and may be if the process dies now |
/// | an error of [`Class::Retryable`](crate::Class::Retryable) | it is called again, with what is left of `pending` |
/// | [`OutcomeUnknown`](crate::ConnectError::OutcomeUnknown) | nobody knows whether it happened: [`outcome`](Self::outcome) is asked until it tells. Nothing newer is committed meanwhile, what is staged is kept, sources are told nothing |
/// | [`Fenced`](crate::ConnectError::Fenced) | a later process has taken over: this one ends with an exit code of its own, calls nothing again and cleans up nothing; so it does where `write` or `stage` says it |
/// | another error | the job fails. What is visible of the epoch nobody knows: after a restart its [mark](Self::last_committed) tells |
/// | none within the limit | the call is abandoned: see below |
///
/// # Calls that do not return
///
/// No call can be broken off. One that takes ten seconds is told; one that takes longer than the limits of the job (a minute after a
/// graceful stop, ten seconds after one at once, none while it runs unless set) is abandoned: the job ends without it, and calls
/// neither this sink nor another one any more, not even to `abort` or `stop`. What the call does after that counts as what was done right before a
/// crash: the next start asks for the [mark](Self::last_committed). So give each request a time limit of its own.
///
/// # Several processes
///
/// `start` claims the place for its [scope](SinkContext::scope) and its [run](SinkContext::run), where the place can hold such
/// a claim: whoever had it before is fenced from then on, so that what he has under way can no longer land. Only after that
/// may `last_committed` tell what there is. What else is in the place, of other scopes or of nobody, is left as it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take records of type `{T}`",
    label = "is no sink of `{T}`",
    note = "`Console::table().latest()` has one row for each key: it takes pairs of a key and a value, as `key_by` makes them, rows \
            of windows, and changes",
    note = "records are made others by `map`"
)]
pub trait Sink<T>: Send + Sync + 'static {
    /// What a task leaves for the commit: rows, a temporary file's name, an open transaction.
    type Pending: Send + 'static;

    /// Where results go, for messages: `text files in out/`.
    fn describe(&self) -> String;

    /// What the sink promises when the job fails and starts again.
    fn guarantee(&self) -> Guarantee;

    /// Where it will write, as examples: the first file, say. Empty where no source of ours could read it.
    fn places(&self) -> Vec<Place> {
        Vec::new()
    }

    /// How long results stay. A sink that keeps them in memory says
    /// [`WhileRunning`](Retention::WhileRunning): that they are gone after a restart is no loss then.
    fn retention(&self) -> Retention {
        Retention::Always
    }

    /// Called once before the first write.
    ///
    /// # Errors
    /// When the sink cannot work at all.
    fn start(&self, context: &SinkContext) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// Writes one partition, invisibly. Runs in a task, in parallel with the others, and again if the task fails.
    ///
    /// # Errors
    /// When the records cannot be written; the task fails and is retried.
    fn write(&self, task: WriteTask, records: impl Iterator<Item = T>) -> Result<Self::Pending>;

    /// Takes what the tasks of a micro-batch have left, once all have succeeded, and returns what `commit` will get of it:
    /// the place to do once per micro-batch what need not wait for the commit, such as completing an upload, or joining small
    /// parts. Nothing may become visible. Called on the job's thread; not where the sink already has the epoch.
    ///
    /// # Errors
    /// When it cannot be staged; the epoch is aborted and the job fails.
    fn stage(&self, epoch: Epoch, written: Vec<Self::Pending>) -> Result<Vec<Self::Pending>> {
        let _ = epoch;
        Ok(written)
    }

    /// Makes what was staged visible. A call for an epoch that is committed already does nothing.
    ///
    /// The sink takes out of `pending` what it is done with, so that a repeated call continues with the rest. An epoch without
    /// a record is committed too, and needs no trace: the engine knows that there was none.
    ///
    /// # Errors
    /// When the outcome is not certain to be complete: see [above](Self#how-a-commit-can-end).
    fn commit(&self, epoch: Epoch, pending: &mut Vec<Self::Pending>) -> Result<()>;

    /// Whether the epoch is committed, after a `commit` whose outcome was unknown. The sink shuts that attempt out first: an
    /// answer that it is not committed is wrong if it lands afterwards. It may as well repeat the attempt, where that does no harm if it
    /// has happened, and say that it is committed. If it is not, `commit` is called again with what it left of `pending`.
    ///
    /// # Errors
    /// When nobody can tell yet; the engine asks again if the error is retryable.
    fn outcome(&self, epoch: Epoch) -> Result<bool> {
        Ok(self.last_committed()?.is_some_and(|mark| mark.epoch >= epoch))
    }

    /// Throws away what a failed epoch wrote. Never called for an epoch whose commit this sink was asked for, unless it has
    /// [said](Self::outcome) that it is not committed: if that failed, what is visible of it nobody knows, and after a restart
    /// the epoch is committed again.
    ///
    /// # Errors
    /// When something stays behind; the engine logs it.
    fn abort(&self, epoch: Epoch, pending: Vec<Self::Pending>) -> Result<()> {
        let _ = (epoch, pending);
        Ok(())
    }

    /// The mark of the newest epoch that the outside world has in this scope, where the sink can tell. Asked once, after
    /// `start`.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(None)
    }

    /// Called once when the job has ended.
    ///
    /// # Errors
    /// When something could not be finished.
    fn stop(&self) -> Result<()> {
        Ok(())
    }
}
