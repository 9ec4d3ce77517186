//! What the plan and the batch loop know of a table that is loaded, whatever its types.

use std::any::Any;
use std::sync::Arc;

use firesteel_connect::RunId;
use firesteel_state::TableCopies;
use firesteel_window::Timestamp;

use crate::error::Result;
use crate::progress::TableProgress;

/// A table as the batch loop sees it.
pub(crate) trait TableCell: Send + Sync {
    /// Its name in errors and progress, and that under which copies of it are kept.
    fn name(&self) -> Arc<str>;
    /// The table itself, for who knows its types.
    fn live(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// Loads it for the first time. Where the job has a checkpoint, copies of what epochs meet are kept there.
    fn start(&self, now: Timestamp, run: RunId, copies: Option<TableCopies>) -> Result<()>;
    /// Loads it again if it is time: no batch is running.
    fn refresh(&self, now: Timestamp) -> Result<()>;
    /// Takes note that a batch has met it; returns the number of the version.
    fn note_use(&self) -> u64;
    /// Brings back the version of this number, for batches that are run again.
    fn bring_back(&self, version: u64) -> Result<()>;
    /// Batches that are run again are done: what comes next meets what was loaded when the job started.
    fn end_again(&self);
    /// Takes note that an epoch ends. What it has met is `kept` where it can be run again.
    fn end_epoch(&self, keeps: bool) -> Result<()>;
    /// Takes note that the last epoch to end is committed.
    fn committed(&self);
    /// What there is to tell of it.
    fn progress(&self) -> TableProgress;
}

/// What a table is called among the ranges that a batch has read: no input has this name.
pub(crate) fn range_name(table: &str) -> String {
    format!("table:{table}")
}
