//! Sources and sinks whose calls do not return: the job ends without them, does nothing after the call, and the next start
//! finds out what the call has done.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use firesteel_connect::{
    Class, ConnectError, Discovery, Epoch, Guarantee, ReadRange, Replay, Sink, Source, SplitId, WriteTask,
};
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::ManualClock;
use firesteel_state::CheckpointLock;
use firesteel_streaming::{
    BatchLimits, CallLimits, Checkpoint, Error, RunningJob, Stop, StreamingContext, StreamingListener, Summary, Trigger,
};
use firesteel_testkit::Gate;
use firesteel_testkit::faults::{At, FaultySink, FaultySource, SinkAt, SinkCall, SinkFaults, SourceFaults};
use firesteel_window::{Timestamp, minutes, seconds};
use parking_lot::Mutex;

use crate::job;

/// The call that hangs.
#[derive(Debug, Clone, Copy)]
enum Hangs {
    Source(At),
    Sink(SinkAt),
}

/// What a listener was told of the end.
#[derive(Clone, Default)]
struct End(Arc<Mutex<Vec<(u64, String)>>>);

impl StreamingListener for End {
    fn on_end(&self, summary: &Summary, error: Option<&Error>) {
        self.0.lock().push((summary.batches, error.map(ToString::to_string).unwrap_or_default()));
    }
}

/// A job of batches of two numbers, one of whose calls hangs.
struct Hanging {
    clock: ManualClock,
    gate: Gate,
    source: SourceFaults,
    sink: SinkFaults,
    end: End,
    context: StreamingContext,
    /// Gone when the job's thread is about to be.
    token: Weak<()>,
    folder: PathBuf,
}

impl Hanging {
    fn new(folder: &Path, results: &Collector<u32>, hangs: Hangs, limits: CallLimits) -> Self {
        let (clock, gate) = (ManualClock::starting_at(Timestamp::from_secs(1_000_000)), Gate::new());
        let (source, source_faults) = FaultySource::new(MemorySource::new((1..=6).collect::<Vec<u32>>()));
        let (sink, sink_faults) = FaultySink::new(results.clone());
        let end = End::default();
        let context = job(1)
            .limits(BatchLimits::default().records(2))
            .clock(Arc::new(clock.clone()))
            .listener(end.clone())
            .checkpoint(Checkpoint::in_folder(folder).every_batch())
            .call_limits(limits)
            .build()
            .unwrap();
        let held = Arc::new(());
        let token = Arc::downgrade(&held);
        let numbers = context.read(source).named("numbers").inspect(move |_| _ = &held);
        numbers.write(sink).named("out");
        match hangs {
            Hangs::Source(at) => source_faults.hang(at, 0, &gate),
            // What is to be thrown away has to have failed.
            Hangs::Sink(SinkAt::Abort) => {
                sink_faults.fail_later(SinkAt::Stage, 1, 1, Class::Fatal);
                sink_faults.hang(SinkAt::Abort, 0, &gate);
            }
            Hangs::Sink(at @ (SinkAt::Start | SinkAt::Stop)) => sink_faults.hang(at, 0, &gate),
            Hangs::Sink(at) => sink_faults.hang(at, 1, &gate),
        }
        let folder = folder.to_owned();
        Self { clock, gate, source: source_faults, sink: sink_faults, end, context, token, folder }
    }

    /// Lets time pass until the job has ended.
    fn wait(&self, running: RunningJob) -> Result<Summary, Error> {
        while !running.has_ended() {
            self.clock.advance(seconds(1));
            std::thread::yield_now();
        }
        running.await_termination()
    }

    /// Lets the call return and its thread end.
    fn let_go(self) -> (SourceFaults, Vec<SinkCall>) {
        self.gate.open();
        drop(self.context);
        // The job's thread lets go of its lock when it has let go of the program.
        while self.token.strong_count() > 0 || CheckpointLock::acquire(&self.folder).is_err() {
            std::thread::yield_now();
        }
        (self.source, self.sink.calls())
    }
}

/// Runs to the end what is left.
fn resume(folder: &Path, results: &Collector<u32>) {
    let job = job(1).checkpoint(Checkpoint::in_folder(folder).every_batch()).build().unwrap();
    job.read(MemorySource::new((1..=6).collect::<Vec<u32>>())).named("numbers").write(results.clone()).named("out");
    job.run(Trigger::AvailableNow).unwrap();
}

#[test]
fn whichever_call_hangs_a_stop_ends_the_job_which_does_nothing_after_it_and_resumes() {
    let cases = [
        (Hangs::Source(At::Discover), "discover of source numbers"),
        (Hangs::Source(At::Open), "read of source numbers"),
        (Hangs::Source(At::Record(1)), "read of source numbers"),
        (Hangs::Source(At::Notes), "notes of source numbers"),
        (Hangs::Source(At::Committed), "committed of source numbers"),
        (Hangs::Source(At::Stop), "stop of source numbers"),
        (Hangs::Sink(SinkAt::Write), "a task that computes and writes records for sink out"),
        (Hangs::Sink(SinkAt::Stage), "stage of sink out"),
        (Hangs::Sink(SinkAt::Commit), "commit of sink out"),
        (Hangs::Sink(SinkAt::Committed), "commit of sink out"),
        (Hangs::Sink(SinkAt::Abort), "abort of sink out"),
        (Hangs::Sink(SinkAt::Stop), "stop of sink out"),
    ];
    for ((hangs, call), how) in cases.into_iter().flat_map(|case| [(case, Stop::Gracefully), (case, Stop::AtOnce)]) {
        if how == Stop::Gracefully && matches!(hangs, Hangs::Sink(SinkAt::Write)) {
            // What a task computes is finished, however long that takes.
            continue;
        }
        let (folder, results) = (tempfile::tempdir().unwrap(), Collector::new());
        let hanging = Hanging::new(folder.path(), &results, hangs, CallLimits::default());
        let running = hanging.context.start(Trigger::AvailableNow).unwrap();
        hanging.gate.wait_for_arrivals(1);
        // Nobody waits for less than the limit.
        hanging.clock.advance(minutes(10));
        assert!(!running.has_ended());
        running.stop(how);
        let error = hanging.wait(running).unwrap_err();
        assert!(matches!(error, Error::Abandoned { .. }) && error.class() == Class::Unknown, "{hangs:?}: {error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("FS-S015: {call} has not returned for ")), "{hangs:?}: {text}");
        assert!(text.contains("(since 1970-01-12T1"), "{text}");
        let (batches, told) = hanging.end.0.lock().first().cloned().unwrap();
        assert_eq!((batches <= 3, told), (true, text), "{hangs:?}");
        let (end, before) = (hanging.end.clone(), (hanging.sink.calls(), results.records()));
        let (source, calls) = hanging.let_go();
        assert_eq!(calls, before.0, "{hangs:?}: nothing is asked of a sink after a call without an answer");
        let shown = results.records();
        let is_late = matches!(hangs, Hangs::Sink(SinkAt::Commit));
        assert!(shown == before.1 || is_late && shown.len() == before.1.len() + 2, "{hangs:?}: {shown:?}");
        let stops = u64::from(matches!(hangs, Hangs::Source(At::Stop) | Hangs::Sink(SinkAt::Stop)));
        assert_eq!((source.stops(), end.0.lock().len()), (stops, 1), "{hangs:?}");
        resume(folder.path(), &results);
        assert_eq!(results.records(), [1, 2, 3, 4, 5, 6], "{hangs:?}, {how:?}");
    }
}

#[test]
fn a_start_that_hangs_is_left_too() {
    for hangs in [Hangs::Source(At::Start), Hangs::Sink(SinkAt::Start)] {
        let (folder, results) = (tempfile::tempdir().unwrap(), Collector::new());
        let hanging = Hanging::new(folder.path(), &results, hangs, CallLimits::default());
        let (stopper, context) = (hanging.context.stopper(), hanging.context.clone());
        std::thread::scope(|scope| {
            let run = std::thread::Builder::new().spawn_scoped(scope, move || context.run(Trigger::AvailableNow));
            let run = run.unwrap();
            hanging.gate.wait_for_arrivals(1);
            stopper.stop(Stop::AtOnce);
            while !run.is_finished() {
                hanging.clock.advance(seconds(1));
                std::thread::yield_now();
            }
            let error = run.join().unwrap().unwrap_err();
            assert!(error.to_string().starts_with("FS-S015: start of s"), "{error}");
        });
        hanging.let_go();
        resume(folder.path(), &results);
        assert_eq!(results.records(), [1, 2, 3, 4, 5, 6], "{hangs:?}");
    }
}

#[test]
fn a_job_that_runs_gives_up_a_call_only_where_that_is_set() {
    let (folder, results) = (tempfile::tempdir().unwrap(), Collector::new());
    let limits = CallLimits::default().running(minutes(5));
    let hanging = Hanging::new(folder.path(), &results, Hangs::Sink(SinkAt::Commit), limits);
    let running = hanging.context.start(Trigger::AvailableNow).unwrap();
    hanging.gate.wait_for_arrivals(1);
    hanging.clock.advance(seconds(299));
    assert!(!running.has_ended());
    assert_eq!(running.stopper().waits_for(), ["commit of sink out, for 4m 59s"]);
    let error = hanging.wait(running).unwrap_err();
    assert!(error.to_string().starts_with("FS-S015: commit of sink out has not returned for "), "{error}");
    assert_eq!(results.records(), [1, 2]);
    // The lock is the thread's as long as it waits.
    let job = job(1).checkpoint(Checkpoint::in_folder(folder.path())).build().unwrap();
    job.read(MemorySource::new(vec![0_u32])).named("numbers").write(results.clone()).named("out");
    let locked = format!("{:?}", job.run(Trigger::AvailableNow).unwrap_err());
    assert!(locked.contains("FS-T004"), "{locked}");
    hanging.let_go();
    resume(folder.path(), &results);
    assert_eq!(results.records(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_sink_that_can_never_tell_keeps_no_job_from_being_stopped() {
    let (folder, results) = (tempfile::tempdir().unwrap(), Collector::new());
    let hanging = Hanging::new(folder.path(), &results, Hangs::Source(At::Start), CallLimits::default());
    hanging.gate.open();
    hanging.sink.fail_later(SinkAt::Committed, 1, 1, Class::Unknown);
    hanging.sink.fail(SinkAt::Outcome, 1_000_000, Class::Retryable);
    let running = hanging.context.start(Trigger::AvailableNow).unwrap();
    while !hanging.sink.calls().contains(&SinkCall::Outcome(Epoch(2))) {
        std::thread::yield_now();
    }
    running.stop(Stop::Gracefully);
    let error = hanging.wait(running).unwrap_err();
    assert!(error.to_string().starts_with("FS-S015: "), "{error}");
    assert!(error.to_string().contains("of sink out has not returned"), "{error}");
    let (_, calls) = hanging.let_go();
    assert!(!calls.iter().any(|call| matches!(call, SinkCall::Abort(_) | SinkCall::Stop)), "{calls:?}");
    resume(folder.path(), &results);
    assert_eq!(results.records(), [1, 2, 3, 4, 5, 6]);
}

/// What was asked of whom, in order.
type Calls = Arc<Mutex<Vec<&'static str>>>;

struct NotedSource(MemorySource<u32>, Calls);

impl Source for NotedSource {
    type Item = u32;
    type Reader = <MemorySource<u32> as Source>::Reader;

    fn describe(&self) -> String {
        "numbers".into()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, now: Timestamp) -> Result<Discovery, ConnectError> {
        self.0.discover(now)
    }
    fn open(&self, range: &ReadRange) -> Result<Self::Reader, ConnectError> {
        self.0.open(range)
    }
    fn committed(&self, _: &[(SplitId, u64)]) -> Result<(), ConnectError> {
        self.1.lock().push("source: committed");
        Ok(())
    }
    fn stop(&self) {
        self.1.lock().push("source: stop");
    }
}

/// A sink all of whose calls are noted, and whose last ones fail.
struct NotedSink(Calls, [&'static str; 3], bool);

impl Sink<u32> for NotedSink {
    type Pending = ();

    fn describe(&self) -> String {
        "noted".into()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = u32>) -> Result<(), ConnectError> {
        records.for_each(drop);
        Ok(())
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<()>) -> Result<(), ConnectError> {
        pending.clear();
        self.0.lock().push(self.1[0]);
        if self.2 { Err(failure(self.1[0])) } else { Ok(()) }
    }
    fn abort(&self, _: Epoch, _: Vec<()>) -> Result<(), ConnectError> {
        self.0.lock().push(self.1[1]);
        Ok(())
    }
    fn stop(&self) -> Result<(), ConnectError> {
        self.0.lock().push(self.1[2]);
        if self.2 { Err(failure(self.1[2])) } else { Ok(()) }
    }
}

fn failure(what: &str) -> ConnectError {
    ConnectError::Other { context: what.to_owned(), class: Class::Fatal, source: "the test wants it to fail".into() }
}

#[test]
fn the_last_calls_have_an_order_and_the_first_that_fails_is_why_the_job_has() {
    let run = |first_fails| {
        let (folder, calls) = (tempfile::tempdir().unwrap(), Calls::default());
        let job = job(1).checkpoint(Checkpoint::in_folder(folder.path())).build().unwrap();
        let numbers = job.read(NotedSource(MemorySource::new(vec![1]), Arc::clone(&calls))).named("numbers");
        let first = NotedSink(Arc::clone(&calls), ["a: commit", "a: abort", "a: stop"], first_fails);
        numbers.clone().write(first).named("a");
        numbers.write(NotedSink(Arc::clone(&calls), ["b: commit", "b: abort", "b: stop"], false)).named("b");
        let ended = job.run(Trigger::AvailableNow);
        (ended, calls.lock().clone())
    };
    let (ended, calls) = run(false);
    ended.unwrap();
    assert_eq!(calls, ["a: commit", "b: commit", "source: committed", "source: stop", "a: stop", "b: stop"]);
    // The last commit fails, and so does the stop after it: the first is told, and all other calls are made.
    let (ended, calls) = run(true);
    let error = format!("{:?}", ended.unwrap_err());
    assert!(error.contains("a: commit") && !error.contains("a: stop"), "{error}");
    assert_eq!(calls, ["a: commit", "b: abort", "source: stop", "a: stop", "b: stop"]);
}
