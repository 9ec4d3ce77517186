//! When batches run.

use std::sync::Arc;

use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_core::ManualClock;
use firesteel_streaming::{BatchLimits, BatchProgress, Stop, Trigger};
use firesteel_testkit::{Gate, JobLog};
use firesteel_window::{Timestamp, Tumbling, Watermark, millis, seconds};

use crate::job;

fn rows(batches: &[BatchProgress]) -> Vec<u64> {
    batches.iter().map(|batch| batch.rows_in).collect()
}

#[test]
fn as_soon_as_possible_runs_a_batch_when_something_comes_and_none_when_nothing_does() {
    let (log, results) = (JobLog::new(), Collector::new());
    let queue = QueueSource::new(2);
    let numbers = queue.handle();
    let job = job(2).listener(log.clone()).build().unwrap();
    job.read(queue).write(results.clone());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    for (count, batch) in [(1, vec![1, 2, 3]), (2, vec![4]), (3, vec![5, 6])] {
        numbers.push(batch).unwrap();
        log.wait_for_batches(count);
    }
    numbers.close();
    let summary = running.await_termination().unwrap();
    assert_eq!(rows(&log.batches()), [3, 1, 2]);
    assert_eq!((summary.batches, summary.rows_in, summary.rows_out), (3, 6, 6));
    assert_eq!(results.records(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn every_interval_on_virtual_time() {
    let (log, results) = (JobLog::new(), Collector::new());
    let clock = ManualClock::new();
    let queue = QueueSource::new(1);
    let numbers = queue.handle();
    let job = job(1).clock(Arc::new(clock.clone())).listener(log.clone()).build().unwrap();
    job.read(queue).write(results.clone());
    let running = job.start(Trigger::Every(seconds(1))).unwrap();
    log.wait_for_batches(1);
    numbers.push(vec![1]).unwrap();
    clock.advance(millis(999));
    clock.advance(millis(1));
    log.wait_for_batches(2);
    clock.advance(seconds(1)); // Nothing has come: the interval still has its batch.
    log.wait_for_batches(3);
    numbers.push(vec![2, 3]).unwrap();
    clock.advance(millis(5_500)); // Five ticks pass at once: one batch, not five.
    log.wait_for_batches(4);
    clock.advance(millis(500)); // The next batch is at a whole second again.
    log.wait_for_batches(5);
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    let batches = log.batches();
    let times: Vec<_> = batches.iter().map(|batch| batch.time.as_millis()).collect();
    assert_eq!((times, rows(&batches)), (vec![0, 1_000, 2_000, 7_500, 8_000], vec![0, 1, 0, 2, 0]));
    assert_eq!(results.records(), [1, 2, 3]);
}

#[test]
fn a_batch_that_takes_longer_than_the_interval_is_followed_at_once_by_one_more() {
    let (log, gate) = (JobLog::new(), Gate::new());
    let clock = ManualClock::new();
    let queue = QueueSource::new(1);
    queue.handle().push(vec![1]).unwrap();
    let job = job(1).clock(Arc::new(clock.clone())).listener(log.clone()).build().unwrap();
    let held = gate.clone();
    job.read(queue).inspect(move |_| held.pass()).write(Collector::new());
    let running = job.start(Trigger::Every(seconds(1))).unwrap();
    gate.wait_for_arrivals(1);
    clock.advance(millis(3_200));
    gate.open();
    log.wait_for_batches(2);
    clock.advance(millis(800));
    log.wait_for_batches(3);
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    let times: Vec<_> = log.batches().iter().map(|batch| batch.time.as_millis()).collect();
    assert_eq!(times, [0, 3_200, 4_000]);
}

#[test]
fn every_interval_on_the_machine_s_time() {
    let log = JobLog::new();
    let queue = QueueSource::<u32>::new(1);
    let job = job(1).listener(log.clone()).build().unwrap();
    job.read(queue.clone()).write(Collector::new());
    let running = job.start(Trigger::Every(millis(5))).unwrap();
    let batches = log.wait_for_batches(4);
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    // The wall clock may be set while this runs; a batch is admitted at most a moment before its time shows.
    let spans: Vec<_> = batches.windows(2).map(|pair| pair[1].time.since(pair[0].time)).collect();
    let whole = batches[3].time.since(batches[0].time);
    assert!(whole >= millis(14), "three intervals of five milliseconds took {whole}: {spans:?}");
}

#[test]
fn available_now_reads_what_is_there_in_several_batches_and_leaves_what_comes_later() {
    let (log, results) = (JobLog::new(), Collector::new());
    let queue = QueueSource::new(2);
    let numbers = queue.handle();
    numbers.push((0..10).collect()).unwrap();
    let first = job(2).limits(BatchLimits::default().records(3)).listener(log.clone()).build().unwrap();
    let more = numbers.clone();
    first.read(queue.clone()).write(results.clone());
    first.read(MemorySource::new(vec![1])).for_each_rdd(move |_, _| more.push(vec![100, 101]));
    first.run(Trigger::AvailableNow).unwrap();
    assert_eq!(crate::sorted(results.records()), (0..10).collect::<Vec<_>>());
    assert!(log.batches().len() >= 4, "{:?}", rows(&log.batches()));

    let (rest, second) = (Collector::new(), job(1).build().unwrap());
    second.read(queue).write(rest.clone());
    second.run(Trigger::AvailableNow).unwrap();
    let left = rest.records();
    assert_eq!(left.len(), 2 * log.batches().len(), "what came during the first run is there for the second");
    assert!(left.iter().all(|number| *number >= 100));
}

#[test]
fn once_is_one_batch_whatever_its_size() {
    let (log, results) = (JobLog::new(), Collector::new());
    let queue = QueueSource::new(3);
    let numbers = queue.handle();
    numbers.push((0..1_000).collect()).unwrap();
    let job = job(2).limits(BatchLimits::default().records(7).bytes(9)).listener(log.clone()).build().unwrap();
    let more = numbers.clone();
    job.read(queue).inspect(move |_| drop(more.push(vec![5_000]))).write(results.clone());
    let summary = job.run_to_summary(Trigger::Once).unwrap();
    assert_eq!((summary.batches, rows(&log.batches())), (1, vec![1_000]));
    assert_eq!(results.records(), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn once_closes_the_windows_of_sources_that_have_ended_and_of_no_others() {
    for (close, windows) in [(true, 2), (false, 1)] {
        let results = Collector::new();
        let queue = QueueSource::new(1);
        queue.handle().push(vec![3, 7, 12]).unwrap();
        if close {
            queue.handle().close();
        }
        let job = job(1).build().unwrap();
        job.read(queue)
            .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(0)))
            .key_by(|_| 0u8)
            .window(Tumbling::of(seconds(10)))
            .count()
            .write(results.clone());
        let summary = job.run_to_summary(Trigger::Once).unwrap();
        assert_eq!((summary.windows, results.records().len()), (windows, windows as usize));
    }
}

#[test]
fn under_every_trigger_a_job_ends_when_its_sources_have_ended() {
    for trigger in [Trigger::AsSoonAsPossible, Trigger::Every(millis(1)), Trigger::AvailableNow, Trigger::Once] {
        let results = Collector::new();
        let job = job(1).build().unwrap();
        job.read(MemorySource::new(vec![5, 15, 25]))
            .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(100)))
            .key_by(|_| 0u8)
            .window(Tumbling::of(seconds(10)))
            .count()
            .write(results.clone());
        let summary = job.run_to_summary(trigger).unwrap();
        assert_eq!((summary.rows_in, summary.windows, results.records().len()), (3, 3, 3), "{trigger:?}");
    }
}
