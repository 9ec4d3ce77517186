//! Event time: streams whose records say when they happened.

mod fired;
mod keyed;
mod recycle;
mod results;
mod state;
mod timed;
mod tracker;
mod window_rdd;
mod window_side;
mod windowed;

pub(crate) use fired::FiredWindows;
pub use keyed::KeyedTimedStream;
pub use results::WindowResult;
pub(crate) use state::{KEY_GROUPS, groups_of, key_group};
pub use timed::{Timed, TimedStream};
pub(crate) use tracker::{Tracker, least};
pub use windowed::{WindowAggregate, WindowedStream};
