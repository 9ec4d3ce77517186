//! Sinks that take long to commit: the next epoch computes meanwhile, and nothing else changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use firesteel_connect::{
    CheckpointId, Class, ConnectError, Epoch, Guarantee, Mark, Result, Sink, SinkContext, WriteTask,
};
use firesteel_connect_memory::MemorySource;
use firesteel_core::ManualClock;
use firesteel_streaming::{BatchLimits, BatchProgress, Checkpoint, StreamingContext, StreamingListener, Trigger};
use firesteel_window::{Timestamp, millis, seconds};
use parking_lot::{Condvar, Mutex};

use crate::job;

/// What was called, in order, and what can be read.
#[derive(Debug, Default)]
struct Log {
    calls: Vec<String>,
    shown: BTreeMap<u64, Vec<u32>>,
    checkpoint: Option<CheckpointId>,
    /// The epochs that were committed on another thread than the job's.
    beside: Vec<u64>,
}

/// A sink of which every commit takes 50 ms, and one waits for the writes of the next epoch.
#[derive(Clone)]
struct Slow {
    clock: ManualClock,
    /// The epoch whose commit waits, and for how many writes.
    waits: (u64, usize),
    /// The epoch that cannot be committed.
    fails: u64,
    /// The last epoch whose commit takes long.
    slow_until: u64,
    log: Arc<(Mutex<Log>, Condvar)>,
}

impl Slow {
    fn new(clock: &ManualClock) -> Self {
        Self { clock: clock.clone(), waits: (0, 0), fails: 0, slow_until: u64::MAX, log: Arc::default() }
    }

    fn call(&self, call: String) {
        self.log.0.lock().calls.push(call);
        self.log.1.notify_all();
    }

    fn calls(&self) -> Vec<String> {
        self.log.0.lock().calls.clone()
    }

    /// What each epoch has shown.
    fn shown(&self) -> BTreeMap<u64, Vec<u32>> {
        self.log.0.lock().shown.clone()
    }
}

impl Sink<u32> for Slow {
    type Pending = Vec<u32>;

    fn describe(&self) -> String {
        "a slow sink".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }
    fn start(&self, context: &SinkContext) -> Result<()> {
        self.log.0.lock().checkpoint = Some(context.checkpoint());
        Ok(())
    }
    fn write(&self, task: WriteTask, records: impl Iterator<Item = u32>) -> Result<Vec<u32>> {
        let records: Vec<u32> = records.collect();
        self.call(format!("write {}", task.epoch));
        Ok(records)
    }
    fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<u32>>) -> Result<()> {
        self.call(format!("commit {epoch}"));
        if epoch.0 == self.waits.0 {
            let next = format!("write {}", epoch.0 + 1);
            let writes = |log: &mut Log| log.calls.iter().filter(|call| **call == next).count();
            let mut log = self.log.0.lock();
            let wait = self.log.1.wait_while_for(&mut log, |log| writes(log) < self.waits.1, Duration::from_secs(20));
            assert!(!wait.timed_out(), "nothing is written beside the commit");
        }
        if epoch.0 <= self.slow_until {
            self.clock.advance(millis(50));
        }
        if std::thread::current().name() == Some("firesteel-commit") {
            self.log.0.lock().beside.push(epoch.0);
        }
        if epoch.0 == self.fails {
            let source = "the disk is gone".into();
            return Err(ConnectError::Other { context: "committing".to_owned(), class: Class::Fatal, source });
        }
        let mut log = self.log.0.lock();
        let records: Vec<u32> = pending.drain(..).flatten().collect();
        log.shown.entry(epoch.0).or_default().extend(records);
        log.calls.push(format!("done {epoch}"));
        Ok(())
    }
    fn abort(&self, epoch: Epoch, pending: Vec<Vec<u32>>) -> Result<()> {
        self.call(format!("abort {epoch} of {}", pending.len()));
        Ok(())
    }
    fn last_committed(&self) -> Result<Option<Mark>> {
        let log = self.log.0.lock();
        let last = log.shown.last_key_value().map(|(epoch, _)| Epoch(*epoch));
        Ok(last.zip(log.checkpoint).map(|(epoch, checkpoint)| Mark { epoch, checkpoint }))
    }
}

/// A job that reads twelve numbers, each in a batch of its own, and adds up what came so far.
fn sums(sink: &Slow, checkpoint: Option<&Path>, listener: impl StreamingListener + 'static) -> StreamingContext {
    let job = job(1).clock(Arc::new(sink.clock.clone())).limits(BatchLimits::default().records(1)).listener(listener);
    let job = match checkpoint {
        Some(folder) => job.checkpoint(Checkpoint::in_folder(folder).interval(seconds(0)).snapshot_after(1)),
        None => job,
    };
    let job = job.build().unwrap();
    let numbers = job.read(MemorySource::new((1..=12_u32).map(|n| ((), n)).collect::<Vec<_>>())).named("numbers");
    numbers.running_sum().named("sums").map(|(_, sum)| sum as u32).write(sink.clone()).named("slow");
    job
}

struct Nobody;
impl StreamingListener for Nobody {}

fn clock() -> ManualClock {
    ManualClock::starting_at(Timestamp::from_secs(1_000_000))
}

/// The first twelve sums of the numbers from one on.
fn expected() -> Vec<u32> {
    (1..=12).map(|n| n * (n + 1) / 2).collect()
}

#[test]
fn the_next_epoch_computes_and_grows_while_a_slow_sink_commits() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let sink = Slow { waits: (2, 4), ..Slow::new(&clock) };
    sums(&sink, Some(folder.path()), Nobody).run(Trigger::AvailableNow).unwrap();
    let calls = sink.calls();
    // The first commit shows how long they take.
    assert_eq!(calls[..4], ["write 1", "commit 1", "done 1", "write 2"], "{calls:?}");
    let at = |call: &str| calls.iter().position(|found| found == call).unwrap();
    assert!(calls[..at("done 2")].iter().filter(|call| *call == "write 3").count() >= 4, "{calls:?}");
    assert!(at("done 2") < at("commit 3"), "one is committed after the other: {calls:?}");
    let shown = sink.shown();
    assert!(shown[&3].len() >= 4, "the epoch has grown: {shown:?}");
    assert_eq!(shown.into_values().flatten().collect::<Vec<_>>(), expected());
}

#[test]
fn without_a_checkpoint_the_next_batch_computes_meanwhile_and_every_batch_is_an_epoch() {
    let clock = clock();
    let sink = Slow { waits: (2, 1), ..Slow::new(&clock) };
    sums(&sink, None, Nobody).run(Trigger::AvailableNow).unwrap();
    let calls = sink.calls();
    let at = |call: &str| calls.iter().position(|found| found == call).unwrap();
    assert!(at("write 3") < at("done 2") && at("done 2") < at("commit 3"), "{calls:?}");
    let shown = sink.shown();
    assert!(shown.len() == 12 && shown.values().all(|records| records.len() == 1), "{shown:?}");
    assert_eq!(shown.into_values().flatten().collect::<Vec<_>>(), expected());
}

#[test]
fn a_commit_that_fails_beside_fails_the_job_which_resumes_as_if_nothing_had_happened() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let sink = Slow { waits: (2, 2), fails: 2, ..Slow::new(&clock) };
    let error = sums(&sink, Some(folder.path()), Nobody).run(Trigger::AvailableNow).unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("sink slow failed") && text.contains("the disk is gone"), "{text}");
    let calls = sink.calls();
    assert!(calls.iter().all(|call| !call.starts_with("abort 2")), "what has become of it nobody knows: {calls:?}");
    let commits = calls.iter().filter(|call| call.starts_with("commit")).count();
    assert_eq!(commits, 2, "nothing newer is committed: {calls:?}");
    assert!(calls.last().is_some_and(|last| last.starts_with("abort 3")), "{calls:?}");
    assert_eq!(sink.shown(), BTreeMap::from([(1, vec![1])]));

    let sink = Slow { fails: 0, waits: (0, 0), ..sink };
    sums(&sink, Some(folder.path()), Nobody).run(Trigger::AvailableNow).unwrap();
    let shown = sink.shown();
    assert_eq!(shown[&2], [3], "exactly what was prepared");
    assert_eq!(shown.into_values().flatten().collect::<Vec<_>>(), expected());
}

/// Checks that what is told as committed can be read.
struct Reader(Slow, Arc<Mutex<Vec<u64>>>);

impl StreamingListener for Reader {
    fn on_batch(&self, batch: &BatchProgress) {
        let shown = self.0.shown();
        let last = shown.last_key_value().map_or(0, |(epoch, _)| *epoch);
        assert!(!batch.ends_epoch || last >= batch.epoch.0, "batch {} is told too soon", batch.batch);
        if batch.ends_epoch {
            assert_eq!(batch.durations.commit_us, 50_000, "batch {}", batch.batch);
        }
        self.1.lock().push(batch.batch);
    }
}

#[test]
fn a_batch_is_told_when_it_can_be_read_and_all_are_in_order() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (sink, told) = (Slow { waits: (2, 4), ..Slow::new(&clock) }, Arc::default());
    let job = sums(&sink, Some(folder.path()), Reader(sink.clone(), Arc::clone(&told)));
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!(*told.lock(), (1..=12).collect::<Vec<u64>>());
    assert_eq!((summary.rows_out, summary.uncommitted), (12, 0));
}

#[test]
fn who_drives_a_job_batch_by_batch_finds_each_committed() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let sink = Slow::new(&clock);
    let mut run = sums(&sink, Some(folder.path()), Nobody).begin().unwrap();
    for batch in 1..=5 {
        let progress = run.next_batch().unwrap();
        assert_eq!((progress.batch, sink.shown().len() as u64), (batch, batch));
    }
    let savepoint = folder.path().join("savepoint");
    assert_eq!(run.savepoint(&savepoint).unwrap(), Epoch(5));
}

#[test]
fn a_sink_that_is_quick_again_commits_on_the_thread_of_the_job() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let sink = Slow { slow_until: 2, ..Slow::new(&clock) };
    let mut run = sums(&sink, Some(folder.path()), Nobody).begin().unwrap();
    (0..6).for_each(|_| drop(run.next_batch().unwrap()));
    assert_eq!(sink.log.0.lock().beside, [2, 3], "each as the one before it suggests");
}
