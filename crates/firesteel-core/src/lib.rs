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

mod actions;
mod block;
mod broadcast;
mod chain;
mod clock;
mod data;
mod error;
mod folder;
pub mod hash;
mod ids;
mod link;
mod operator;
pub mod ops;
mod pair_actions;
mod pair_ops;
mod partitioner;
mod random;
mod rdd;
mod rdd_ops;
pub mod shuffle;
mod source;
mod storage;
mod task;

pub use actions::{Actions, Histogram, KeyMap, LocalIter, Number, Stats};
pub use block::{
    Applied, Blocks, Choose, Driven, FilterStep, FlatMapStep, Iterated, MapStep, Open, Pace, Spare, Step, StepContext,
    Upstream, Watch, block_len,
};
pub use broadcast::Broadcast;
pub use chain::Chain;
pub use clock::{Clock, ManualClock, SystemClock};
pub use data::{Data, Exchange, Key, Records};
pub use error::{Error, Result};
pub use firesteel_error::Class;
pub use ids::{PartitionerId, RddId};
pub use link::Link;
pub use operator::Operator;
pub use pair_actions::PairActions;
pub use pair_ops::PairOps;
pub use partitioner::{CustomPartitioner, HashPartitioner, Partitioner, Placement, RangePartitioner};
pub use rdd::{
    Context, Dependency, Job, JobOptions, JobOutput, JobRunner, Lineage, Location, Node, Rdd, STACK_SIZE, Settings,
    Work, to_debug_string,
};
pub use rdd_ops::RddOps;
pub use source::Numbered;
pub use storage::{DiskOnly, MemoryAndDisk, MemoryOnly, StorageLevel};
pub use task::{
    Accumulator, Blame, DeadLetter, Helpers, OnPanic, Part, RowCounts, Rows, Shared, TaskContext, TaskError,
    TaskIdentity, TaskMetrics, TaskOutput, TaskReport, in_task, note_panic,
};
