//! Jobs in one process, alone and together, and what is refused before anything starts.

use std::collections::BTreeSet;
use std::sync::Arc;

use firesteel_connect::Class;
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_scheduler::{Event, Mode, Pool, Scheduler};
use firesteel_streaming::{BatchLimits, Error, StreamingContext, Trigger};
use firesteel_testkit::faults::{At, FaultySink, FaultySource, SinkAt, SinkCall};
use firesteel_testkit::{JobEvent, JobLog};
use firesteel_window::{Duration, Timestamp, Tumbling, Watermark, seconds};
use parking_lot::Mutex;

use crate::job;

#[test]
fn several_jobs_share_the_executors_each_in_its_pool() {
    let pools = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&pools);
    let scheduler = Scheduler::builder()
        .threads(2)
        .mode(Mode::Fair)
        .pool("patient", Pool { weight: 1, min_share: 0 })
        .pool("urgent", Pool { weight: 3, min_share: 1 })
        .listener(move |event: &Event| {
            if let Event::JobStarted(job) = event {
                seen.lock().insert((job.name.clone(), job.pool.clone()));
            }
        })
        .build()
        .unwrap();
    let start = |name: &str, pool: &str, times: u64| {
        let results = Collector::new();
        let limits = BatchLimits::default().records(50_000);
        let job = StreamingContext::builder(name).scheduler(&scheduler).pool(pool).limits(limits).build().unwrap();
        job.read(MemorySource::new((0..200_000u64).collect::<Vec<_>>()))
            .map(move |n| n * times)
            .reduce(|a, b| a + b)
            .write(results.clone());
        (job.start(Trigger::AvailableNow).unwrap(), results)
    };
    let jobs = [start("reports", "patient", 1), start("alarms", "urgent", 2), start("alarms", "urgent", 3)];
    let whole: u64 = (0..200_000).sum();
    for (times, (running, results)) in (1..).zip(jobs) {
        assert_eq!(running.await_termination().unwrap().batches, 4);
        assert_eq!(results.records().iter().sum::<u64>(), times * whole);
    }
    drop(scheduler);
    let named = |name: &str, pool: &str| (Some(name.to_owned()), Some(pool.to_owned()));
    assert_eq!(*pools.lock(), BTreeSet::from([named("reports", "patient"), named("alarms", "urgent")]));
}

#[test]
fn jobs_with_executors_of_their_own_do_not_meet() {
    let start = |factor: u64| {
        let results = Collector::new();
        let job = StreamingContext::builder("own").threads(1).build().unwrap();
        job.read(MemorySource::new(vec![1, 2, 3])).map(move |n| n * factor).write(results.clone());
        assert_eq!(job.scheduler().threads(), 1);
        (job.start(Trigger::AvailableNow).unwrap(), results)
    };
    let (one, two) = (start(1), start(10));
    one.0.await_termination().unwrap();
    two.0.await_termination().unwrap();
    assert_eq!((one.1.records(), two.1.records()), (vec![1, 2, 3], vec![10, 20, 30]));
}

#[test]
fn a_context_runs_once() {
    let (results, job) = (Collector::new(), job(1).build().unwrap());
    job.read(MemorySource::new(vec![1])).write(results.clone());
    job.run(Trigger::AvailableNow).unwrap();
    for error in [
        job.run(Trigger::AvailableNow).unwrap_err(),
        job.start(Trigger::AvailableNow).unwrap_err(),
        job.clone().begin().unwrap_err(),
    ] {
        let Error::Setting { what, reason } = &error else { panic!("{error}") };
        assert!(what.contains("job") && reason.contains("build a new context"), "{error}");
    }
    assert_eq!(results.records(), [1]);
}

#[test]
fn a_job_without_an_output_is_refused_before_its_source_starts() {
    let (source, faults) = FaultySource::new(MemorySource::new(vec![1]));
    let job = job(1).build().unwrap();
    drop(job.read(source).map(|n: i32| n));
    let error = job.start(Trigger::AvailableNow).unwrap_err();
    assert!(matches!(&error, Error::NoOutput { job } if job == "job"), "{error}");
    assert!(error.to_string().contains("write, print or for_each_rdd"), "{error}");
    assert_eq!(faults.starts(), 0);
}

/// Runs a job with these settings; it must be refused before its source or sink is touched. Returns the message.
fn refused(watermark: Duration, idle: Option<Duration>, window: Duration, trigger: Trigger) -> String {
    let (source, faults) = FaultySource::new(MemorySource::new(vec![1i64]));
    let (sink, calls) = FaultySink::new(Collector::new());
    let (log, bounded) = (JobLog::new(), Watermark::bounded(watermark));
    let job = job(1).listener(log.clone()).build().unwrap();
    job.read(source)
        .event_time(|at| Timestamp::from_secs(*at), idle.map_or(bounded, |idle| bounded.idle_after(idle)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(window))
        .count()
        .write(sink);
    let Err(error) = job.start(trigger) else { panic!("it started") };
    assert_eq!((faults.starts(), calls.calls(), log.events().len()), (0, vec![], 0), "{error}");
    error.to_string()
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_starts_with_the_operator_and_its_place() {
    let (fine, now) = (seconds(10), Trigger::AvailableNow);
    for (said, parts) in [
        (refused(fine, None, seconds(0), now), ["window at ", "jobs.rs:", "holds no instant"]),
        (refused(fine, None, seconds(-5), now), ["window at ", "jobs.rs:", "holds no instant"]),
        (refused(seconds(-1), None, fine, now), ["event_time at ", "jobs.rs:", "cannot be delayed by -1s"]),
        (refused(fine, Some(seconds(0)), fine, now), ["event_time at ", "jobs.rs:", "become idle after 0"]),
        (refused(fine, None, fine, Trigger::Every(seconds(0))), ["Trigger::Every at ", "jobs.rs:", "longer than zero"]),
        (
            refused(fine, None, fine, Trigger::Every(seconds(-1))),
            ["Trigger::Every at ", "jobs.rs:", "longer than zero"],
        ),
    ] {
        for part in parts {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
    }
    let first = refused(seconds(-1), None, seconds(0), now);
    assert!(first.contains("event_time at "), "of several faults the first in the program is told: {first}");
}

#[test]
fn a_job_that_cannot_start_stops_what_it_has_started_and_names_the_culprit() {
    let run = |source_fails: bool| {
        let (first, first_faults) = FaultySource::new(MemorySource::new(vec![1]));
        let (second, second_faults) = FaultySource::new(MemorySource::new(vec![1]));
        let (sink, sink_faults) = FaultySink::new(Collector::new());
        let (other, other_faults) = FaultySink::new(Collector::new());
        if source_fails {
            second_faults.fail(At::Start, 1, Class::Fatal);
        } else {
            other_faults.fail(SinkAt::Start, 1, Class::Fatal);
        }
        let job = job(1).build().unwrap();
        job.read(first).named("first").write(sink).named("kept");
        job.read(second).named("second").write(other).named("broken");
        let error = job.start(Trigger::AvailableNow).unwrap_err();
        (error, [first_faults, second_faults].map(|faults| faults.stops()), [sink_faults, other_faults])
    };
    let (error, stops, _) = run(true);
    assert!(matches!(&error, Error::Source { name, .. } if name == "second"), "{error}");
    assert_eq!(stops[0], 1, "what runs inside of the first source is stopped");
    let (error, stops, sinks) = run(false);
    assert!(matches!(&error, Error::Sink { name, .. } if name == "broken"), "{error}");
    assert_eq!(stops, [1, 1]);
    assert_eq!(sinks[0].calls(), [SinkCall::Start, SinkCall::Stop]);
}

#[test]
fn a_listener_that_hears_of_the_start_hears_of_the_end() {
    let (log, job) = (JobLog::new(), job(1));
    let job = job.listener(log.clone()).build().unwrap();
    let (sink, faults) = FaultySink::new(Collector::new());
    faults.fail(SinkAt::Start, 1, Class::Fatal);
    job.read(MemorySource::new(vec![1])).write(sink);
    job.run(Trigger::AvailableNow).unwrap_err();
    let (starts, ends): (Vec<_>, Vec<_>) =
        log.events().into_iter().partition(|event| matches!(event, JobEvent::Started(_)));
    assert_eq!(starts.len(), ends.len());
}

#[test]
fn sources_of_the_same_name_are_told_apart() {
    let (log, results) = (JobLog::new(), Collector::new());
    let job = job(1).listener(log.clone()).build().unwrap();
    let [one, two] = [1, 2].map(|n| job.read(MemorySource::new(vec![n])).named("numbers"));
    one.union(two).write(results.clone());
    job.run(Trigger::AvailableNow).unwrap();
    let batches = log.batches();
    let names: Vec<_> = batches[0].inputs.iter().map(|input| &*input.name).collect();
    assert_eq!((names, results.records()), (vec!["numbers", "numbers-2"], vec![1, 2]));
}

#[test]
fn a_job_advanced_by_hand_is_over_with_a_failed_batch_and_ends_when_it_is_dropped() {
    let (source, faults) = FaultySource::new(MemorySource::new((0..10u32).collect::<Vec<_>>()));
    let (sink, calls) = FaultySink::new(Collector::new());
    calls.fail_later(SinkAt::Write, 1, 1, Class::Fatal);
    let job = job(1).limits(BatchLimits::default().records(4)).build().unwrap();
    job.read(source).write(sink);
    let mut run = job.begin().unwrap();
    assert_eq!(run.next_batch().unwrap().rows_in, 4);
    assert!(matches!(run.next_batch().unwrap_err(), Error::Batch { batch: 2, .. }));
    for error in [run.next_batch().unwrap_err(), run.last_batch().unwrap_err()] {
        assert!(error.to_string().contains("batch 2 has failed"), "{error}");
    }
    assert_eq!((run.summary().batches, faults.stops()), (1, 0));
    drop(run);
    assert_eq!((faults.stops(), calls.calls().last()), (1, Some(&SinkCall::Stop)));
}
