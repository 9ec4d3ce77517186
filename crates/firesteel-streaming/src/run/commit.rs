//! The sinks make an epoch visible: on the job's thread, or beside it while the next epoch computes.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use firesteel_connect::{Class, ConnectError, Epoch};
use firesteel_core::Clock;
use firesteel_faults::fail_point;
use firesteel_window::Duration;

use crate::calls::Of;
use crate::error::{Error, Result};
use crate::plan::Staged;
use crate::refused::message;
use crate::run::again::{ATTEMPTS, is_retryable, pause};
use crate::run::{Control, Stop};

/// A commit that takes at least as long is worth a thread: the next one is made beside the job's.
pub(super) const BESIDE: Duration = Duration::millis(1);

/// On whose behalf sinks commit.
#[derive(Clone)]
pub(super) struct Committer {
    pub(super) job: Arc<str>,
    pub(super) names: Arc<[Arc<str>]>,
    pub(super) control: Arc<Control>,
}

impl Committer {
    /// Has one sink after the other make the epoch visible. If one fails, those after it throw away what they have; what
    /// it has shown itself nobody knows, so it is not told to.
    pub(super) fn commit<'s>(
        &self,
        epoch: Epoch,
        batch: u64,
        staged: impl Iterator<Item = &'s mut dyn Staged>,
    ) -> Result<()> {
        let mut staged = self.names.iter().zip(staged);
        while let Some((name, one)) = staged.next() {
            // From its first attempt to the answer it is one call, however often it is repeated.
            let watched = self.control.calls.watch(Of::Sink, name, "commit");
            let committed = self.commit_one(name, one, epoch);
            drop(watched);
            // What others have for this epoch stays: the next start has to find out what has become of it.
            self.control.calls.check()?;
            if let Err(source) = committed {
                // Who is fenced touches nothing any more: it may be another's by now.
                if source.class() != Class::Fenced {
                    staged.for_each(|(_, other)| other.abort(epoch));
                }
                return Err(Error::Sink { name: name.to_string(), batch, source });
            }
            fail_point!("epoch.sink");
        }
        Ok(())
    }

    fn commit_one(
        &self,
        name: &Arc<str>,
        staged: &mut dyn Staged,
        epoch: Epoch,
    ) -> std::result::Result<(), ConnectError> {
        let mut attempt = 0;
        while let Err(error) = staged.commit(epoch) {
            if self.control.calls.is_abandoned() {
                return Err(error);
            }
            if error.class() == Class::Closed {
                tracing::info!(job = %self.job, sink = %name, "the job ends: {error}");
                self.control.stop(Stop::Gracefully);
                return Ok(());
            }
            if error.class() == Class::Unknown {
                if self.outcome_of(name, staged, epoch, &error)? {
                    return Ok(());
                }
                tracing::warn!(job = %self.job, sink = %name, %epoch, "the commit did not happen and is repeated");
                continue;
            }
            attempt += 1;
            if !is_retryable(&error) || attempt >= ATTEMPTS {
                return Err(error);
            }
            tracing::warn!(sink = %name, %error, attempt, "a commit failed and is retried");
            // What has begun to become visible becomes visible as a whole, also when the job is to stop.
            self.control.rest(pause(attempt));
        }
        Ok(())
    }

    /// What has become of a commit of which nobody knows: the sink is asked until it can tell, as long as the job is not to
    /// stop at once. Everything that comes after the epoch waits.
    fn outcome_of(
        &self,
        name: &Arc<str>,
        staged: &mut dyn Staged,
        epoch: Epoch,
        unknown: &ConnectError,
    ) -> std::result::Result<bool, ConnectError> {
        let mut attempt = 0;
        tracing::warn!(job = %self.job, sink = %name, error = %unknown, "the job waits for a sink");
        loop {
            let watched = self.control.calls.watch(Of::Sink, name, "outcome");
            let outcome = staged.outcome(epoch);
            drop(watched);
            match outcome {
                Ok(is_committed) => {
                    tracing::info!(job = %self.job, sink = %name, %epoch, is_committed, "the sink can tell now");
                    return Ok(is_committed);
                }
                Err(error) if !is_retryable(&error) && error.class() != Class::Unknown => return Err(error),
                Err(error) if self.control.stopping() == Some(Stop::AtOnce) => return Err(error),
                Err(error) if self.control.calls.is_abandoned() => return Err(error),
                Err(error) => {
                    attempt += 1;
                    tracing::warn!(sink = %name, %error, attempt, "the sink cannot tell what it has, and is asked again");
                    self.control.wait_for_stop(Stop::AtOnce, pause(attempt.min(ATTEMPTS)));
                }
            }
        }
    }

    /// The same on a thread of its own, which also tells how long it took: the job may look only later.
    pub(super) fn commit_beside(
        self,
        clock: Arc<dyn Clock>,
        epoch: Epoch,
        batch: u64,
        mut staged: Vec<Box<dyn Staged>>,
    ) -> Result<JoinHandle<Result<Duration>>> {
        let commit = move || {
            let begun = clock.monotonic();
            let all = staged.iter_mut().map(|staged| &mut **staged as &mut dyn Staged);
            let committed = self.commit(epoch, batch, all);
            let took = clock.monotonic().saturating_sub(begun);
            self.control.wake();
            committed.map(|()| took)
        };
        let thread = Builder::new().name("firesteel-commit".to_owned()).spawn(commit);
        thread.map_err(|error| Error::Thread {
            what: format!("the thread on which sinks commit could not be started: {error}"),
        })
    }
}

/// The error of a job in which a panic left what calls sinks and sources.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    Error::Thread { what: format!("the job panicked outside of any task: {}", message(panic)) }
}
