//! Micro-batch streams: contexts, operators, event-time windows, the batch loop and its progress.
//!
//! A [`Stream`] is a rule that makes an RDD of each micro-batch, so every operator of RDDs is an operator of streams. A
//! [`StreamingContext`] reads sources, and runs batch after batch until the job ends.
//!
//! ```
//! use firesteel_connect_memory::{Collector, MemorySource};
//! use firesteel_streaming::{StreamingContext, Trigger};
//! use firesteel_window::{Timestamp, Tumbling, Watermark, minutes, seconds};
//!
//! let clicks = vec![("ada", 5), ("bob", 30), ("ada", 45), ("ada", 70)];
//! let counts = Collector::new();
//!
//! let job = StreamingContext::builder("clicks per minute").build()?;
//! job.read(MemorySource::new(clicks))
//!     .map(|(user, second)| (user.to_owned(), second))
//!     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(10)))
//!     .key_by(|click| click.0.clone())
//!     .window(Tumbling::of(minutes(1)))
//!     .count()
//!     .map(|row| (row.key, row.window.start().as_secs(), row.value))
//!     .write(counts.clone());
//! job.run(Trigger::AvailableNow)?;
//!
//! let mut counts = counts.records();
//! counts.sort();
//! let expected = [("ada", 0, 2), ("ada", 60, 1), ("bob", 0, 1)];
//! assert!(counts.iter().map(|(user, at, count)| (user.as_str(), *at, *count)).eq(expected));
//! # Ok::<(), firesteel_streaming::Error>(())
//! ```
//!
//! # What is where
//!
//! - [`Stream`]: operators on records, on keys and values, and between streams, batch by batch; windows; outputs. The
//!   type says what a record is, and whether it knows when it happened: [`Plain`] or [`Timed`]. A clone is the same
//!   stream for another consumer.
//! - [`Explain`]: the program as data, its stages, operators, names and state, before it runs.
//! - [`WindowedStream`]: windows of event time. A window needs a key and an event time, and the compiler says so. Those that
//!   fire early, or again for what comes late, are [`ChangingWindows`], and what they yield are [`Changes`].
//! - Joins of two streams over event time, of all kinds: [`interval_join`](Stream::interval_join),
//!   [`window_join`](Stream::window_join). Deduplication:
//!   [`dedup_by`](Stream::dedup_by). Records that follow one another in a certain way:
//!   [`match_pattern`](Stream::match_pattern).
//! - Joins with tables: one that is fixed or loaded again as the job runs, a [`Table`], by [`join_table`](Stream::join_table); a stream as
//!   a [`StreamTable`], as of event time by [`as_of`](Stream::as_of), or as it is by [`join_latest`](Stream::join_latest).
//! - Operators with state: [`update_state_by_key`](Stream::update_state_by_key), [`map_with_state`](Stream::map_with_state)
//!   and [`flat_map_with_state`](Stream::flat_map_with_state) with their [`KeyState`], [running
//!   aggregates](Stream::running_aggregate), and [`KeyedProcess`] with declared state and timers. What they can be set to
//!   is a value: [`RunningSpec`], [`UpdateSpec`], [`MapSpec`], [`FlatMapSpec`], [`ProcessSpec`].
//!   All of them, and those of anybody else, stand on one trait: [`operator`].
//! - [`Checkpoint`]: where a job's state survives its process, found again by names.
//! - [`SideOutput`]: a second stream out of an operator, for what is malformed, late or set aside.
//! - [`Trigger`] and [`BatchLimits`]: when a batch runs, and how large it may become; [`CallLimits`]: how long a connector may
//!   keep a job waiting.
//! - [`BatchProgress`], [`Summary`] and [`StreamingListener`]: what a job reports. The same is logged by `tracing`.
//! - [`JobRun`]: a job driven by hand, batch by batch, as the testkit does.
//!
//! # What it does not do
//!
//! Without a [`Checkpoint`], state is in memory and ends with the process: a job that is started again reads its
//! sources from the start. The guarantee that follows from a job's sources and sinks is computed and told when the job
//! starts ([`JobInfo`]). A job has 128 key groups unless [`Checkpoint::key_groups`] says
//! otherwise, and so at most as many tasks that work on one operator's state.

mod calls;
mod checkpoint;
mod context;
mod dedup;
mod error;
mod guarantee;
mod input;
mod join;
mod memory;
pub mod operator;
mod output;
mod pattern;
mod plan;
mod progress;
mod refused;
mod run;
mod split_numbers;
mod state;
mod stream;
mod table;
mod time;
mod windows;

pub use calls::CallLimits;
pub use checkpoint::Checkpoint;
pub use context::{Builder, StreamingContext};
pub use dedup::Deduplication;
pub use error::{Error, Result};
pub use firesteel_error::Class;
pub use input::{ReadRdd, SourceRdd};
pub use join::{AsOfJoin, IntervalJoin, JoinSide, LatestJoin, StreamTable, WindowJoin};
pub use output::OutputHandle;
pub use pattern::PatternMatching;
pub use plan::{Batch, BatchLimits, Explain, ExplainOperator, ExplainRole, ExplainStage};
pub use progress::{
    BatchProgress, Durations, HeldBy, HoldReason, InputProgress, JobInfo, OperatorProgress, OutputProgress,
    SplitProgress, StartDurations, StateProgress, StreamingListener, Summary, TableProgress, WaitingSplit,
    WatermarkProgress,
};
pub use refused::{Rejected, RejectedBy, RejectedLimit, Undecodable};
pub use run::{Handover, JobRun, RunningJob, Stop, Stopper, Trigger};
pub use state::{
    FlatMapSpec, KeyState, KeyedProcess, MapSpec, NoTimeout, OutputMode, ProcessContext, ProcessSpec, RunningSpec,
    UpdateSpec,
};
pub use stream::{
    EventTime, EventTimeout, Late, LateFor, MovedBy, Pair, Plain, ProcessingTimeout, Shape, SideOutput, Stream, Timed,
};
pub use table::{Table, TableJoin};
pub use windows::{
    Changes, ChangingWindows, CountedStream, PurgedWindows, SessionBy, TriggeredWindows, WindowKind, WindowResult,
    WindowedStream,
};
