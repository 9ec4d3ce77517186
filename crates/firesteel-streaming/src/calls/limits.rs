//! How long calls to connectors may take.

use firesteel_window::{Duration, minutes, seconds};

use super::Stop;

/// How long one call to a source or sink may take before the job ends without it.
///
/// A call cannot be broken off: it is **abandoned**. The job ends with [`Error::Abandoned`](crate::Error::Abandoned), calls no
/// source or sink any more and writes nothing more to its checkpoint, since what the call has done is unknown. As after a
/// crash, the next start asks the sinks what they have and resumes from there. The thread that is in the call stays until the
/// call returns or the process ends, and keeps the checkpoint's lock for that long.
///
/// Whatever the limits, a call that takes ten seconds is told, and again at growing intervals.
///
/// ```
/// use firesteel_streaming::{CallLimits, StreamingContext};
/// use firesteel_window::{minutes, seconds};
///
/// let limits = CallLimits::default().running(minutes(5)).stopping(seconds(20));
/// let job = StreamingContext::builder("clicks").call_limits(limits).build()?;
/// # drop(job);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct CallLimits {
    running: Option<Duration>,
    stopping: Duration,
    at_once: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { running: None, stopping: minutes(1), at_once: seconds(10) }
    }
}

impl CallLimits {
    /// While the job runs; any time unless set, since nobody but you knows what is long for your sinks. The commit of one
    /// sink counts as one call, with its repetitions. A task that writes is given up when it has taken no record for that
    /// long: it may also be your own functions that hang.
    pub fn running(self, limit: Duration) -> Self {
        Self { running: Some(limit), ..self }
    }

    /// Once the job is to stop gracefully, counted from then on; a minute unless set. A task that computes and writes
    /// is not meant by it: the running batch is finished, however long that takes.
    pub fn stopping(self, limit: Duration) -> Self {
        Self { stopping: limit, ..self }
    }

    /// Once the job is to stop at once, counted from then on, tasks included, which are cancelled; ten seconds unless set.
    pub fn at_once(self, limit: Duration) -> Self {
        Self { at_once: limit, ..self }
    }

    /// How much time a call has left that began then, in a job that is to stop so since then; `None` if there is no limit.
    pub(crate) fn left(
        &self,
        what: &str,
        begun: Duration,
        stop: Option<(Stop, Duration)>,
        now: Duration,
    ) -> Option<Duration> {
        let running = self.running.map(|limit| begun.saturating_add(limit));
        let stopping = match stop {
            Some((Stop::AtOnce, since)) => Some(begun.max(since).saturating_add(self.at_once)),
            Some((Stop::Gracefully, since)) if what != "write" => Some(begun.max(since).saturating_add(self.stopping)),
            _ => None,
        };
        let end = running.into_iter().chain(stopping).min()?;
        Some(end.saturating_sub(now).max(Duration::ZERO))
    }
}
