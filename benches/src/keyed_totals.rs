//! W3: a running count and sum per key, kept as durable state. W3c is the same with texts as keys.
//!
//! The parts are the [events], the [reference](mod@reference), the [assignment](Assignment) that every side gets, one module per
//! side, and the table of [sides]. Unlike the sides of the other workloads, these run in processes of their own,
//! so that their memory can be compared: the program `firesteel-durable` starts them in turn, and the programs in
//! `benches/peers` beside them.
//!
//! ```
//! use firesteel_benches::keyed_totals::events::{KeyedEvents, Shape};
//! use firesteel_benches::keyed_totals::reference::Totals;
//! use firesteel_benches::keyed_totals::{Assignment, Phases, hand_written};
//!
//! let events = KeyedEvents { keys: 1_000, shape: Shape::Uniform };
//! let folder = tempfile::tempdir().unwrap();
//! let assignment = Assignment::new(events, 20_000, folder.path());
//! let run = hand_written::run::<u64>(&assignment, &mut Phases::silent());
//! assert_eq!(run.totals, Totals::of(events, 20_000));
//! ```
//!
//! The events are made while they are counted, on all sides, so that none has to keep them in memory or to read them
//! from anywhere.

pub mod assignment;
pub mod batches;
pub mod contest;
pub mod events;
pub mod firesteel_side;
pub mod hand_written;
pub mod many_windows;
pub mod overhead;
pub mod reference;
pub mod resume;
pub mod shown;
pub mod sides;
pub mod state_layer;
pub mod table;

pub use assignment::{Assignment, Phases, Run};
