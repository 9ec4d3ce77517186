//! Operators with state: what a stream remembers of each key from batch to batch.
//!
//! An operator declares its state by name when it is built; the job opens all stores when it starts, in memory or over
//! a backend. A batch's records are sorted by key group; then each group is handled by one task, which begins by rolling
//! back what an earlier attempt at the same batch did.

mod cell;
mod combine;
mod deadline;
mod flat_map;
mod group_batch;
mod initial;
mod key_state;
mod lists;
mod map;
mod operator;
mod output_mode;
mod process;
mod rdd;
mod route;
mod running;
mod side;
mod stateful;
mod trials;
mod update;
mod work;

pub(crate) use cell::StoreCell;
pub(crate) use combine::Tables;
pub use flat_map::FlatMapSpec;
pub use group_batch::{GroupBatch, Results};
pub use key_state::{KeyState, NoTimeout};
pub use map::MapSpec;
pub use operator::{KeyedOperator, NewState, OperatorInfo};
pub use output_mode::OutputMode;
pub use process::{KeyedProcess, ProcessContext, ProcessSpec};
pub(crate) use rdd::or_fail;
pub(crate) use route::sealed::{Place, Prepared};
pub use route::{Combined, InTime, Route, WithTimes, WithoutTimes};
pub use running::RunningSpec;
pub(crate) use side::{ByGroup, Prepare};
pub(crate) use trials::Trials;
pub use update::UpdateSpec;
pub use work::BatchTimes;
