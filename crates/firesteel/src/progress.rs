//! What a job tells of itself while it runs, to a [`StreamingListener`]: when it starts, after each batch, and when it ends.

pub use firesteel_streaming::{
    BatchProgress, Durations, HeldBy, HoldReason, InputProgress, JobInfo, OperatorProgress, OutputProgress,
    SplitProgress, StartDurations, StateProgress, StreamingListener, Summary, TableProgress, WaitingSplit,
    WatermarkProgress,
};
