//! Throughput benchmarks: the same workload run by the engine, by a
//! hand-written loop and by other engines, in one process and one run.
//!
//! The parts are the data ([`ad_events`], [`text_records`]), the answer they
//! must produce ([`reference`](mod@reference)), one module per contender, the table of
//! contenders ([`sides`]) and the report. The binary of this crate alternates
//! the sides and prints their medians; a figure stands only if the side's
//! [`Outcome`](measured::Outcome) equals the reference's.
//!
//! ```
//! use firesteel_benches::ad_events::{AdEvents, Campaigns};
//! use firesteel_benches::workload::Setting;
//! use firesteel_benches::{hand_written_gathered, reference};
//!
//! let data = AdEvents::<u32>::generate(10_000, Campaigns::Hundred, 1);
//! let setting = Setting { threads: 2, batch: 1_000 };
//! let measured = hand_written_gathered::run(&data, setting);
//! assert_eq!(measured.outcome, reference::windows(&data));
//! ```
//!
//! Durable state is measured by a program of its own, because its sides run in
//! processes of their own: [`keyed_totals`]. Questions that other systems answer in
//! SQL are those of [`queries`]; latency has a program of its own, too.

pub mod ad_events;
pub mod firesteel_side;
pub mod hand_written_exchanged;
pub mod hand_written_gathered;
pub mod hand_written_records;
pub mod hasher;
pub mod keyed_totals;
pub mod keys;
pub mod measured;
pub mod numbers;
pub mod open_windows;
pub mod options;
pub mod process_tree;
pub mod queries;
pub mod random;
pub mod reference;
pub mod renoir_side;
pub mod report;
pub mod results;
pub mod sides;
pub mod stopwatch;
pub mod text_records;
pub mod timely_side;
pub mod workload;
