//! Sinks that fail: while they write, when they commit, and what the others do then.

use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, Epoch, Guarantee, Result, Sink, WriteTask};
use firesteel_connect_file::{TextFileSink, TextFiles};
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_streaming::{BatchLimits, Error, Stop, Trigger};
use firesteel_testkit::JobLog;
use firesteel_testkit::faults::{FaultySink, SinkAt, SinkCall, SinkFaults};
use parking_lot::Mutex;

use crate::job;

/// A job with two outputs over the same numbers, three batches of two; the second sink is faulty.
fn run(
    faulty: impl FnOnce(&SinkFaults),
) -> (std::result::Result<u64, Error>, Vec<u32>, Vec<u32>, Vec<SinkCall>, Vec<SinkCall>) {
    let (first, second) = (Collector::new(), Collector::new());
    let (steady, steady_calls) = FaultySink::new(first.clone());
    let (shaky, shaky_calls) = FaultySink::new(second.clone());
    faulty(&shaky_calls);
    let job = job(1).limits(BatchLimits::default().records(2)).build().unwrap();
    let numbers = job.read(MemorySource::new((1..=6u32).collect::<Vec<_>>()));
    numbers.clone().write(steady);
    numbers.map(|n| n * 10).named("tens").write(shaky);
    let ended = job.run_to_summary(Trigger::AvailableNow).map(|summary| summary.rows_out);
    (ended, first.records(), second.records(), steady_calls.calls(), shaky_calls.calls())
}

fn count(calls: &[SinkCall], call: SinkCall) -> usize {
    calls.iter().filter(|other| **other == call).count()
}

#[test]
fn a_write_that_fails_and_then_works_is_written_once() {
    for times in [1, 3] {
        let (rows, first, second, _, calls) =
            run(|faults| faults.fail_later(SinkAt::Write, 1, times, Class::Retryable));
        assert_eq!(rows.unwrap(), 12);
        assert_eq!((first, second), (vec![1, 2, 3, 4, 5, 6], vec![10, 20, 30, 40, 50, 60]));
        assert_eq!(count(&calls, SinkCall::Write(Epoch(2))), 1 + times as usize);
        assert_eq!(count(&calls, SinkCall::Abort(Epoch(2))), 0);
    }
}

#[test]
fn a_write_that_fails_for_good_leaves_nothing_of_the_batch_in_any_sink() {
    for (times, class) in [(1, Class::Fatal), (4, Class::Retryable)] {
        let (ended, first, second, steady, shaky) = run(|faults| faults.fail_later(SinkAt::Write, 1, times, class));
        let error = ended.unwrap_err();
        assert!(matches!(&error, Error::Batch { batch: 2, output, .. } if output == "tens"), "{error:?}");
        assert!(format!("{error:?}").contains("the test wants it to fail"));
        assert_eq!((first, second), (vec![1, 2], vec![10, 20]));
        for calls in [steady, shaky] {
            assert_eq!((count(&calls, SinkCall::Commit(Epoch(2))), count(&calls, SinkCall::Abort(Epoch(2)))), (0, 1));
            assert_eq!(calls.last(), Some(&SinkCall::Stop));
        }
    }
}

#[test]
fn a_commit_that_fails_for_a_passing_reason_is_repeated() {
    let (rows, first, second, _, calls) = run(|faults| faults.fail_later(SinkAt::Commit, 1, 1, Class::Retryable));
    assert_eq!(rows.unwrap(), 12);
    assert_eq!((first.len(), second), (6, vec![10, 20, 30, 40, 50, 60]));
    assert_eq!(count(&calls, SinkCall::Commit(Epoch(2))), 2);
}

#[test]
fn a_commit_whose_success_was_not_heard_of_is_not_doubled() {
    let (rows, _, second, _, calls) = run(|faults| faults.fail(SinkAt::Committed, 1, Class::Retryable));
    assert_eq!((rows.unwrap(), second), (12, vec![10, 20, 30, 40, 50, 60]));
    assert_eq!(count(&calls, SinkCall::Commit(Epoch(1))), 2);
}

#[test]
fn a_commit_that_fails_for_good_stops_the_job_and_is_not_rolled_back() {
    let (ended, first, second, steady, shaky) = run(|faults| faults.fail_later(SinkAt::Commit, 1, 1, Class::Fatal));
    let error = ended.unwrap_err();
    assert!(matches!(&error, Error::Sink { name, batch: 2, .. } if name == "tens"), "{error:?}");
    assert_eq!((first, second), (vec![1, 2, 3, 4], vec![10, 20]), "the first sink had committed before");
    assert_eq!(count(&steady, SinkCall::Abort(Epoch(2))), 0, "what is committed is not rolled back");
    assert_eq!(count(&shaky, SinkCall::Abort(Epoch(2))), 0, "what it has shown of it nobody knows");
    assert_eq!((steady.last(), shaky.last()), (Some(&SinkCall::Stop), Some(&SinkCall::Stop)));
}

#[test]
fn outputs_after_one_whose_commit_fails_are_thrown_away_too() {
    let (broken, faults) = FaultySink::new(Collector::new());
    let (other, calls) = FaultySink::new(Collector::new());
    faults.fail(SinkAt::Commit, 1, Class::Fatal);
    let job = job(1).build().unwrap();
    let numbers = job.read(MemorySource::new(vec![1, 2]));
    numbers.clone().write(broken);
    numbers.write(other);
    job.run(Trigger::AvailableNow).unwrap_err();
    let [write, stage, abort] = [SinkCall::Write(Epoch(1)), SinkCall::Stage(Epoch(1)), SinkCall::Abort(Epoch(1))];
    assert_eq!(calls.calls(), [SinkCall::Start, write, stage, abort, SinkCall::Stop]);
}

#[test]
fn an_abort_or_a_stop_that_fails_hides_no_earlier_error() {
    let (ended, ..) = run(|faults| {
        faults.fail(SinkAt::Write, 1, Class::Fatal);
        faults.fail(SinkAt::Abort, 1, Class::Fatal);
        faults.fail(SinkAt::Stop, 1, Class::Fatal);
    });
    assert!(matches!(ended.unwrap_err(), Error::Batch { batch: 1, .. }));
    let (ended, _, second, ..) = run(|faults| faults.fail(SinkAt::Stop, 1, Class::Fatal));
    assert!(matches!(ended.unwrap_err(), Error::Sink { name, .. } if name == "tens"));
    assert_eq!(second.len(), 6, "all was written; only the end failed");
}

/// Publishes part by part; the commit fails in the middle.
#[derive(Clone, Default)]
struct PartByPart {
    published: Arc<Mutex<Vec<(Epoch, Vec<u32>)>>>,
    calls: Arc<Mutex<Vec<usize>>>,
}

impl Sink<u32> for PartByPart {
    type Pending = Vec<u32>;
    fn describe(&self) -> String {
        "parts".into()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = u32>) -> Result<Vec<u32>> {
        Ok(records.collect())
    }
    fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<u32>>) -> Result<()> {
        let mut calls = self.calls.lock();
        calls.push(pending.len());
        let most = if calls.len() == 1 { 2 } else { usize::MAX };
        for part in pending.drain(..pending.len().min(most)) {
            self.published.lock().push((epoch, part));
        }
        if pending.is_empty() {
            return Ok(());
        }
        let source = "the line is down".into();
        Err(ConnectError::Other { context: "publishing".into(), class: Class::Retryable, source })
    }
}

#[test]
fn a_repeated_commit_continues_with_what_is_left() {
    let (sink, log) = (PartByPart::default(), JobLog::new());
    let job = job(2).listener(log.clone()).build().unwrap();
    job.read(MemorySource::partitions([vec![1], vec![2, 3], vec![4], vec![5]])).write(sink.clone());
    job.run(Trigger::AvailableNow).unwrap();
    assert_eq!(*sink.calls.lock(), [4, 2]);
    let parts: Vec<_> = sink.published.lock().iter().map(|(_, part)| part.clone()).collect();
    assert_eq!(parts, [vec![1], vec![2, 3], vec![4], vec![5]]);
    assert_eq!(log.batches().len(), 1);
}

#[test]
fn a_stop_at_once_during_a_commit_lets_the_commit_finish() {
    // What has begun to become visible becomes visible as a whole.
    let (first, second) = (Collector::new(), Collector::new());
    let (shaky, faults) = FaultySink::new(first.clone());
    faults.fail(SinkAt::Commit, 2, Class::Retryable);
    let job = job(1).build().unwrap();
    let stopper = job.stopper();
    struct Stopping(Collector<u32>, Mutex<Option<firesteel_streaming::Stopper>>);
    impl Sink<u32> for Stopping {
        type Pending = Vec<u32>;
        fn describe(&self) -> String {
            "a sink that stops the job".into()
        }
        fn guarantee(&self) -> Guarantee {
            Guarantee::ExactlyOnce
        }
        fn write(&self, task: WriteTask, records: impl Iterator<Item = u32>) -> Result<Vec<u32>> {
            self.0.write(task, records)
        }
        fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<u32>>) -> Result<()> {
            if let Some(stopper) = self.1.lock().take() {
                stopper.stop(Stop::AtOnce);
            }
            self.0.commit(epoch, pending)
        }
    }
    let numbers = job.read(MemorySource::new(vec![1, 2]));
    numbers.clone().write(Stopping(second.clone(), Mutex::new(Some(stopper))));
    numbers.write(shaky);
    let summary = job.run_to_summary(Trigger::AsSoonAsPossible).unwrap();
    assert_eq!((first.records(), second.records(), summary.batches), (vec![1, 2], vec![1, 2], 1));
}

#[test]
fn a_batch_that_fails_or_is_stopped_leaves_no_file_behind() {
    for stop in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let job = job(2).limits(BatchLimits::default().records(30)).build().unwrap();
        let stopper = job.stopper();
        let parts = [(0..15).collect::<Vec<u32>>(), (100..115).collect(), (200..230).collect()];
        let lines = job.read(MemorySource::partitions(parts)).map(move |n| {
            if n == 220 {
                assert!(stop, "no luck");
                stopper.stop(Stop::AtOnce);
            }
            n.to_string()
        });
        lines.write(TextFileSink::new(folder.path().join("out")));
        assert_eq!(job.run(Trigger::AsSoonAsPossible).is_ok(), stop);
        let files = |path: &std::path::Path| -> Vec<String> {
            let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.collect()
        };
        let left = files(&folder.path().join("out"));
        let parts = left.iter().filter(|name| name.contains("part")).count();
        assert!(parts <= 3, "of the first batch only: {left:?}");
        let (read, again) = (Collector::new(), crate::job(1).build().unwrap());
        again.read(TextFiles::new(folder.path().join("out"))).write(read.clone());
        again.run(Trigger::AvailableNow).unwrap();
        let mut numbers: Vec<u32> = read.records().iter().map(|line| line.parse().unwrap()).collect();
        numbers.sort_unstable();
        let first = (0..10).chain(100..110).chain(200..210).collect::<Vec<_>>();
        assert_eq!(numbers, first, "{left:?}");
    }
}
