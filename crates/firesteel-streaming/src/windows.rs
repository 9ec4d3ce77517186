//! Windows of event time: what has the records of a key gathered, until a window ends.

mod due;
mod incoming;
mod rdd;
mod recycle;
mod results;
mod side;
mod windowed;

pub use results::WindowResult;
pub use windowed::WindowedStream;
