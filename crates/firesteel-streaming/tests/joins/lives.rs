//! A job in several lives, over what is left of the one before.

use crate::common::Kept;
use firesteel_budget::Memory;
use firesteel_streaming::{BatchProgress, Checkpoint};
use firesteel_testkit::TestJob;
use firesteel_window::{Duration, seconds};
use proptest::prelude::*;
use tempfile::TempDir;

/// How a job runs.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// Partitions after a shuffle, life by life in turn.
    pub(crate) partitions: Vec<usize>,
    /// After which batches it is started again, in turn.
    pub(crate) restarts: Vec<bool>,
    pub(crate) timers_per_batch: u64,
    /// Whether all state leaves memory after each batch.
    pub(crate) forgets: bool,
}

pub(crate) fn ways() -> impl Strategy<Value = Way> {
    let partitions = prop::collection::vec(1..5_usize, 1..4);
    let restarts = prop::collection::vec(any::<bool>(), 1..6);
    let timers = prop_oneof![Just(u64::MAX), Just(1), Just(200)];
    (partitions, restarts, timers, any::<bool>()).prop_map(|(partitions, restarts, timers_per_batch, forgets)| Way {
        partitions,
        restarts,
        timers_per_batch,
        forgets,
    })
}

/// The lives of a job.
pub(crate) struct Lives<'a> {
    way: &'a Way,
    folder: TempDir,
    backend: Kept,
    begun: usize,
    batches: usize,
    now: Duration,
    /// What all batches have counted as late.
    pub(crate) late: u64,
}

impl<'a> Lives<'a> {
    pub(crate) fn new(way: &'a Way) -> Self {
        let (folder, backend) = (tempfile::tempdir().unwrap(), Kept::default());
        Self { way, folder, backend, begun: 0, batches: 0, now: Duration::ZERO, late: 0 }
    }

    /// Puts batches through all lives of a program; what is left of keys and timers in all states.
    pub(crate) fn all<B>(
        &mut self,
        batches: impl IntoIterator<Item = B>,
        push: impl Fn(B),
        program: impl Fn(&TestJob),
    ) -> u64 {
        let mut test = self.begin(&program);
        for batch in batches {
            push(batch);
            if self.batch(&test) {
                drop(test);
                test = self.begin(&program);
            }
        }
        self.finish(&test)
    }

    fn begin(&mut self, program: impl FnOnce(&TestJob)) -> TestJob {
        let partitions = self.way.partitions[self.begun % self.way.partitions.len()];
        self.begun += 1;
        let checkpoint =
            Checkpoint::in_folder(self.folder.path()).interval(Duration::ZERO).backend(self.backend.clone());
        let memory = if self.way.forgets { Memory::default().state(0) } else { Memory::default() };
        let timers = self.way.timers_per_batch;
        let test = TestJob::builder()
            .seed(self.begun as u64)
            .partitions(partitions)
            .configure(move |job| job.memory(memory).checkpoint(checkpoint).timers_per_batch(timers))
            .build();
        test.advance(self.now);
        program(&test);
        test
    }

    /// Runs a batch, and what it leaves of due timers; tells whether another life begins then.
    fn batch(&mut self, test: &TestJob) -> bool {
        let mut batch = test.batch().unwrap();
        self.count(&batch);
        while batch.timers_left {
            batch = test.batch().unwrap();
            self.count(&batch);
        }
        self.batches += 1;
        self.way.restarts[self.batches % self.way.restarts.len()]
    }

    /// Ends event time.
    fn finish(&mut self, test: &TestJob) -> u64 {
        let mut batch = test.finish().unwrap();
        self.count(&batch);
        while batch.timers_left {
            batch = test.batch().unwrap();
            self.count(&batch);
        }
        batch.states.iter().map(|state| state.keys + state.timers).sum()
    }

    fn count(&mut self, batch: &BatchProgress) {
        self.late += batch.late;
        self.now += seconds(1);
    }
}
