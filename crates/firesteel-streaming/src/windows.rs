//! Windows of event time: what has the records of a key gathered, until a window ends.

mod due;
mod held;
mod incoming;
mod kind;
mod of_groups;
mod rdd;
mod recycle;
mod results;
mod rows;
mod session;
mod session_side;
mod side;
mod sliding;
mod windowed;

pub use kind::WindowKind;
pub use results::WindowResult;
pub use windowed::WindowedStream;
