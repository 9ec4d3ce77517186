//! Event time: streams whose records say when they happened.

mod due;
mod event_time;
mod fired;
mod incoming;
mod key_groups;
mod late;
mod recycle;
mod results;
mod tracker;
mod window_rdd;
mod window_side;
mod windowed;

pub(crate) use fired::FiredWindows;
pub(crate) use key_groups::{KEY_GROUPS, groups_of, key_group};
pub(crate) use late::{LateOutput, late_output};
pub use results::WindowResult;
pub(crate) use tracker::{Tracker, least};
pub use windowed::WindowedStream;
