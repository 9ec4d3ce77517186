//! One running job, and how it is cancelled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use firesteel_core::{Error, JobOptions};
use parking_lot::Mutex;

use crate::engine::task_set::TaskSet;

/// One running job, as far as others can take hold of it.
pub(crate) struct JobControl {
    pub(crate) id: u64,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) pool: Option<Arc<str>>,
    /// What attempts look at. Also set when the job fails, to end what still runs.
    pub(crate) stop: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cancelled: Option<Option<String>>,
    running: Weak<TaskSet>,
}

impl JobControl {
    pub(crate) fn new(id: u64, options: &JobOptions) -> Self {
        let (group, pool) = (options.group.clone(), options.pool.clone());
        Self { id, group, pool, stop: Arc::default(), state: Mutex::default() }
    }

    /// Cancels the job: running tasks end at their next check.
    pub(crate) fn cancel(&self, reason: Option<String>) {
        let mut state = self.state.lock();
        state.cancelled.get_or_insert(reason);
        self.stop.store(true, Ordering::Release);
        let running = state.running.upgrade();
        drop(state);
        if let Some(set) = running {
            set.abort(self.error());
        }
    }

    /// Whether nothing of the job should be started any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The error of a cancelled job.
    pub(crate) fn error(&self) -> Error {
        Error::Cancelled { reason: self.state.lock().cancelled.clone().flatten() }
    }

    /// Announces the tasks that are handed to the executors.
    pub(crate) fn enter(&self, set: &Arc<TaskSet>) {
        self.state.lock().running = Arc::downgrade(set);
    }
}
