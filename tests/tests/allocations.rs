//! A record costs no allocation: not in an operator, not in the map side of a shuffle.
//!
//! Each program runs over a thousand records and over a hundred thousand. What a job allocates for itself is the same in
//! both; what it would allocate per record is not.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use allocation_counter::measure;

use std::sync::Arc;

use firesteel::memory::MemorySource;
use firesteel::prelude::*;
use firesteel::rdd::Settings;
use firesteel::scheduler::Scheduler;

const FEW: u64 = 1_000;
const MANY: u64 = 100_000;

/// Runs everything on this thread, so that all allocations are seen.
fn context() -> Context {
    Scheduler::builder().deterministic(0).build().unwrap().context(Settings::default())
}

/// How often `job` allocates for so many records. The second run of two: the first fills thread-local buffers.
fn allocations(job: &impl Fn(&Context, u64) -> u64, records: u64) -> u64 {
    let context = context();
    job(&context, records);
    let mut result = 0;
    let counted = measure(|| result = job(&context, records)).count_total;
    assert!(result > 0, "the job has a result");
    counted
}

/// Fails if the number of allocations grows with the number of records by more than `growth`.
#[track_caller]
fn check(name: &str, growth: u64, job: impl Fn(&Context, u64) -> u64) {
    let (few, many) = (allocations(&job, FEW), allocations(&job, MANY));
    assert!(many <= few + growth, "{name}: {few} allocations for {FEW} records, {many} for {MANY}");
}

/// Numbers that take no memory to make: only what is done with them can allocate.
fn numbers(context: &Context, records: u64) -> impl Rdd<Item = u64> + use<> {
    let seeds = context.parallelize_into(2, [0, records / 2]);
    seeds.flat_map(move |start| start..start + records / 2)
}

#[test]
fn the_measure_sees_what_allocates_per_record() {
    let job = |context: &Context, records| numbers(context, records).map(|n| n.to_string()).count().unwrap();
    assert!(allocations(&job, MANY) > allocations(&job, FEW) + MANY / 2);
}

#[test]
fn narrow_operators() {
    check("map, filter", 0, |context, records| {
        numbers(context, records).map(|n| n * 3).filter(|n| n % 2 == 0).count().unwrap()
    });
    check("flat_map", 0, |context, records| numbers(context, records).flat_map(|n| [n, n + 1]).count().unwrap());
    check("inspect, key_by, map_values, values", 0, |context, records| {
        let keyed = numbers(context, records).inspect(|n| assert!(*n < MANY)).key_by(|n| n % 7);
        keyed.map_values(|n| n + 1).values().count().unwrap()
    });
    check("map_partitions", 0, |context, records| {
        numbers(context, records).map_partitions(|numbers| Box::new(numbers.step_by(2))).count().unwrap()
    });
    check("sample", 0, |context, records| numbers(context, records).sample(0.5, 7).unwrap().count().unwrap());
    check("union, coalesce", 0, |context, records| {
        numbers(context, records).union(numbers(context, records)).coalesce(2).count().unwrap()
    });
    check("boxed", 0, |context, records| numbers(context, records).boxed().map(|n| n + 1).count().unwrap());
}

#[test]
fn actions() {
    check("fold", 0, |context, records| numbers(context, records).fold(0, |a, b| a + b).unwrap());
    check("reduce", 0, |context, records| numbers(context, records).reduce(|a, b| a.max(b)).unwrap().unwrap());
}

#[test]
fn the_map_side_of_a_shuffle_that_combines() {
    check("reduce_by_key", 0, |context, records| {
        let keyed = numbers(context, records).map(|n| (n % 100, 1u64));
        keyed.reduce_by_key(|a, b| a + b).count().unwrap()
    });
}

#[test]
fn a_shuffle_that_only_moves() {
    // Buckets grow by doubling or more slowly: the logarithm of the records, for each of a few buckets.
    check("repartition", 200, |context, records| numbers(context, records).repartition(4).count().unwrap());
}

/// Allocations of a stream that counts numbers per key and minute, in one micro-batch.
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
