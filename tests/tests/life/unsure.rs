//! Sinks whose commits nobody knows the end of, and those that another process has taken over.

use firesteel_connect::{Class, Epoch};
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_streaming::{BatchLimits, Error, Trigger};
use firesteel_testkit::faults::{FaultySink, FaultySource, SinkAt, SinkCall, SinkFaults};

use crate::job;

/// A job of three batches with two outputs, the first of which is faulty: how it ended, what both show, and what was asked of
/// them.
fn run(faulty: impl FnOnce(&SinkFaults)) -> (std::result::Result<(), Error>, [Vec<u32>; 2], [Vec<SinkCall>; 2]) {
    let shown = [Collector::new(), Collector::new()];
    let (first, first_faults) = FaultySink::new(shown[0].clone());
    let (second, second_faults) = FaultySink::new(shown[1].clone());
    faulty(&first_faults);
    let job = job(1).limits(BatchLimits::default().records(2)).build().unwrap();
    let numbers = job.read(MemorySource::new((1..=6u32).collect::<Vec<_>>()));
    numbers.clone().write(first).named("first");
    numbers.write(second).named("second");
    let ended = job.run(Trigger::AvailableNow);
    (ended, shown.map(|shown| shown.records()), [first_faults.calls(), second_faults.calls()])
}

fn after_writes(calls: &[SinkCall]) -> Vec<SinkCall> {
    let is_of_interest = |call: &&SinkCall| !matches!(call, SinkCall::Write(_) | SinkCall::Stage(_) | SinkCall::Start);
    calls.iter().filter(is_of_interest).copied().collect()
}

#[test]
fn a_commit_of_which_nobody_knows_is_asked_for_until_the_sink_can_tell_and_everything_waits() {
    use SinkCall::{Commit, Outcome, Stop};
    let all: Vec<u32> = (1..=6).collect();
    for happened in [false, true] {
        let at = if happened { SinkAt::Committed } else { SinkAt::Commit };
        let (ended, shown, [first, second]) = run(|faults| {
            faults.fail_later(at, 1, 1, Class::Unknown);
            // At first not even that can be told.
            faults.fail(SinkAt::Outcome, 7, Class::Retryable);
        });
        ended.unwrap();
        assert_eq!(shown, [all.clone(), all.clone()], "{happened}");
        let mut expected = vec![Commit(Epoch(1)), Commit(Epoch(2))];
        expected.extend([Outcome(Epoch(2)); 8]);
        expected.extend((!happened).then_some(Commit(Epoch(2))));
        expected.extend([Commit(Epoch(3)), Stop]);
        assert_eq!(after_writes(&first), expected, "{happened}");
        assert_eq!(after_writes(&second), [Commit(Epoch(1)), Commit(Epoch(2)), Commit(Epoch(3)), Stop], "{happened}");
    }
}

#[test]
fn a_sink_that_can_never_tell_ends_the_job_and_is_not_told_to_clean_up() {
    let (ended, shown, [first, second]) = run(|faults| {
        faults.fail_later(SinkAt::Committed, 1, 1, Class::Unknown);
        faults.fail(SinkAt::Outcome, 1, Class::Fatal);
    });
    assert!(matches!(ended.unwrap_err(), Error::Sink { name, .. } if name == "first"));
    assert_eq!(shown, [vec![1, 2, 3, 4], vec![1, 2]]);
    assert!(!first.contains(&SinkCall::Abort(Epoch(2))), "what it has shown nobody knows");
    assert!(second.contains(&SinkCall::Abort(Epoch(2))), "it has not been asked to commit");
}

#[test]
fn who_is_fenced_calls_no_sink_any_more() {
    let (ended, shown, calls) = run(|faults| faults.fail_later(SinkAt::Commit, 1, 1, Class::Fenced));
    assert_eq!(ended.unwrap_err().class(), Class::Fenced);
    assert_eq!(shown, [vec![1, 2], vec![1, 2]]);
    assert_eq!(after_writes(&calls[0]), [SinkCall::Commit(Epoch(1)), SinkCall::Commit(Epoch(2))]);
    assert_eq!(after_writes(&calls[1]), [SinkCall::Commit(Epoch(1))]);
}

#[test]
fn who_learns_that_he_is_fenced_before_the_commit_calls_no_sink_any_more_either() {
    for at in [SinkAt::Write, SinkAt::Stage] {
        let (ended, shown, calls) = run(|faults| faults.fail_later(at, 1, 1, Class::Fenced));
        assert_eq!(ended.unwrap_err().class(), Class::Fenced, "{at:?}");
        assert_eq!(shown, [vec![1, 2], vec![1, 2]], "{at:?}");
        // Neither an abort nor a stop, and nothing is written again.
        assert_eq!(calls.each_ref().map(|calls| after_writes(calls)), [[SinkCall::Commit(Epoch(1))]; 2], "{at:?}");
        let writes = calls[0].iter().filter(|call| matches!(call, SinkCall::Write(Epoch(2))));
        assert!(writes.count() <= 1, "{at:?}");
    }
}

#[test]
fn what_is_written_is_staged_once_a_batch_and_a_stage_that_fails_leaves_nothing() {
    let (ended, shown, [first, _]) = run(|faults| faults.fail(SinkAt::Write, 1, Class::Retryable));
    ended.unwrap();
    assert_eq!(shown[0], (1..=6).collect::<Vec<_>>());
    let stages = first.iter().filter(|call| matches!(call, SinkCall::Stage(_))).copied().collect::<Vec<_>>();
    assert_eq!(stages, [1, 2, 3].map(|epoch| SinkCall::Stage(Epoch(epoch))), "attempts that failed are not staged");

    let (ended, shown, calls) = run(|faults| faults.fail_later(SinkAt::Stage, 1, 1, Class::Fatal));
    assert!(matches!(ended.unwrap_err(), Error::Sink { name, batch: 2, .. } if name == "first"));
    assert_eq!(shown, [vec![1, 2], vec![1, 2]]);
    assert!(calls.iter().all(|calls| calls.contains(&SinkCall::Abort(Epoch(2)))));
}

#[test]
fn a_source_is_told_nothing_of_an_epoch_of_which_nobody_knows() {
    let (source, source_faults) = FaultySource::new(MemorySource::new(vec![1, 2, 3]));
    let (sink, sink_faults) = FaultySink::new(Collector::new());
    sink_faults.fail(SinkAt::Committed, 1, Class::Unknown);
    sink_faults.fail(SinkAt::Outcome, 1, Class::Fatal);
    let job = job(1).build().unwrap();
    job.read(source).write(sink);
    job.run(Trigger::AvailableNow).unwrap_err();
    assert_eq!(source_faults.told(), Vec::<Vec<_>>::new());
}
