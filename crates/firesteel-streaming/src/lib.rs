//! Micro-batch streams: contexts, operators, event-time windows, the batch loop and its progress.
//!
//! A [`Stream`] is a rule that makes an RDD of each micro-batch, so every operator of RDDs is an operator of streams.
//! A [`StreamingContext`] reads sources, and runs batch after batch until the job ends.

mod batch;
mod context;
mod error;
mod graph;
mod guarantee;
mod input;
mod output;
mod progress;
mod run;
mod stream;
mod time;

pub use batch::Batch;
pub use context::{Builder, StreamingContext};
pub use error::{Error, Result};
pub use input::{BatchLimits, ReadRdd, SourceRdd};
pub use progress::{
    BatchProgress, Durations, InputProgress, JobInfo, OutputProgress, SplitProgress, StreamingListener, Summary,
};
pub use run::{JobRun, RunningJob, Stop, Stopper, Trigger};
pub use stream::{
    BoxStream, DStream, Lift, Lift2, Origins, RecordError, Shared, SideOutput, SideStream, SourceStream, Stream, TryMap,
};
pub use time::{KeyedTimedStream, Timed, TimedStream, WindowAggregate, WindowResult, WindowedStream};
