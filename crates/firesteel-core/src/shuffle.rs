//! Shuffles: moving records to the partition that their key belongs to.
//!
//! The map side of a shuffle is a task per partition of the parent; it leaves one *bucket* per partition of the
//! reduce side. Buckets stay typed: between threads nothing is serialized and, in a single-use shuffle, nothing
//! cloned. Map outputs are kept in map order, so that what a reduce partition reads never depends on the timing.

mod chunk;
mod combine;
mod exchange;
mod growing;
mod index;
mod outputs;
mod reader;
mod route;
mod table;

pub use crate::ids::ShuffleId;
pub use crate::rdd::ShuffleDependency;
pub use chunk::Chunk;
pub use combine::{CombineSide, Combined};
pub use exchange::{MapSide, Shuffle};
pub use outputs::{Fetched, MapOutputs};
pub use reader::CombineReader;
pub use route::{ByKey, Route, RouteSide};
pub use table::KeyedTable;
