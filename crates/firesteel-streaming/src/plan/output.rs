//! What the plan and the batch loop know of an output, whatever its sink.

use std::sync::Arc;

use firesteel_connect::{ConnectError, Epoch, Guarantee, Mark, Place, Retention, SinkContext};

use crate::calls::Calls;
use crate::error::Result;
use crate::plan::{Batch, NodeId};

/// What the tasks of an epoch have left for a sink.
pub(crate) trait Staged: Send {
    /// Makes it visible.
    fn commit(&mut self, epoch: Epoch) -> std::result::Result<(), ConnectError>;
    /// Whether it is visible, after a commit of which nobody knows.
    fn outcome(&mut self, epoch: Epoch) -> std::result::Result<bool, ConnectError>;
    /// Throws it away.
    fn abort(&mut self, epoch: Epoch);
}

/// An output as the batch loop sees it.
pub(crate) trait Output: Send {
    /// Its node in the plan.
    fn node(&self) -> NodeId;
    /// Says what it is called.
    fn call(&mut self, name: &Arc<str>);
    /// Says who takes note of calls to its sink.
    fn watched_by(&mut self, calls: &Arc<Calls>);
    fn describe(&self) -> String;
    /// Where it will write.
    fn places(&self) -> Vec<Place>;
    fn guarantee(&self) -> Guarantee;
    fn retention(&self) -> Retention;
    /// Prepares for writing; returns the mark of the newest epoch that the outside world has.
    fn start(&mut self, context: &SinkContext) -> Result<Option<Mark>>;
    /// Computes and writes the batch, invisibly; returns the number of records.
    fn write(&mut self, batch: &Batch, epoch: Epoch) -> Result<u64>;
    /// Whether any record was written in the open epoch.
    fn has_rows(&self) -> bool;
    /// What was written in the open epoch.
    fn staged(&mut self) -> &mut dyn Staged;
    /// The same, handed over: what is written from here on is the next epoch's.
    fn hand_over(&mut self) -> Box<dyn Staged>;
    /// Whether to leave out an epoch, because the outside world has it already.
    fn skip(&mut self, skip: bool);
    fn stop(&mut self) -> std::result::Result<(), ConnectError>;
}
