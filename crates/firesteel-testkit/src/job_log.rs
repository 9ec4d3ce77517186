//! What a job reports, for tests to look at and to wait for.

use std::fmt;
use std::sync::Arc;

use firesteel_streaming::{BatchProgress, Error, JobInfo, StreamingListener, Summary};
use parking_lot::{Condvar, Mutex};

use crate::PATIENCE;

/// Writes down what a job reports. Give a clone to [`Builder::listener`](firesteel_streaming::Builder::listener).
///
/// A test of a job that runs on a thread of its own waits for a batch instead of sleeping:
///
/// ```
/// use firesteel_connect_memory::{Collector, QueueSource};
/// use firesteel_streaming::{Stop, StreamingContext, Trigger};
/// use firesteel_testkit::JobLog;
///
/// let (log, results) = (JobLog::new(), Collector::new());
/// let queue = QueueSource::new(1);
/// let numbers = queue.handle();
/// let job = StreamingContext::builder("numbers").threads(1).listener(log.clone()).build()?;
/// job.read(queue).map(|n: u32| n + 1).write(results.clone());
/// let running = job.start(Trigger::AsSoonAsPossible)?;
/// numbers.push(vec![1, 2])?;
/// assert_eq!(log.wait_for_batches(1)[0].rows_in, 2);
/// running.stop(Stop::Gracefully);
/// running.await_termination()?;
/// assert_eq!(results.records(), [2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct JobLog {
    shared: Arc<(Mutex<Vec<JobEvent>>, Condvar)>,
}

/// One call of a listener.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum JobEvent {
    /// The job started.
    Started(JobInfo),
    /// A batch was committed.
    Batch(Box<BatchProgress>),
    /// The job ended; the text of the error if it was not meant to.
    Ended(Summary, Option<String>),
}

impl JobLog {
    /// A log of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything so far, in the order of the calls.
    #[must_use]
    pub fn events(&self) -> Vec<JobEvent> {
        self.shared.0.lock().clone()
    }

    /// The batches so far.
    #[must_use]
    pub fn batches(&self) -> Vec<BatchProgress> {
        batches(&self.shared.0.lock())
    }

    /// Waits until this many batches have been committed, and returns all there are.
    ///
    /// # Panics
    /// When that takes longer than 30 seconds.
    pub fn wait_for_batches(&self, count: usize) -> Vec<BatchProgress> {
        let (events, changed) = &*self.shared;
        let mut events = events.lock();
        let waited = changed.wait_while_for(&mut events, |events| batches(events).len() < count, PATIENCE);
        assert!(!waited.timed_out(), "{} of {count} batches have run", batches(&events).len());
        batches(&events)
    }

    fn note(&self, event: JobEvent) {
        self.shared.0.lock().push(event);
        self.shared.1.notify_all();
    }
}

fn batches(events: &[JobEvent]) -> Vec<BatchProgress> {
    let batch = |event: &JobEvent| match event {
        JobEvent::Batch(progress) => Some((**progress).clone()),
        _ => None,
    };
    events.iter().filter_map(batch).collect()
}

impl StreamingListener for JobLog {
    fn on_start(&self, info: &JobInfo) {
        self.note(JobEvent::Started(info.clone()));
    }
    fn on_batch(&self, progress: &BatchProgress) {
        self.note(JobEvent::Batch(Box::new(progress.clone())));
    }
    fn on_end(&self, summary: &Summary, error: Option<&Error>) {
        self.note(JobEvent::Ended(summary.clone(), error.map(ToString::to_string)));
    }
}

impl fmt::Debug for JobLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.shared.0.lock().iter()).finish()
    }
}
