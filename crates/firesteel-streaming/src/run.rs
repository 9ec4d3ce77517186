//! Running a job: triggers, the batch loop, and the handle of a running job.

mod again;
mod batch_loop;
mod commit;
mod config;
mod control;
mod drive;
mod epoch;
mod handle;
mod owned;
mod report;
mod resume;
mod tasks;
mod thread;
mod trigger;
mod write;

pub use crate::calls::Stop;
pub use batch_loop::JobRun;
pub(crate) use config::Config;
pub(crate) use control::Control;
pub use control::Stopper;
pub use handle::RunningJob;
pub use owned::Handover;
pub(crate) use tasks::{STOPPED, Tasks};
pub(crate) use thread::{run as run_on_a_thread, spawn};
pub(crate) use trigger::Schedule;
pub use trigger::Trigger;
