//! Operators with state: what a stream remembers of each key from batch to batch.
//!
//! An operator declares its state by name when it is built; the job opens all stores when it starts, in memory or over
//! a backend. A batch's records are sorted by key group; then each group is handled by one task, which begins by taking
//! back what an earlier attempt at the same batch did.

mod cell;
mod combine;
mod deadline;
mod flat_map;
mod key_state;
mod lists;
mod map;
mod output_mode;
mod process;
mod rdd;
mod running;
mod side;
mod stateful;
mod update;
mod work;

pub(crate) use cell::{StateCell, StoreCell, state_name};
pub use combine::Combine;
pub use flat_map::{FlatMapWithState, TimedFlatMap};
pub use key_state::{EventTimeout, KeyState, NoTimeout, ProcessingTimeout};
pub use map::MapWithState;
pub use output_mode::OutputMode;
pub use process::{KeyedProcess, Process, ProcessContext, TimedProcess};
pub use running::{Known, Running, RunningStream};
pub use side::{Plain, WithTime};
pub use stateful::Stateful;
pub use update::Update;
pub(crate) use work::{ChangesOf, Moment, Output, Work};
