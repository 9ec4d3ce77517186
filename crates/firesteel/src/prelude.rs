//! What nearly every program needs: `use firesteel::prelude::*;`
//!
//! It brings the names to build and run a job, the time types, the aggregators, and the traits with the methods of RDDs. Connectors are
//! named where they are used, except for the console.

pub use firesteel_budget::{Memory, gib, mib};
pub use firesteel_core::{Accumulator, Actions, Broadcast, Context, OnPanic, PairActions, PairOps, Rdd, RddOps};
pub use firesteel_streaming::{
    Batch, BatchLimits, Checkpoint, KeyState, KeyedProcess, MapSpec, OutputMode, ProcessContext, ReadRdd, Stop, Stream,
    StreamingContext, Table, Timed, Trigger, WindowResult,
};
#[cfg(feature = "terminal")]
pub use firesteel_terminal::{Console, TerminalProgress};
#[cfg(feature = "calendar")]
pub use firesteel_window::Calendar;
pub use firesteel_window::{
    AfterMatch, Aggregator, ApproxDistinct, ApproxQuantiles, BottomN, Combine, Count, CountWindow, Distinct,
    DistinctSet, Duration, Early, First, Fold, Last, List, Max, MaxBy, Mean, Min, MinBy, Pattern, Quantiles, Reduce,
    Session, Sliding, Stats, StdDev, Sum, Timestamp, TopN, Tumbling, Variance, Watermark, Window, days, hours, millis,
    minutes, seconds,
};
