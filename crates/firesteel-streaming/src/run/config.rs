//! What is set for a job.

use std::sync::Arc;

use firesteel_budget::Memory;
use firesteel_core::Clock;

use crate::calls::CallLimits;
use crate::checkpoint::Checkpoint;
use crate::plan::BatchLimits;
use crate::progress::StreamingListener;
use crate::refused::{RejectedLimit, Undecodable};

/// What is set for a job.
pub(crate) struct Config {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: BatchLimits,
    pub(crate) partitions: Option<usize>,
    pub(crate) listeners: Vec<Arc<dyn StreamingListener>>,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) memory: Memory,
    pub(crate) timers_per_batch: u64,
    pub(crate) undecodable: Undecodable,
    pub(crate) rejected_limit: Option<RejectedLimit>,
    pub(crate) call_limits: CallLimits,
}
