//! The thread of a job, and whoever waits for its end.

use std::panic::resume_unwind;
use std::sync::Arc;

use firesteel_core::STACK_SIZE;
use tracing::dispatcher::{get_default, with_default};
use tracing::subscriber::NoSubscriber;

use crate::calls::Calls;
use crate::error::{Error, Result};
use crate::progress::{Summary, tell};
use crate::run::batch_loop::JobRun;
use crate::run::{Control, RunningJob, Stop, Stopper};

/// Runs a job to its end on a thread of its own, and waits for it.
pub(crate) fn run(
    name: &str,
    stopper: Stopper,
    run: impl FnOnce() -> Result<Summary> + Send + 'static,
) -> Result<Summary> {
    let running = spawn(name, stopper, run)?;
    running.stopper.control.calls.wait_for_end()?;
    // What panicked would have panicked here.
    running.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs a job on a thread of its own.
pub(crate) fn spawn(
    name: &str,
    stopper: Stopper,
    run: impl FnOnce() -> Result<Summary> + Send + 'static,
) -> Result<RunningJob> {
    let ends = Ends(Arc::clone(&stopper.control));
    // Who reads what the job logs is who has set that up here.
    let subscriber = get_default(Clone::clone);
    let run = move || {
        let _ends = ends;
        match subscriber.is::<NoSubscriber>() {
            true => run(),
            false => with_default(&subscriber, run),
        }
    };
    // Small stages run on it.
    let builder = std::thread::Builder::new().name(format!("firesteel-job-{name}")).stack_size(STACK_SIZE);
    let thread = builder.spawn(run);
    let thread =
        thread.map_err(|error| Error::Thread { what: format!("the job's thread could not be started: {error}") })?;
    Ok(RunningJob { stopper, thread })
}

/// Tells that the thread has ended, however that is.
struct Ends(Arc<Control>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.calls.end();
    }
}

impl JobRun {
    /// Has calls to connectors watched from here on.
    pub(super) fn watch(&self) {
        let (control, tasks) = (Arc::downgrade(&self.control), Arc::downgrade(&self.tasks));
        let job = Arc::clone(&self.job);
        let listeners = self.config.listeners.clone();
        // The job's thread cannot tell why it ends: it is in the call.
        let abandon = move |error: &Error| {
            // What else runs of the batch ends, and so does the task that is in the call when it comes back.
            if let (Some(control), Some(tasks)) = (control.upgrade(), tasks.upgrade()) {
                Stopper { control, tasks }.stop(Stop::AtOnce);
            }
            tracing::error!(target: "firesteel::job", %job, %error, "the job has failed");
            let summary = control.upgrade().map(|control| control.summary.lock().clone()).unwrap_or_default();
            tell(&listeners, |listener| listener.on_end(&summary, Some(error)));
        };
        Calls::tell(&self.control.calls, &self.job, abandon);
    }
}
