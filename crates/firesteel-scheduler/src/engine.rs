//! What all clones of a scheduler share: the executors, the waves of tasks that these run, and the jobs they belong to.
//!
//! This is one part: executors take the tasks of a wave, a wave hands back to them what takes too long, and cancelling
//! a job ends its wave.

mod job_control;
mod pool;
pub(crate) mod task_set;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use firesteel_core::Clock;
use parking_lot::Mutex;

use crate::adaptive::Adaptive;
use crate::bus::Bus;
use crate::costs::Costs;
use crate::in_flight::InFlight;
use crate::speculation::Speculation;

pub(crate) use job_control::JobControl;
pub(crate) use pool::Executors;
pub use pool::{Mode, Pool};

/// The parts of a scheduler.
pub(crate) struct Engine {
    pub(crate) pool: Arc<Executors>,
    pub(crate) adaptive: Adaptive,
    pub(crate) costs: Costs,
    pub(crate) max_attempts: u32,
    pub(crate) speculation: Option<Speculation>,
    /// Everything on the calling thread, in an order drawn from this seed.
    pub(crate) deterministic: Option<u64>,
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) in_flight: InFlight,
    pub(crate) jobs: Mutex<Vec<Arc<JobControl>>>,
    pub(crate) next_job: AtomicU64,
}

impl Engine {
    /// Cancels the jobs that match and returns how many there were.
    pub(crate) fn cancel(&self, reason: &str, which: impl Fn(&JobControl) -> bool) -> usize {
        let chosen: Vec<_> = self.jobs.lock().iter().filter(|job| which(job)).cloned().collect();
        for job in &chosen {
            job.cancel(Some(reason.to_owned()));
        }
        self.in_flight.wake();
        chosen.len()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.pool.end();
    }
}
