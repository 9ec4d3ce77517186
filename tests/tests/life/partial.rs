//! Actions that need only a part of a batch: the batch is done all the same.

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::Actions;
use firesteel_streaming::{BatchLimits, Trigger};
use firesteel_testkit::{JobLog, TestJob};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
use parking_lot::Mutex;
use std::sync::Arc;

use crate::{job, sorted};

#[test]
fn a_batch_of_which_only_the_first_records_are_looked_at_is_read_once() {
    for partitions in [1, 3] {
        let (log, seen) = (JobLog::new(), Arc::new(Mutex::new(Vec::new())));
        let job = job(1).limits(BatchLimits::default().records(40)).listener(log.clone()).build().unwrap();
        let numbers: Vec<u32> = (0..120).collect();
        let parts: Vec<_> = numbers.chunks(120 / partitions).map(<[u32]>::to_vec).collect();
        let noted = Arc::clone(&seen);
        job.read(MemorySource::partitions(parts)).for_each_rdd(move |rdd, _| {
            noted.lock().push(rdd.take(1)?);
            Ok::<_, firesteel_core::Error>(())
        });
        let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
        assert_eq!((summary.batches, log.batches().len()), (3, 3), "each batch is what it was admitted as");
        assert_eq!(seen.lock().len(), 3);
    }
}

#[test]
fn windows_continue_whatever_part_of_their_results_is_looked_at() {
    let run = |look: fn(&firesteel_streaming::Batch) -> usize| {
        let test = TestJob::builder().partitions(3).build();
        let batches: Vec<Vec<(u8, i64)>> =
            (0..6).map(|batch| (0..30u8).map(|key| (key, batch * 5 + i64::from(key % 5))).collect()).collect();
        let results = Collector::new();
        let taken = results.clone();
        test.script(batches)
            .event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)))
            .key_by(|event| event.0)
            .window(Tumbling::of(seconds(10)))
            .count()
            .map(|row| (row.key, row.window.start().as_secs(), row.value))
            .for_each_rdd(move |rdd, batch| {
                use firesteel_connect::Sink;
                let mut rows = vec![rdd.take(look(batch))?];
                taken.commit(firesteel_connect::Epoch(batch.id()), &mut rows).map_err(|_| "the collector")?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            });
        let mut progress = test.run().unwrap();
        progress.push(test.finish().unwrap());
        let numbers: Vec<_> = progress.iter().map(|batch| (batch.rows_in, batch.late, batch.windows)).collect();
        (numbers, results.batches())
    };
    let all = run(|_| 1_000);
    // Only the last batch is looked at as a whole: it must know what the others brought.
    let last = run(|batch| if batch.id() == 7 { 1_000 } else { 1 });
    assert_eq!(last.0, all.0);
    assert_eq!(last.1.last(), all.1.last());
    let none = run(|batch| if batch.id() == 7 { 1_000 } else { 0 });
    assert_eq!(none.0, all.0);
    assert_eq!(none.1.last(), all.1.last());
}

#[test]
fn a_transform_that_leaves_its_windows_alone_does_not_stop_them() {
    let (job, results) = (job(1).limits(BatchLimits::default().records(10)).build().unwrap(), Collector::new());
    let other = job.rdds().parallelize_with(1, [-1i64]);
    job.read(MemorySource::new((0..100i64).collect::<Vec<_>>()))
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(0)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(1_000)))
        .sum()
        .map(|row| row.value)
        .transform(move |rdd, batch| {
            use firesteel_core::RddOps;
            // Until its last batch the job does not ask for its windows at all.
            Ok::<_, firesteel_core::Error>(if batch.id() <= 10 { other.clone().boxed() } else { rdd.boxed() })
        })
        .write(results.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!((summary.rows_in, summary.windows), (100, 1));
    assert_eq!(sorted(results.records()).last(), Some(&(0..100).sum()));
}
