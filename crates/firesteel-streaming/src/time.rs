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
pub use timed::{Timed, TimedStream};
pub(crate) use tracker::Tracker;
pub use windowed::{WindowAggregate, WindowedStream};
