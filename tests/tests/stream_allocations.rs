//! A record of a stream costs no allocation on its way from the source into its window.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

use allocation_counter::measure;
use firesteel::memory::MemorySource;
use firesteel::prelude::*;
use firesteel::scheduler::Scheduler;

const FEW: u64 = 1_000;
const MANY: u64 = 100_000;

/// Allocations of a stream that counts numbers per key and minute, in one micro-batch. It runs on this thread, so that
/// all of them are seen.
fn allocations_of_a_stream(records: u64) -> u64 {
    let scheduler = Scheduler::builder().deterministic(0).build().unwrap();
    let numbers: Arc<[i64]> = (0..records as i64).collect();
    let job = StreamingContext::builder("numbers").scheduler(&scheduler).build().unwrap();
    job.read(MemorySource::new(numbers))
        .try_map(|n| u32::try_from(n).map(i64::from))
        .filter(|n| n % 3 != 0)
        .event_time(|n| Timestamp::from_millis(n % 60_000), Watermark::bounded(seconds(1)))
        .key_by(|n| n % 10)
        .window(Tumbling::of(minutes(1)))
        .count()
        .for_each_rdd(|counts, _| counts.count().map(drop));
    let (mut run, mut rows) = (job.begin().unwrap(), 0);
    let counted = measure(|| rows = run.next_batch().unwrap().rows_in).count_total;
    assert_eq!(rows, records, "one batch takes them all");
    counted
}

#[test]
fn a_stream_from_its_source_into_its_windows() {
    allocations_of_a_stream(FEW);
    let (few, many) = (allocations_of_a_stream(FEW), allocations_of_a_stream(MANY));
    assert!(many <= few + 50, "{few} allocations for {FEW} records, {many} for {MANY}");
}
