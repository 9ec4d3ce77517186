//! How often operators allocate: per partition, not per record.
//!
//! The whole program runs under a counting allocator, so its tests are one test, which runs its programs one by one.

#![allow(unsafe_code, reason = "an allocator is unsafe by nature; this one hands everything to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_core::{Actions, Context, PairOps, RddOps, Settings};
use firesteel_scheduler::Scheduler;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is the system allocator's, with the caller's own arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const RECORDS: u64 = 1_000_000;
const PARTITIONS: usize = 4;

/// Allocations of a second run: the first warms up what is made once.
fn allocations<T>(program: impl Fn() -> T) -> u64 {
    program();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    program();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

fn numbers(context: &Context) -> firesteel_core::ops::RangeRdd<u64> {
    context.range_into(PARTITIONS, 0..RECORDS)
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

    let sliced = context.parallelize_into(PARTITIONS, 0..RECORDS);
    let slice =
        allocations(|| sliced.clone().union(sliced.clone()).map(|n| n + 1).boxed().sum().expect("nothing fails"));
    println!("slices: {slice} allocations");
    assert!(slice < 40 * PARTITIONS as u64, "{slice} allocations for slices, unions and boxes");

    // A table of a hundred keys, and buckets that grow by doubling.
    let combine = allocations(|| {
        let sums = numbers(context).map(|n| (n % 100, n)).reduce_by_key_into(PARTITIONS, |a, b| a + b);
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
        let sums = numbers(context).map(|n| (n, n)).reduce_by_key_into(PARTITIONS, |a, b| a + b);
        assert_eq!(sums.count().expect("nothing fails"), RECORDS);
    });
    println!("combining shuffle of distinct keys: {distinct} allocations");
    assert!(distinct < 4 * buckets * bits, "{distinct} allocations for a table of a million keys");

    let sorted = allocations(|| {
        let sorted = numbers(context).sort_by_into(PARTITIONS, Default::default(), |n| std::cmp::Reverse(*n));
        assert_eq!(sorted.and_then(|sorted| sorted.count()).expect("nothing fails"), RECORDS);
    });
    println!("sort: {sorted} allocations");
    assert!(sorted < 4 * buckets * bits, "{sorted} allocations for a sort of a million records");
}
