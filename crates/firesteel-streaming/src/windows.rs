//! Windows: what has the records of a key gathered, until a window of event time ends, or has its number of records.

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
mod session_side;
mod side;
mod sliding;
mod top;
mod windowed;

pub use counted::CountedStream;
pub use kind::WindowKind;
pub use results::WindowResult;
pub use windowed::WindowedStream;
