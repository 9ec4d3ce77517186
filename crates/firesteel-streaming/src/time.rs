//! Event time: streams whose records say when they happened.

mod event_time;
mod fired;
mod late;
mod recycle;
mod results;
mod state;
mod tracker;
mod window_rdd;
mod window_side;
mod windowed;

pub(crate) use fired::FiredWindows;
pub(crate) use late::{LateOutput, late_output};
pub use results::WindowResult;
pub(crate) use state::{KEY_GROUPS, groups_of, key_group};
pub(crate) use tracker::{Tracker, least};
pub use windowed::WindowedStream;
