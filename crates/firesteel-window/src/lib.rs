//! Event time for stream processing: timestamps, windows, watermarks, aggregators and panes, with no engine attached.

#![forbid(unsafe_code)]

pub mod aggregate;
mod error;
pub mod time;
pub mod watermark;
pub mod window;

pub use aggregate::{Aggregator, Count, Fold, Max, Mean, Min, Reduce, Sum, Summand};
pub use error::{TimeError, WindowError};
pub use time::{Duration, Timestamp, days, hours, millis, minutes, seconds};
pub use watermark::{BoundedOutOfOrderness, PartitionWatermarks, Watermark, WatermarkStrategy};
pub use window::{DisjointWindows, Tumbling, Window, WindowAssigner, WindowCursor};
