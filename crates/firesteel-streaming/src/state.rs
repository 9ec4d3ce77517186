//! Operators with state: what a stream remembers of each key from batch to batch.
//!
//! An operator declares its state by name when it is built; the job opens all stores when it starts, in memory or over
//! a backend. A batch's records are sorted by key group; then each group is handled by one task, which begins by taking
//! back what an earlier attempt at the same batch did.

mod cell;
mod lists;
mod rdd;
mod side;
mod stateful;
mod update;
mod work;

pub(crate) use cell::{StateCell, StoreCell, state_name};
pub use side::{Plain, WithTime};
pub use stateful::Stateful;
pub use update::Update;
pub(crate) use work::{ChangesOf, Moment, Output, Work};
