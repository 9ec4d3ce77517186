//! Running a job: triggers, the batch loop, and the handle of a running job.

mod batch_loop;
mod control;
mod drive;
mod handle;
mod trigger;

pub use batch_loop::JobRun;
pub(crate) use control::Control;
pub use control::{Stop, Stopper};
pub use handle::RunningJob;
pub use trigger::Trigger;
