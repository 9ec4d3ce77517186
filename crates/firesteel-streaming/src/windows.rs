//! Windows: what has the records of a key gathered, until a window of event time ends, or has its number of records.

mod again;
mod changes;
mod changing;
mod counted;
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
mod top;
mod touching;
mod windowed;

pub use changes::Changes;
pub use changing::ChangingWindows;
pub use counted::CountedStream;
pub use kind::WindowKind;
pub use results::WindowResult;
pub use windowed::WindowedStream;
