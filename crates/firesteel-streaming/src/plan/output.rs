//! What the plan and the batch loop know of an output, whatever its sink.

use std::sync::Arc;

use firesteel_connect::{ConnectError, Epoch, Guarantee};

use crate::error::Result;
use crate::plan::{Batch, NodeId};

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
    /// Makes what was written visible.
    fn commit(&mut self, epoch: Epoch) -> std::result::Result<(), ConnectError>;
    /// Whether to leave out an epoch, because the outside world has it already.
    fn skip(&mut self, skip: bool);
    /// Throws away what was written.
    fn abort(&mut self, epoch: Epoch);
    fn stop(&mut self) -> std::result::Result<(), ConnectError>;
}
