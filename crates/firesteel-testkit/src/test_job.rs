//! A job that a test drives by hand.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_core::{Clock, Data, ManualClock};
use firesteel_scheduler::Scheduler;
use firesteel_streaming::{BatchProgress, Builder, Error, JobRun, Result, Shape, Stream, StreamingContext, Summary};
use firesteel_window::{Duration, Timestamp, seconds};

use crate::recorder::Recorder;

/// Settings of a test. Made by [`TestJob::builder`].
#[must_use]
pub struct TestBuilder {
    seed: u64,
    threads: Option<usize>,
    partitions: usize,
    interval: Duration,
    configure: Box<dyn FnOnce(Builder) -> Builder>,
}

impl TestBuilder {
    /// Runs tasks in an order that depends on the seed; 0 is the order of partitions.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Runs tasks on real threads instead of one after the other: what comes out must be the same.
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// Cuts data after a shuffle into this many partitions; 2 unless set.
    pub fn partitions(self, partitions: usize) -> Self {
        Self { partitions, ..self }
    }

    /// How much processing time passes from one batch to the next; one second unless set.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets anything else of the job.
    pub fn configure(self, configure: impl FnOnce(Builder) -> Builder + 'static) -> Self {
        Self { configure: Box::new(configure), ..self }
    }

    /// The test.
    ///
    /// # Panics
    /// When the executors cannot be started, or the settings are refused: a test has no other answer to that.
    #[must_use]
    pub fn build(self) -> TestJob {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::EPOCH));
        let scheduler = match self.threads {
            Some(threads) => Scheduler::builder().threads(threads),
            None => Scheduler::builder().deterministic(self.seed),
        };
        let scheduler = scheduler.build().expect("the executors of a test start");
        let builder = StreamingContext::builder("test")
            .scheduler(&scheduler)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .partitions(self.partitions);
        let job = (self.configure)(builder).build().expect("the settings of a test are fine");
        TestJob { job, clock, interval: self.interval, run: RefCell::new(None), scripted: Cell::new(0) }
    }
}

/// A job on virtual time whose batches a test runs one by one.
///
/// Batch `n` runs at `n` intervals after the Unix epoch, as Spark numbers the batches of its test suites.
pub struct TestJob {
    job: StreamingContext,
    clock: Arc<ManualClock>,
    interval: Duration,
    run: RefCell<Option<JobRun>>,
    scripted: Cell<usize>,
}

impl TestJob {
    /// A test with the usual settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A test with other settings.
    pub fn builder() -> TestBuilder {
        let configure = Box::new(|builder| builder);
        TestBuilder { seed: 0, threads: None, partitions: 2, interval: seconds(1), configure }
    }

    /// The context, for sources, side outputs and all else.
    #[must_use]
    pub fn context(&self) -> &StreamingContext {
        &self.job
    }

    /// A stream of these records, batch by batch, in one partition.
    pub fn script<T: Data>(&self, batches: impl IntoIterator<Item = Vec<T>>) -> Stream<T> {
        self.script_in(1, batches)
    }

    /// A stream of these records, batch by batch, each batch cut into `partitions` partitions.
    ///
    /// # Panics
    /// Never: its queue is open.
    pub fn script_in<T: Data>(&self, partitions: usize, batches: impl IntoIterator<Item = Vec<T>>) -> Stream<T> {
        let queue = QueueSource::new(partitions).one_at_a_time();
        let handle = queue.handle();
        let mut count = 0;
        for batch in batches {
            handle.push(batch).expect("the queue is open");
            count += 1;
        }
        handle.close();
        self.scripted.set(self.scripted.get().max(count));
        self.job.read(queue)
    }

    /// Records what the stream yields.
    pub fn record<T: Data, S: Shape>(&self, stream: Stream<T, S>) -> Recorder<T> {
        let collector = Collector::new();
        stream.write(collector.clone());
        Recorder { collector }
    }

    /// The processing time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Lets processing time pass.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Lets one interval pass and runs a batch.
    ///
    /// # Errors
    /// When the job does not start or the batch fails.
    pub fn batch(&self) -> Result<BatchProgress> {
        self.advance(self.interval);
        self.with_run(JobRun::next_batch)
    }

    /// Runs as many batches as the longest script has.
    ///
    /// # Errors
    /// When the job does not start or a batch fails.
    pub fn run(&self) -> Result<Vec<BatchProgress>> {
        (0..self.scripted.get()).map(|_| self.batch()).collect()
    }

    /// Ends event time: one more batch, in which all windows close.
    ///
    /// # Errors
    /// When the job does not start or the batch fails.
    pub fn finish(&self) -> Result<BatchProgress> {
        self.advance(self.interval);
        self.with_run(JobRun::last_batch)
    }

    /// The run so far, in numbers.
    ///
    /// # Errors
    /// When the job does not start.
    pub fn summary(&self) -> Result<Summary> {
        self.with_run(|run| Ok(run.summary()))
    }

    fn with_run<T>(&self, act: impl FnOnce(&mut JobRun) -> Result<T>) -> Result<T> {
        let mut run = self.run.borrow_mut();
        if run.is_none() {
            *run = Some(self.job.begin()?);
        }
        let missing = || Error::Thread { what: "the test's job has not begun".to_owned() };
        act(run.as_mut().ok_or_else(missing)?)
    }
}

impl Default for TestJob {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for TestJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestJob").field("now", &self.now()).finish_non_exhaustive()
    }
}
