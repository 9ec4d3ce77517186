//! How a job is stopped, and what is left then.
//!
//! The rows of case 16 of Spark's suites that need no checkpoint are here. Where Spark's receivers may store on after
//! they were told to stop, ours may not: what was stored before is processed, and nothing comes after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use firesteel_connect::{Buffered, Class, ConnectError, Epoch, Guarantee, Receiver, Sink, Store, WriteTask};
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_core::Actions;
use firesteel_scheduler::Scheduler;
use firesteel_streaming::{
    BatchLimits, BatchProgress, Error, JobInfo, Stop, StreamingContext, StreamingListener, Summary, Trigger,
};
use firesteel_testkit::faults::{At, FaultySink, FaultySource, SinkAt, SinkCall};
use firesteel_testkit::{Gate, JobLog};
use firesteel_window::{hours, millis};

use crate::job;

/// Stores 0, 1, 2 … as fast as it can, and counts what it has stored.
struct Numbers {
    stored: Arc<AtomicU64>,
}

impl Receiver for Numbers {
    type Item = u64;
    fn describe(&self) -> String {
        "numbers".into()
    }
    fn receive(&mut self, store: &Store<u64>) -> Result<(), ConnectError> {
        for number in 0.. {
            if store.push(number).is_err() {
                break;
            }
            self.stored.store(number + 1, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[test]
fn a_graceful_stop_processes_all_that_a_fast_receiver_has_stored() {
    let (log, results, stored) = (JobLog::new(), Collector::new(), Arc::<AtomicU64>::default());
    let job = job(2).limits(BatchLimits::default().records(500)).listener(log.clone()).build().unwrap();
    job.read(Buffered::new(Numbers { stored: Arc::clone(&stored) }).capacity(5_000)).write(results.clone());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    while log.batches().iter().map(|batch| batch.rows_in).sum::<u64>() < 2_000 {
        log.wait_for_batches(log.batches().len() + 1);
    }
    running.stop(Stop::Gracefully);
    let summary = running.await_termination().unwrap();
    let stored = stored.load(Ordering::SeqCst);
    assert_eq!(results.records(), (0..stored).collect::<Vec<_>>(), "processed is stored");
    assert_eq!((summary.rows_in, summary.rows_out), (stored, stored));
}

/// Stores what it is sent, one record at a time.
struct Forwarder {
    records: mpsc::Receiver<u32>,
    stored: mpsc::Sender<Result<(), u32>>,
}

impl Receiver for Forwarder {
    type Item = u32;
    fn describe(&self) -> String {
        "forwarded numbers".into()
    }
    fn receive(&mut self, store: &Store<u32>) -> Result<(), ConnectError> {
        for record in &self.records {
            let _ = self.stored.send(store.push(record).map_err(|_| record));
        }
        Ok(())
    }
}

#[test]
fn a_receiver_that_does_not_listen_is_left_behind_and_stores_nothing_more() {
    let (records, forwarded) = mpsc::channel();
    let (stored, answers) = mpsc::channel();
    let results = Collector::new();
    let job = job(1).build().unwrap();
    let deaf = Buffered::new(Forwarder { records: forwarded, stored }).stop_within(millis(5));
    job.read(deaf).write(results.clone());
    let running = job.start(Trigger::Every(hours(1))).unwrap();
    for record in 0..15 {
        records.send(record).unwrap();
        assert_eq!(answers.recv().unwrap(), Ok(()));
    }
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    records.send(15).unwrap();
    assert_eq!(answers.recv().unwrap(), Err(15), "the job is over");
    assert_eq!(results.records(), (0..15).collect::<Vec<_>>());
}

#[test]
fn a_graceful_stop_finishes_the_running_batch_and_leaves_a_replayable_source_there() {
    let (gate, results) = (Gate::new(), Collector::new());
    let job = job(2).limits(BatchLimits::default().records(10)).build().unwrap();
    let held = gate.clone();
    let (source, faults) = FaultySource::new(MemorySource::new((0..100).collect::<Vec<_>>()));
    job.read(source).inspect(move |_| held.pass()).write(results.clone());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    gate.wait_for_arrivals(1);
    running.stop(Stop::Gracefully);
    gate.open();
    let summary = running.await_termination().unwrap();
    assert_eq!((summary.batches, summary.rows_in), (1, 10));
    assert_eq!(results.records(), (0..10).collect::<Vec<_>>());
    assert_eq!(faults.stops(), 1);
}

#[test]
fn a_stop_at_once_leaves_nothing_visible_of_the_running_batch() {
    for (threads, records) in [(1, 10), (2, 10), (2, 100_000)] {
        let (gate, results, other) = (Gate::new(), Collector::new(), Collector::new());
        let (first, first_calls) = FaultySink::new(results.clone());
        let (second, second_calls) = FaultySink::new(other.clone());
        let job = job(threads).build().unwrap();
        let held = gate.clone();
        let numbers = job.read(MemorySource::new((0..records).collect::<Vec<_>>()));
        numbers.clone().write(first);
        numbers.inspect(move |_| held.pass()).write(second);
        let running = job.start(Trigger::AsSoonAsPossible).unwrap();
        gate.wait_for_arrivals(1);
        running.stop(Stop::AtOnce);
        gate.open();
        let summary = running.await_termination().unwrap();
        assert_eq!((summary.batches, results.records(), other.records()), (0, vec![], vec![]));
        let aborts = |calls: Vec<SinkCall>| calls.iter().filter(|call| matches!(call, SinkCall::Abort(_))).count();
        assert_eq!((aborts(first_calls.calls()), aborts(second_calls.calls())), (1, 1), "both threw their part away");
        assert_eq!(first_calls.calls().last(), Some(&SinkCall::Stop));
    }
}

#[test]
fn a_stop_at_once_before_a_sink_commits_leaves_nothing_visible() {
    // The stop comes when the last record of the only task has been handled: there is nothing left to be cancelled.
    let (results, job) = (Collector::new(), job(1).build().unwrap());
    let stopper = job.stopper();
    job.read(MemorySource::new(vec![1, 2, 3]))
        .inspect(move |number| {
            if *number == 3 {
                stopper.stop(Stop::AtOnce);
            }
        })
        .write(results.clone());
    let summary = job.run_to_summary(Trigger::AsSoonAsPossible).unwrap();
    assert_eq!((summary.batches, results.records()), (0, vec![]));
}

#[test]
fn a_stop_at_once_between_two_outputs_keeps_the_second_from_running() {
    let (results, job, ran) = (Collector::new(), job(1).build().unwrap(), Arc::<AtomicBool>::default());
    let (stopper, noted) = (job.stopper(), Arc::clone(&ran));
    let numbers = job.read(MemorySource::new(vec![1, 2, 3]));
    numbers.clone().for_each_rdd(move |_, _| {
        stopper.stop(Stop::AtOnce);
        Ok::<_, firesteel_core::Error>(())
    });
    numbers.inspect(move |_| noted.store(true, Ordering::SeqCst)).write(results.clone());
    job.run(Trigger::AsSoonAsPossible).unwrap();
    assert!(!ran.load(Ordering::SeqCst) && results.records().is_empty());
}

#[test]
fn a_stop_at_once_reaches_a_task_in_the_middle_of_a_long_partition() {
    // Written as they come, and reduced before.
    for reduce in [false, true] {
        let (results, job, seen) = (Collector::new(), job(1).build().unwrap(), Arc::<AtomicU64>::default());
        let (stopper, count) = (job.stopper(), Arc::clone(&seen));
        let numbers = job.read(MemorySource::new((0..1_000_000).collect::<Vec<u32>>())).map(move |number| {
            if count.fetch_add(1, Ordering::Relaxed) == 1_000 {
                stopper.stop(Stop::AtOnce);
            }
            number
        });
        if reduce {
            numbers.reduce(u32::max).write(results.clone());
        } else {
            numbers.write(results.clone());
        }
        job.run(Trigger::AsSoonAsPossible).unwrap();
        let seen = seen.load(Ordering::Relaxed);
        assert!(seen < 100_000, "{seen} records were handled after the stop");
        assert!(results.records().is_empty());
    }
}

#[test]
fn an_action_of_a_function_over_rdds_is_cancelled_like_any_other() {
    let job = job(2).build().unwrap();
    let (gate, stopper) = (Gate::new(), job.stopper());
    let held = gate.clone();
    job.read(MemorySource::new((0..10).collect::<Vec<_>>()))
        .inspect(move |_| held.pass())
        .for_each_rdd(|rdd, _| rdd.count().map(drop));
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    gate.wait_for_arrivals(1);
    stopper.stop(Stop::AtOnce);
    gate.open();
    assert_eq!(running.await_termination().unwrap().batches, 0);
}

#[test]
fn a_job_stopped_before_its_start_reads_nothing_and_ends() {
    for how in [Stop::Gracefully, Stop::AtOnce] {
        let (results, job) = (Collector::new(), job(1).build().unwrap());
        job.read(MemorySource::new(vec![1, 2, 3])).write(results.clone());
        job.stop(how);
        let summary = job.start(Trigger::AsSoonAsPossible).unwrap().await_termination().unwrap();
        assert_eq!((summary.batches, results.records()), (0, vec![]));
    }
}

#[test]
fn a_waiting_job_ends_from_any_thread_however_often_it_is_told() {
    for trigger in [Trigger::AsSoonAsPossible, Trigger::Every(hours(1))] {
        for how in [Stop::Gracefully, Stop::AtOnce] {
            let (results, log) = (Collector::new(), JobLog::new());
            let job = job(1).listener(log.clone()).build().unwrap();
            let queue = QueueSource::new(1);
            queue.handle().push(vec![1, 2, 3]).unwrap();
            job.read(queue).write(results.clone());
            let running = job.start(trigger).unwrap();
            log.wait_for_batches(1);
            let stopper = running.stopper();
            let elsewhere = std::thread::Builder::new().spawn(move || {
                stopper.stop(how);
                stopper.stop(Stop::Gracefully);
                stopper.stop(how);
            });
            elsewhere.unwrap().join().unwrap();
            let stopper = running.stopper();
            running.await_termination().unwrap();
            stopper.stop(Stop::AtOnce);
            assert_eq!(results.records(), [1, 2, 3]);
        }
    }
}

#[test]
fn a_graceful_stop_that_takes_too_long_can_be_turned_into_one_at_once() {
    let (gate, results, stored) = (Gate::new(), Collector::new(), Arc::<AtomicU64>::default());
    let job = job(1).limits(BatchLimits::default().records(10)).build().unwrap();
    let held = gate.clone();
    job.read(Buffered::new(Numbers { stored: Arc::clone(&stored) }).capacity(1_000))
        .inspect(move |number| {
            if *number >= 10 {
                held.pass();
            }
        })
        .write(results.clone());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    gate.wait_for_arrivals(1);
    running.stop(Stop::Gracefully);
    running.stop(Stop::AtOnce);
    gate.open();
    let summary = running.await_termination().unwrap();
    let results = results.records();
    assert!(results.len() <= 10, "the batch that was being held is not there: {results:?}");
    assert_eq!(results, (0..summary.rows_in).collect::<Vec<_>>());
}

#[test]
fn a_job_whose_source_is_away_can_be_stopped() {
    for how in [Stop::Gracefully, Stop::AtOnce] {
        let (source, faults) = FaultySource::new(MemorySource::new(vec![1]));
        faults.fail(At::Discover, 1_000, Class::Retryable);
        let job = job(1).build().unwrap();
        job.read(source).write(Collector::new());
        let running = job.start(Trigger::AsSoonAsPossible).unwrap();
        faults.wait_for_discoveries(1);
        running.stop(how);
        assert_eq!(running.await_termination().unwrap().batches, 0);
        assert_eq!(faults.stops(), 1);
    }
}

#[test]
fn a_listener_may_stop_the_job() {
    struct After(u64, firesteel_streaming::Stopper);
    impl StreamingListener for After {
        fn on_batch(&self, progress: &BatchProgress) {
            if progress.batch == self.0 {
                self.1.stop(Stop::Gracefully);
            }
        }
    }
    let (results, job) = (Collector::new(), job(1).limits(BatchLimits::default().records(2)));
    let late = Arc::new(parking_lot::Mutex::new(None::<After>));
    struct Later(Arc<parking_lot::Mutex<Option<After>>>);
    impl StreamingListener for Later {
        fn on_batch(&self, progress: &BatchProgress) {
            if let Some(after) = &*self.0.lock() {
                after.on_batch(progress);
            }
        }
    }
    let job = job.listener(Later(Arc::clone(&late))).build().unwrap();
    *late.lock() = Some(After(3, job.stopper()));
    job.read(MemorySource::new((0..100).collect::<Vec<_>>())).write(results.clone());
    job.run(Trigger::AsSoonAsPossible).unwrap();
    assert_eq!(results.records(), (0..6).collect::<Vec<_>>());
}

#[test]
fn stopping_one_job_leaves_the_others_on_the_same_executors_alone() {
    let scheduler = Scheduler::builder().threads(2).build().unwrap();
    let start = || {
        let (gate, results) = (Gate::new(), Collector::new());
        let job = StreamingContext::builder("twin").scheduler(&scheduler).build().unwrap();
        let held = gate.clone();
        job.read(MemorySource::new(vec![1, 2])).inspect(move |_| held.pass()).write(results.clone());
        (gate, results, job.start(Trigger::AvailableNow).unwrap())
    };
    let (one, other) = (start(), start());
    one.0.wait_for_arrivals(1);
    other.0.wait_for_arrivals(1);
    one.2.stop(Stop::AtOnce);
    one.0.open();
    other.0.open();
    one.2.await_termination().unwrap();
    other.2.await_termination().unwrap();
    assert_eq!((one.1.records(), other.1.records()), (vec![], vec![1, 2]));
}

mod what_fails_is_rethrown {
    use super::*;

    #[test]
    fn from_a_task() {
        let job = job(2).build().unwrap();
        job.read(MemorySource::new(vec![1, 2, 3]))
            .map(|number| if number == 2 { panic!("no twos") } else { number })
            .write(Collector::new());
        let error = job.start(Trigger::AsSoonAsPossible).unwrap().await_termination().unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains("map at ") && text.contains("stop.rs") && text.contains("no twos"), "{text}");
    }

    #[test]
    fn from_a_transform_function_that_returns_an_error_or_panics() {
        type Function = fn(u64) -> Result<(), String>;
        let functions: [Function; 2] = [
            |batch| if batch == 2 { Err("not today".into()) } else { Ok(()) },
            |batch| match batch {
                2 => panic!("not today"),
                _ => Ok(()),
            },
        ];
        for function in functions {
            for each in [false, true] {
                let (log, results) = (JobLog::new(), Collector::new());
                let limits = BatchLimits::default().records(1);
                let job = job(1).limits(limits).listener(log.clone()).build().unwrap();
                let (source, faults) = FaultySource::new(MemorySource::new(vec![1, 2, 3]));
                let numbers = job.read(source);
                if each {
                    numbers.for_each_rdd(move |_, batch| function(batch.id()));
                } else {
                    numbers.transform(move |rdd, batch| function(batch.id()).map(|()| rdd)).write(results.clone());
                }
                let error = job.start(Trigger::AsSoonAsPossible).unwrap().await_termination().unwrap_err();
                let text = format!("{error:?}");
                let operator = if each { "for_each_rdd at " } else { "transform at " };
                for part in [operator, "stop.rs", "not today", "batch 2"] {
                    assert!(text.contains(part), "no {part:?} in {text}");
                }
                assert_eq!((log.batches().len(), faults.stops()), (1, 1), "the source is stopped");
                assert!(format!("{:?}", log.events()).contains("not today"), "the listener hears of it");
            }
        }
    }

    #[test]
    fn from_a_sink_that_panics() {
        struct Clumsy(SinkAt);
        impl Sink<i32> for Clumsy {
            type Pending = ();
            fn describe(&self) -> String {
                "a clumsy sink".into()
            }
            fn guarantee(&self) -> Guarantee {
                Guarantee::AtLeastOnce
            }
            fn write(&self, _: WriteTask, records: impl Iterator<Item = i32>) -> Result<(), ConnectError> {
                assert!(self.0 != SinkAt::Write, "fell over");
                records.for_each(drop);
                Ok(())
            }
            fn commit(&self, _: Epoch, _: &mut Vec<()>) -> Result<(), ConnectError> {
                panic!("fell over");
            }
        }
        for at in [SinkAt::Write, SinkAt::Commit] {
            let (source, faults) = FaultySource::new(MemorySource::new(vec![1]));
            let (log, job) = (JobLog::new(), job(1));
            let job = job.listener(log.clone()).build().unwrap();
            job.read(source).write(Clumsy(at));
            let error = job.run(Trigger::AsSoonAsPossible).unwrap_err();
            assert!(error.to_string().contains("fell over") || format!("{error:?}").contains("fell over"), "{error:?}");
            assert_eq!((faults.stops(), log.batches().len(), log.events().len()), (1, 0, 2));
        }
    }
}

#[test]
fn a_listener_that_panics_is_no_concern_of_the_job() {
    struct Clumsy;
    impl StreamingListener for Clumsy {
        fn on_start(&self, _: &JobInfo) {
            panic!("fell over at the start");
        }
        fn on_batch(&self, _: &BatchProgress) {
            panic!("fell over");
        }
        fn on_end(&self, _: &Summary, _: Option<&Error>) {
            panic!("fell over at the end");
        }
    }
    let (log, results) = (JobLog::new(), Collector::new());
    let limits = BatchLimits::default().records(1);
    let job = job(1).limits(limits).listener(Clumsy).listener(log.clone()).build().unwrap();
    job.read(MemorySource::new(vec![1, 2])).write(results.clone());
    job.start(Trigger::AsSoonAsPossible).unwrap().await_termination().unwrap();
    assert_eq!((results.records(), log.events().len()), (vec![1, 2], 4));
}

/// Stores some numbers, then fails for good.
struct Dying;

impl Receiver for Dying {
    type Item = u32;
    fn describe(&self) -> String {
        "numbers from a dying peer".into()
    }
    fn receive(&mut self, store: &Store<u32>) -> Result<(), ConnectError> {
        let _ = store.push_all(0..1_000);
        Err(ConnectError::Setting { connector: "Dying", setting: "life", reason: "it is over".into() })
    }
}

#[test]
fn what_a_receiver_stored_before_it_failed_for_good_is_processed() {
    let (results, job) = (Collector::new(), job(1).limits(BatchLimits::default().records(300)).build().unwrap());
    job.receive(Dying).write(results.clone());
    let error = job.run(Trigger::AsSoonAsPossible).unwrap_err();
    assert!(matches!(&error, Error::Source { name, .. } if name == "numbers from a dying peer"), "{error:?}");
    assert_eq!(results.records(), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn a_graceful_stop_reads_the_rest_of_receivers_and_of_nothing_else() {
    let (log, results, stored) = (JobLog::new(), Collector::new(), Arc::<AtomicU64>::default());
    let job = job(2).limits(BatchLimits::default().records(10)).listener(log.clone()).build().unwrap();
    let replayable: Vec<u64> = (1 << 40..(1 << 40) + 1_000_000).collect();
    let numbers = job.read(Buffered::new(Numbers { stored: Arc::clone(&stored) }).capacity(100));
    numbers.union(job.read(MemorySource::new(replayable))).write(results.clone());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    log.wait_for_batches(2);
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    let (received, replayed): (Vec<u64>, Vec<u64>) = results.records().into_iter().partition(|n| *n < 1 << 40);
    assert_eq!(received, (0..stored.load(Ordering::SeqCst)).collect::<Vec<_>>());
    assert!(replayed.len() < 100_000, "{} were still read", replayed.len());
    assert!(replayed.is_sorted());
}
