//! Cancelling jobs without the scheduler at hand.

use std::sync::{Arc, Weak};

use crate::engine::Engine;

/// Cancels the jobs of one group: a handle to be kept where cancelling is decided, such as a signal handler.
///
/// ```
/// use firesteel_scheduler::Scheduler;
/// let scheduler = Scheduler::builder().threads(1).build()?;
/// let cancel = scheduler.cancel_handle("nightly");
/// assert_eq!(cancel.cancel("the night is over"), 0); // No job of that group was running.
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Cancel {
    pub(super) engine: Weak<Engine>,
    pub(super) group: Arc<str>,
}

impl Cancel {
    /// Cancels the jobs of the group that run now and returns how many there were. Later jobs are not concerned.
    pub fn cancel(&self, reason: &str) -> usize {
        let Some(engine) = self.engine.upgrade() else { return 0 };
        engine.cancel(reason, |job| job.group.as_ref() == Some(&self.group))
    }
}
