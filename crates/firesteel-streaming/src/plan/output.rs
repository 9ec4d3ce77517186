//! What the plan and the batch loop know of an output, whatever its sink.

use std::sync::Arc;

use firesteel_connect::{ConnectError, Epoch, Guarantee};

use crate::error::Result;
use crate::plan::{Batch, NodeId};

/// What the tasks of an epoch have left for a sink.
pub(crate) trait Staged: Send {
    /// Makes it visible.
    fn commit(&mut self, epoch: Epoch) -> std::result::Result<(), ConnectError>;
    /// Throws it away.
    fn abort(&mut self, epoch: Epoch);
}

/// An output as the batch loop sees it.
pub(crate) trait Output: Send {
    /// Its node in the plan.
    fn node(&self) -> NodeId;
    /// Says what it is called.
    fn call(&mut self, name: &Arc<str>);
    fn describe(&self) -> String;
    fn guarantee(&self) -> Guarantee;
    /// Prepares for writing; returns the newest epoch that the outside world has.
    fn start(&mut self) -> Result<Option<Epoch>>;
    /// Computes and writes the batch, invisibly; returns the number of records.
    fn write(&mut self, batch: &Batch, epoch: Epoch) -> Result<u64>;
    /// What was written in the open epoch.
    fn staged(&mut self) -> &mut dyn Staged;
    /// The same, handed over: what is written from here on is the next epoch's.
    fn hand_over(&mut self) -> Box<dyn Staged>;
    /// Whether to leave out an epoch, because the outside world has it already.
    fn skip(&mut self, skip: bool);
    fn stop(&mut self) -> std::result::Result<(), ConnectError>;
}
