//! Resilient distributed datasets: partitions, lineage, operators, shuffles, broadcast variables and accumulators.
//!
//! The crate describes computations and runs none: a [`JobRunner`] does, such as the one in `firesteel-scheduler`.
//! It knows nothing of micro-batches, event time, keyed state or connectors.
//!
//! Operators of RDDs nest, and those of a stage compile to one loop. Where the type of an RDD is hidden ([`BoxRdd`]) and
//! between the operators of streams ([`Step`]), records travel in blocks ([`Blocks`]).
//!
//! [`BoxRdd`]: ops::BoxRdd

#[cfg(panic = "abort")]
compile_error!("Firesteel turns panics of user code into task failures: build with panic = \"unwind\"");

mod accumulator;
mod actions;
mod block;
mod broadcast;
mod chain;
mod clock;
mod context;
mod error;
pub mod hash;
mod job;
mod lineage;
mod operator;
pub mod ops;
mod pair_actions;
mod pair_ops;
mod partitioner;
mod random;
mod rdd;
mod rdd_ops;
mod rows;
pub mod shuffle;
mod source;
mod storage;
mod task;

pub use accumulator::Accumulator;
pub use actions::{Actions, Histogram, KeyMap, LocalIter, Number, Stats};
pub use block::{
    Applied, Blocks, Choose, Driven, FilterStep, FlatMapStep, Iterated, MapStep, Open, Pace, Spare, Step, StepContext,
    Watch, block_len,
};
pub use broadcast::Broadcast;
pub use chain::Chain;
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{Context, Settings};
pub use error::{Error, Result};
pub use firesteel_error::Class;
pub use job::{Job, JobOptions, JobOutput, JobRunner, Work};
pub use lineage::{Dependency, Lineage, Location, Node, RddId, to_debug_string};
pub use operator::Operator;
pub use pair_actions::PairActions;
pub use pair_ops::PairOps;
pub use partitioner::{CustomPartitioner, HashPartitioner, Partitioner, PartitionerId, Placement, RangePartitioner};
pub use rdd::{Data, Exchange, Key, Rdd, Records};
pub use rdd_ops::RddOps;
pub use rows::{RowCounts, Rows, Upstream};
pub use source::Numbered;
pub use storage::{DiskOnly, MemoryAndDisk, MemoryOnly, StorageLevel};
pub use task::{
    Blame, DeadLetter, Helpers, OnPanic, Part, Shared, TaskContext, TaskError, TaskIdentity, TaskMetrics, TaskOutput,
    TaskReport, in_task, note_panic,
};
