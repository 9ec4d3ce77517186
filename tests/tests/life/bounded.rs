//! Bounded batches: no record is lost or doubled, whatever the limits, the splits and the threads.

use firesteel_connect::Source;
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_core::Data;
use firesteel_streaming::{BatchLimits, BatchProgress, Trigger};
use firesteel_testkit::JobLog;
use proptest::prelude::*;

use crate::job;

/// A record that knows where it came from.
type Tagged = (usize, usize);

/// Splits of this many records each.
fn splits(lens: &[usize]) -> Vec<Vec<Tagged>> {
    lens.iter().enumerate().map(|(split, len)| (0..*len).map(|index| (split, index)).collect()).collect()
}

fn limits(records: Option<u64>, bytes: Option<u64>) -> BatchLimits {
    let limits = records.map_or(BatchLimits::default(), |records| BatchLimits::default().records(records));
    bytes.map_or(limits, |bytes| limits.bytes(bytes))
}

/// What comes out of a job that only reads, and its batches.
pub(crate) fn read<S: Source<Item: Data>>(
    source: S,
    limits: BatchLimits,
    threads: usize,
    trigger: Trigger,
) -> (Vec<S::Item>, Vec<BatchProgress>) {
    let (log, results) = (JobLog::new(), Collector::new());
    let job = job(threads).limits(limits).listener(log.clone()).build().unwrap();
    job.read(source).write(results.clone());
    job.run(trigger).unwrap();
    (results.records(), log.batches())
}

/// Every batch resumes where the last one stopped, and says how many records it read.
pub(crate) fn assert_seamless(batches: &[BatchProgress], records: usize) {
    let mut reached = std::collections::BTreeMap::new();
    for split in batches.iter().flat_map(|batch| &batch.inputs).flat_map(|input| &input.splits) {
        let from = reached.insert(split.split.clone(), split.to).unwrap_or(0);
        assert_eq!(split.from, from, "{split:?}");
    }
    assert_eq!(batches.iter().map(|batch| batch.rows_in).sum::<u64>(), records as u64);
}

/// Records of each split come in their order, all of them, none twice.
fn assert_whole(records: Vec<Tagged>, splits: &[Vec<Tagged>]) {
    let mut by_split = vec![Vec::new(); splits.len()];
    for record in records {
        by_split[record.0].push(record);
    }
    assert_eq!(by_split, splits);
}

fn triggers() -> impl Strategy<Value = Trigger> {
    prop_oneof![Just(Trigger::AsSoonAsPossible), Just(Trigger::AvailableNow), Just(Trigger::Once)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn over_memory(
        lens in prop::collection::vec(0..40usize, 1..7),
        records in prop::option::of(1..50u64),
        bytes in prop::option::of(1..400u64),
        threads in 1..=3usize,
        trigger in triggers(),
    ) {
        let splits = splits(&lens);
        let total: usize = lens.iter().sum();
        let (all, batches) = read(MemorySource::partitions(splits.clone()), limits(records, bytes), threads, trigger);
        assert_whole(all, &splits);
        assert_seamless(&batches, total);
        if trigger == Trigger::Once {
            prop_assert!(batches.len() <= 1);
            return Ok(());
        }
        for batch in &batches {
            prop_assert!(batch.rows_in > 0, "a batch of nothing: {batch:?}");
            if let Some(records) = records {
                prop_assert!(batch.rows_in <= records, "{} records against a limit of {records}", batch.rows_in);
            }
            if let Some(bytes) = bytes {
                // The record that crosses the limit is still read, in each of the splits that the batch reads.
                let size = size_of::<Tagged>() as u64;
                let most = bytes / size + batch.inputs[0].splits.len() as u64;
                prop_assert!(batch.rows_in <= most, "{} records against a limit of {bytes} bytes", batch.rows_in);
            }
        }
    }

    #[test]
    fn over_a_queue(
        pushes in prop::collection::vec(prop::collection::vec(0..9usize, 1..4), 1..8),
        records in prop::option::of(1..12u64),
        bytes in prop::option::of(1..100u64),
        threads in 1..=3usize,
        one_at_a_time in any::<bool>(),
    ) {
        let queue = QueueSource::new(1);
        let queue = if one_at_a_time { queue.one_at_a_time() } else { queue };
        let mut splits = vec![Vec::new(); 3];
        for push in &pushes {
            let parts = push.iter().enumerate().map(|(split, len)| {
                let next = splits[split].len();
                let part: Vec<Tagged> = (next..next + len).map(|index| (split, index)).collect();
                splits[split].extend(&part);
                part
            });
            queue.handle().push_partitions(parts.collect()).unwrap();
        }
        queue.handle().close();
        let (all, batches) = read(queue, limits(records, bytes), threads, Trigger::AsSoonAsPossible);
        assert_whole(all, &splits);
        assert_seamless(&batches, splits.iter().map(Vec::len).sum());
    }
}

#[test]
fn more_splits_than_records_in_a_batch_all_get_their_turn() {
    let splits = splits(&[30; 10]);
    let (all, batches) =
        read(MemorySource::partitions(splits.clone()), limits(Some(3), None), 1, Trigger::AsSoonAsPossible);
    assert_whole(all, &splits);
    // After a third of the run every split has come its way: none has to wait for another's end.
    let third: std::collections::BTreeSet<_> = batches[..batches.len() / 3]
        .iter()
        .flat_map(|batch| &batch.inputs[0].splits)
        .map(|split| split.split.clone())
        .collect();
    assert_eq!(third.len(), 10);
    assert!(batches.iter().all(|batch| batch.rows_in == 3));
}

#[test]
fn a_large_batch_is_read_by_all_threads_and_in_order() {
    let numbers: Vec<Tagged> = (0..200_000).map(|index| (0, index)).collect();
    let (all, batches) = read(MemorySource::new(numbers.clone()), BatchLimits::default(), 3, Trigger::AvailableNow);
    assert_eq!(all, numbers, "partitions are put together in their order");
    assert_eq!(batches.len(), 1);
}
