//! Windows of event time: what has the records of a key gathered, until a window ends.

mod again;
mod changes;
mod changing;
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
mod session_again;
mod session_side;
mod side;
mod slid;
mod sliding;
mod windowed;

pub use changes::Changes;
pub use changing::ChangingWindows;
pub use kind::WindowKind;
pub use results::WindowResult;
pub use windowed::WindowedStream;
