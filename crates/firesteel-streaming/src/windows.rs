//! Windows: what has the records of a key gathered, until a window of event time ends, or has its number of records.

mod again;
mod aggregations;
mod by_clock;
mod changes;
mod changing;
mod counted;
mod due;
mod gaps;
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
mod triggered;
mod triggering;
mod windowed;

pub use changes::Changes;
pub use changing::ChangingWindows;
pub use counted::CountedStream;
pub use gaps::SessionBy;
pub use kind::WindowKind;
pub use results::WindowResult;
pub use triggered::{PurgedWindows, TriggeredWindows};
pub use windowed::WindowedStream;
