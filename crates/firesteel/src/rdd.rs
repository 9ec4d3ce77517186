//! Batch work: RDDs, what can be done with them, and what their tasks share.

pub use firesteel_core::{
    Accumulator, Actions, Blame, Broadcast, Chain, Class, Clock, Context, CustomPartitioner, Data, DeadLetter,
    DiskOnly, Error, Exchange, HashPartitioner, Histogram, Key, KeyMap, LocalIter, ManualClock, MemoryAndDisk,
    MemoryOnly, Number, Numbered, OnPanic, PairActions, PairOps, Partitioner, PartitionerId, Placement,
    RangePartitioner, Rdd, RddOps, Records, Result, Settings, Stats, StorageLevel, SystemClock, hash, ops,
    to_debug_string,
};
pub use firesteel_streaming::{ReadRdd, SourceRdd};

/// For those who run jobs: what an RDD is to a [`JobRunner`](runner::JobRunner), and what its tasks report.
pub mod runner {
    pub use firesteel_core::{
        Dependency, Helpers, Job, JobOptions, JobOutput, JobRunner, Lineage, Location, Node, Operator, Part, RddId,
        Shared, TaskContext, TaskError, TaskIdentity, TaskMetrics, TaskOutput, TaskReport, Work, in_task, note_panic,
        shuffle,
    };
}

/// For those who write operators of streams: how records get from one to the next.
pub mod block {
    pub use firesteel_core::{
        Applied, Blocks, Choose, Driven, FilterStep, FlatMapStep, Iterated, MapStep, Open, Pace, RowCounts, Rows,
        Spare, Step, StepContext, Upstream, Watch, block_len,
    };
}
