//! Side outputs, shared streams and dead letters: one source, many outputs.

use firesteel_budget::Memory;
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::{Actions, ManualClock, OnPanic};
use firesteel_scheduler::Scheduler;
use firesteel_streaming::{BatchLimits, Error, RejectedBy, StreamingContext, Trigger};
use firesteel_testkit::faults::FaultySource;
use firesteel_testkit::{JobLog, TestJob};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

use crate::{job, sorted};

#[test]
fn one_source_is_read_once_for_many_outputs() {
    for threads in [1, 2] {
        let (source, faults) = FaultySource::new(MemorySource::new((0..1_000u32).collect::<Vec<_>>()));
        let log = JobLog::new();
        // Where time stands still nothing is known to take long, and nothing is cut.
        let scheduler = Scheduler::builder().threads(threads).clock(ManualClock::new()).build().unwrap();
        let job = StreamingContext::builder("job").scheduler(&scheduler).listener(log.clone());
        let job = job.limits(BatchLimits::default().records(300)).build().unwrap();
        let numbers = job.read(source);
        let collectors: Vec<Collector<u32>> = (0..4).map(|_| Collector::new()).collect();
        for (rest, collector) in (0..).zip(&collectors) {
            numbers.clone().filter(move |n| n % 4 == rest).write(collector.clone());
        }
        let windows = Collector::new();
        numbers
            .event_time(|n| Timestamp::from_secs(i64::from(*n)), Watermark::bounded(seconds(0)))
            .key_by(|n| n % 2)
            .window(Tumbling::of(seconds(500)))
            .count()
            .write(windows.clone());
        let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
        assert_eq!((faults.records(), faults.opens(), summary.rows_in), (1_000, 4, 1_000));
        assert_eq!(collectors.iter().map(|collector| collector.records().len()).sum::<usize>(), 1_000);
        assert_eq!(windows.records().iter().map(|row| row.value).sum::<u64>(), 1_000);
        // The window of 0 to 499 does not wait for the end of the job.
        assert_eq!(log.batches()[1].windows, 1);
    }
}

#[test]
fn what_a_shared_stream_counts_counts_once_even_when_nothing_fits_into_memory() {
    let job = job(1).memory(Memory::default().storage(0)).build().unwrap();
    let (source, faults) = FaultySource::new(MemorySource::new((0..100u32).collect::<Vec<_>>()));
    let (errors, results, refused) =
        (job.side_output("refused"), [Collector::new(), Collector::new()], Collector::new());
    let numbers = job.read(source).try_map_to(&errors, |n| if n % 10 == 0 { Err("round") } else { Ok(n) });
    numbers.clone().write(results[0].clone());
    numbers.write(results[1].clone());
    errors.stream().write(refused.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!(results.map(|results| results.records().len()), [90, 90]);
    assert_eq!((summary.malformed, refused.records().len(), summary.rows_in), (10, 10, 100));
    assert_eq!(faults.records(), 200, "only the reading happens twice");
}

#[test]
fn what_two_tasks_compute_of_a_shared_stream_at_the_same_time_counts_once() {
    let (results, refused, job) = (Collector::new(), Collector::new(), job(3).build().unwrap());
    let errors = job.side_output("refused");
    let parts: Vec<Vec<u32>> = (0..6).map(|part| (0..30_000).map(|n| part * 30_000 + n).collect()).collect();
    let numbers = job
        .read(MemorySource::partitions(parts))
        .try_map_to(&errors, |n| if n % 1_000 == 0 { Err("round") } else { Ok(n) });
    numbers.clone().union(numbers).count().write(results.clone());
    errors.stream().write(refused.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!(results.records(), [2 * (180_000 - 180)]);
    assert_eq!((summary.malformed, refused.records().len(), summary.rows_in), (180, 180, 180_000));
}

#[test]
fn records_after_a_shared_stream_are_blamed_where_they_stood() {
    let (job, results, letters) =
        (job(1).on_panic(OnPanic::DeadLetter).build().unwrap(), Collector::new(), Collector::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.log"), "one\n\nthree\n").unwrap();
    let (errors, refused) = (job.side_output("refused"), Collector::new());
    let lines = job.read(firesteel_connect_file::TextFiles::new(folder.path())).filter(|line| !line.is_empty());
    lines.clone().count().write(Collector::new());
    lines.clone().map(|line| assert!(line != "three", "no threes")).write(results.clone());
    lines.try_map_to(&errors, |line| if line == "three" { Err("no threes") } else { Ok(()) }).write(Collector::new());
    errors.stream().map(|error| (error.split, error.position)).write(refused.clone());
    let panicked = job.rejected().filter(|rejected| rejected.by == RejectedBy::Panic);
    panicked.map(|letter| (letter.split, letter.position)).write(letters.clone());
    job.run(Trigger::AvailableNow).unwrap();
    let split = folder.path().join("a.log").to_str().unwrap().into();
    assert_eq!((results.records().len(), letters.records()), (1, vec![(Some(split), Some(5))]));
    assert_eq!(refused.records(), letters.records());
}

#[test]
fn side_outputs_of_side_outputs_arrive_in_their_batch_in_whatever_order_they_were_declared() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let test = TestJob::new();
        let (odd, threes) = (test.context().side_output("odd"), test.context().side_output("threes"));
        let numbers = std::cell::RefCell::new(Some(test.script([(0..12).collect::<Vec<u32>>(), vec![15, 16, 17]])));
        let recorders: std::cell::RefCell<Vec<Option<_>>> = std::cell::RefCell::new(vec![None, None, None]);
        for which in order {
            let stream = match which {
                0 => {
                    let numbers = numbers.borrow_mut().take().unwrap();
                    test.record(numbers.divert(&odd, |n| if n % 2 == 0 { Ok(n) } else { Err(n) }))
                }
                1 => test.record(odd.stream().divert(&threes, |n| if n % 3 == 0 { Err(n) } else { Ok(n) })),
                _ => test.record(threes.stream()),
            };
            recorders.borrow_mut()[which] = Some(stream);
        }
        test.run().unwrap();
        let batches: Vec<_> = recorders.into_inner().into_iter().map(|recorder| recorder.unwrap().batches()).collect();
        assert_eq!(batches[0], [vec![0, 2, 4, 6, 8, 10], vec![16]], "{order:?}");
        assert_eq!(batches[1], [vec![1, 5, 7, 11], vec![17]], "{order:?}");
        assert_eq!(batches[2], [vec![3, 9], vec![15]], "{order:?}");
    }
}

#[test]
fn a_side_output_read_twice_yields_all_of_it_twice() {
    let test = TestJob::new();
    let odd = test.context().side_output("odd");
    let even = test.script([vec![1, 2, 3], vec![4, 5]]).divert(&odd, |n| if n % 2 == 0 { Ok(n) } else { Err(n) });
    let even = test.record(even);
    let [first, second] = std::array::from_fn(|_| test.record(odd.stream()));
    test.run().unwrap();
    assert_eq!(even.batches(), [vec![2], vec![4]]);
    assert_eq!((first.batches(), second.batches()), (vec![vec![1, 3], vec![5]], vec![vec![1, 3], vec![5]]));
}

#[test]
fn a_side_output_that_would_feed_itself_is_refused() {
    let test = TestJob::new();
    let (one, two) = (test.context().side_output("one"), test.context().side_output("two"));
    let _main = test.record(test.script([vec![1]]).divert(&one, Err::<u32, u32>));
    let _one = test.record(one.stream().divert(&two, Err::<u32, u32>));
    let _two = test.record(two.stream().divert(&one, Err::<u32, u32>));
    let error = test.run().unwrap_err();
    assert!(matches!(&error, Error::Setting { what, .. } if what.contains("one") || what.contains("two")), "{error}");
    assert!(error.to_string().contains("itself"), "{error}");
}

#[test]
fn several_operators_may_feed_one_side_output() {
    let test = TestJob::new();
    let odd = test.context().side_output("odd");
    let split = |n: u32| if n.is_multiple_of(2) { Ok(n) } else { Err(n) };
    let one = test.record(test.script([vec![1, 2], vec![3]]).divert(&odd, split));
    let two = test.record(test.script([vec![11], vec![12, 13]]).divert(&odd, split));
    let odd = test.record(odd.stream());
    test.run().unwrap();
    assert_eq!((one.batches(), two.batches()), (vec![vec![2], vec![]], vec![vec![], vec![12]]));
    assert_eq!(odd.sorted(), [vec![1, 11], vec![3, 13]]);
}

/// Numbers 0 to 9, of which 3 and 7 make `map` panic.
fn poisoned(n: u32) -> u32 {
    assert!(n % 4 != 3, "no luck with {n}");
    n
}

#[test]
fn dead_letters_arrive_in_their_batch_once_whatever_reads_the_stream() {
    let log = JobLog::new();
    let limits = BatchLimits::default().records(5);
    let job = job(1).limits(limits).on_panic(OnPanic::DeadLetter).listener(log.clone()).build().unwrap();
    let numbers = job.read(MemorySource::new((0..10).collect::<Vec<_>>())).map(poisoned).named("poison");
    let (results, letters) = (Collector::new(), Collector::new());
    job.rejected().map(|letter| (letter.position, letter.error)).write(letters.clone());
    numbers.clone().write(results.clone());
    numbers.for_each_rdd(|rdd, _| rdd.count().map(drop));
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!(results.records(), [0, 1, 2, 4, 5, 6, 8, 9]);
    let expected = [(Some(3), "no luck with 3".to_owned()), (Some(7), "no luck with 7".to_owned())];
    assert_eq!((letters.records(), summary.dead_letters), (expected.to_vec(), 2));
    let told: Vec<_> = log.batches().iter().map(|batch| batch.dead_letters.len()).collect();
    assert_eq!(told, [1, 1]);
    assert_eq!(letters.batches().iter().map(|(_, letters)| letters.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_record_set_aside_in_an_action_over_rdds_is_told_like_any_other() {
    let job = job(1).on_panic(OnPanic::DeadLetter).build().unwrap();
    let (letters, counts) = (Collector::new(), std::sync::Arc::new(parking_lot::Mutex::new(0)));
    let counted = std::sync::Arc::clone(&counts);
    job.read(MemorySource::new((0..10).collect::<Vec<_>>()))
        .map(poisoned)
        .for_each_rdd(move |rdd, _| rdd.count().map(|count| *counted.lock() = count));
    job.rejected().map(|letter| letter.error).write(letters.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!((*counts.lock(), summary.dead_letters), (8, 2));
    assert_eq!(sorted(letters.records()), ["no luck with 3", "no luck with 7"]);
}

#[test]
fn a_window_with_dead_letters_counts_all_other_records() {
    let (job, results) = (job(2).on_panic(OnPanic::DeadLetter).build().unwrap(), Collector::new());
    job.read(MemorySource::new((0..10_000).collect::<Vec<u32>>()))
        .map(|n| if n == 7_311 { panic!("no luck") } else { n })
        .event_time(|n| Timestamp::from_secs(i64::from(*n)), Watermark::bounded(seconds(0)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(1_000)))
        .count()
        .write(results.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!((summary.dead_letters, summary.windows), (1, 10));
    assert_eq!(results.records().iter().map(|row| row.value).sum::<u64>(), 9_999);
}
