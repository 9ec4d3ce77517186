//! How often operators allocate: per partition, not per record.
//!
//! Everything runs on the thread of its test, and what that thread allocates is counted.

use allocation_counter::measure;
use firesteel_core::{Actions, Context, PairOps, RddOps, Settings};
use firesteel_scheduler::Scheduler;

const RECORDS: u64 = 1_000_000;
const PARTITIONS: usize = 4;

/// Allocations of a second run: the first warms up what is made once.
fn allocations<T>(program: impl Fn() -> T) -> u64 {
    program();
    measure(|| drop(program())).count_total
}

fn numbers(context: &Context) -> firesteel_core::ops::RangeRdd<u64> {
    context.range_with(PARTITIONS, 0..RECORDS)
}

#[test]
fn the_measure_sees_what_allocates_for_every_record() {
    let scheduler = Scheduler::builder().deterministic(0).build().expect("no thread is started");
    let context = &scheduler.context(Settings::default());
    let texts = allocations(|| numbers(context).map(|n| n.to_string()).count().expect("nothing fails"));
    assert!(texts >= RECORDS, "{texts} allocations for a million texts");
}

#[test]
fn no_operator_allocates_for_every_record() {
    let scheduler = Scheduler::builder().deterministic(0).build().expect("no thread is started");
    let context = &scheduler.context(Settings::default());
    let narrow = allocations(|| {
        let count = numbers(context)
            .map(|n| n * 3)
            .filter(|n| n % 2 == 0)
            .flat_map(|n| [n, n + 1])
            .key_by(|n| n % 100)
            .map_values(|n| n + 1)
            .flat_map_values(|n| [n])
            .inspect(|pair| assert!(pair.1 > 0))
            .coalesce(3)
            .count();
        assert_eq!(count.expect("nothing fails"), RECORDS);
    });
    println!("narrow operators: {narrow} allocations");
    assert!(narrow < 40 * PARTITIONS as u64, "{narrow} allocations for narrow operators");

    let rest = allocations(|| {
        let every_other = numbers(context).map_partitions(|numbers| Box::new(numbers.step_by(2)));
        let some = every_other.sample(0.5, 7).expect("a half is a fraction");
        some.reduce(|a, b| a.max(b)).expect("nothing fails")
    });
    println!("whole partitions, samples, reduce: {rest} allocations");
    assert!(rest < 40 * PARTITIONS as u64, "{rest} allocations for whole partitions and samples");

    let sliced = context.parallelize_with(PARTITIONS, 0..RECORDS);
    let slice =
        allocations(|| sliced.clone().union(sliced.clone()).map(|n| n + 1).boxed().sum().expect("nothing fails"));
    println!("slices: {slice} allocations");
    assert!(slice < 40 * PARTITIONS as u64, "{slice} allocations for slices, unions and boxes");

    // A table of a hundred keys, and buckets that grow by doubling.
    let combine = allocations(|| {
        let sums = numbers(context).map(|n| (n % 100, n)).reduce_by_key_with(PARTITIONS, |a, b| a + b);
        assert_eq!(sums.count().expect("nothing fails"), 100);
    });
    println!("combining shuffle: {combine} allocations");
    assert!(combine < 60 * PARTITIONS as u64, "{combine} allocations for a combining shuffle");

    let bits = u64::from(RECORDS.ilog2());
    let buckets = (PARTITIONS * PARTITIONS) as u64;
    let route = allocations(|| {
        let placed = numbers(context).map(|n| (n, n)).partition_by(PARTITIONS);
        assert_eq!(placed.count().expect("nothing fails"), RECORDS);
    });
    println!("routing shuffle: {route} allocations");
    assert!(route < 2 * buckets * bits, "{route} allocations for a shuffle of a million records");

    let distinct = allocations(|| {
        let sums = numbers(context).map(|n| (n, n)).reduce_by_key_with(PARTITIONS, |a, b| a + b);
        assert_eq!(sums.count().expect("nothing fails"), RECORDS);
    });
    println!("combining shuffle of distinct keys: {distinct} allocations");
    assert!(distinct < 4 * buckets * bits, "{distinct} allocations for a table of a million keys");

    let sorted = allocations(|| {
        let sorted = numbers(context).sort_by_with(PARTITIONS, Default::default(), |n| std::cmp::Reverse(*n));
        assert_eq!(sorted.and_then(|sorted| sorted.count()).expect("nothing fails"), RECORDS);
    });
    println!("sort: {sorted} allocations");
    assert!(sorted < 4 * buckets * bits, "{sorted} allocations for a sort of a million records");
}
