//! Event time for stream processing: timestamps, windows, watermarks, aggregators and panes, with no engine attached.
//!
//! # The notions
//!
//! An event has two times. **Event time** is when it happened, and is written in the event. **Processing time** is
//! when a program gets to see it: later, and in another order, since logs are shipped, phones are offline and
//! partitions are read at different speeds. Clicks per hour means hours of event time, or the result depends on how
//! busy the machine was.
//!
//! A **[window]** is a span of event time whose events are taken together: `[13:00, 14:00)`. An
//! [assigner](WindowAssigner) says which windows an event belongs to: [`Tumbling`] ones, side by side, or [`Sliding`] ones,
//! which [overlap]. [`Session`]s follow from the events themselves.
//!
//! When is a window complete? Nobody knows for certain, so the program makes a statement: a **[watermark]** of 14:00
//! says that events before 14:00 are not expected any more. It rises with the events that are seen, at a chosen distance
//! after them, and never falls. A window is closed when its end is at or before the watermark. Then it **fires**: its
//! result goes out. An event for a closed window is **late**; whoever reads the events counts it and hands it on.
//!
//! Until then the window's events have to be kept, or rather what an **[aggregator](aggregate)** makes of them: a count
//! instead of a million clicks. What one window has gathered, key by key, is its **[pane](panes)**.
//!
//! Where it matters how events follow one another, and which do not come, a **[pattern]** says so: steps that events of one key take within a
//! time.
//!
//! # All of it at work
//!
//! Clicks per user in ten seconds, from batches of `(second, user)`; events may be five seconds out of order.
//!
//! ```
//! use std::hash::{BuildHasher, RandomState};
//! use firesteel_window::{
//!     Aggregator, Count, Panes, PartitionWatermarks, Timestamp, Tumbling, Watermark, WindowCursor, seconds,
//! };
//!
//! let batches = [
//!     vec![(1, "ann"), (4, "bob"), (3, "ann")],
//!     vec![(12, "ann"), (9, "bob"), (17, "bob")], // moves the watermark to 12: the first window fires
//!     vec![(8, "ann"), (21, "bob")],              // ann's event at 8 is late
//! ];
//!
//! let mut windows = WindowCursor::new(Tumbling::of(seconds(10)));
//! let strategy = Watermark::bounded(seconds(5));
//! let mut watermarks = PartitionWatermarks::new();
//! let mut panes = Panes::new();
//! let (hasher, now) = (RandomState::new(), Timestamp::EPOCH);
//!
//! let (mut results, mut late) = (Vec::new(), 0);
//! for (number, batch) in (0..).zip(batches) {
//!     panes.begin(number);
//!     let watermark = watermarks.current();
//!     for (second, user) in batch {
//!         let at = Timestamp::from_secs(second);
//!         watermarks.observe("the only partition", at, now);
//!         let window = windows.window_of(at);
//!         if window.is_closed_by(watermark) {
//!             late += 1;
//!             continue;
//!         }
//!         let mut one = Aggregator::<&str>::create(&Count);
//!         Count.add(&mut one, user);
//!         panes.merge(window, hasher.hash_one(user), user, one, |acc, other| *acc += other);
//!     }
//!     let watermark = watermarks.advance(&strategy, now);
//!     for (window, user, count) in panes.fire(watermark) {
//!         results.push((window.end().as_secs(), *user, *count));
//!     }
//! }
//! assert_eq!(results, [(10, "ann", 2), (10, "bob", 2)]);
//! assert_eq!(late, 1);
//!
//! let rest = panes.fire(watermarks.finish_all()).count();
//! assert_eq!(rest, 3); // ann and bob in the second ten seconds, bob in the third
//! ```
//!
//! # What it does not do
//!
//! No clock is read, no thread started, nothing read or written: the same calls give the same answers, which is what
//! makes a replay after a failure exact. Processing time is handed in where it is needed. Sources, tasks and commits
//! are the engine's; this crate depends on none of its parts and can be used without it.

#![forbid(unsafe_code)]

/// The examples of the README, so that they are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

pub mod aggregate;
pub mod change;
mod early;
mod error;
pub mod overlap;
pub mod panes;
pub mod pattern;
pub mod time;
pub mod trigger;
pub mod watermark;
pub mod window;

pub use aggregate::{
    Aggregator, ApproxDistinct, ApproxQuantiles, BottomN, Combine, Count, Distinct, DistinctSet, First, Fold, Last,
    List, Max, MaxBy, Mean, Min, MinBy, Numeric, Quantiles, Reduce, Stats, StdDev, Sum, Summand, TopN, Variance, Wide,
};
pub use change::{Change, Firing, Latest, Piece};
pub use early::Early;
pub use error::WindowError;
pub use overlap::Overlap;
pub use panes::Panes;
pub use pattern::{AfterMatch, Matched, Outcome, Partials, Pattern, Taken};
pub use time::{Duration, TimeError, Timestamp, days, hours, millis, minutes, seconds};
pub use trigger::WindowTrigger;
pub use watermark::{BoundedOutOfOrderness, PartitionWatermarks, Slowest, Watermark, WatermarkStrategy};
#[cfg(feature = "calendar")]
pub use window::Calendar;
pub use window::{
    CountWindow, Counted, Disjoint, DisjointWindows, Global, Session, Sessions, Slices, Sliding, SlidingSize, Standing,
    Tumbling, Window, WindowAssigner, WindowCursor, WindowNumber,
};
