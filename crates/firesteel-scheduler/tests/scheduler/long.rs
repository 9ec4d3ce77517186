//! Lineages of thousands of RDDs.

use firesteel_core::{Actions, RddOps};

/// Each union is asked for each partition: what it does then must not depend on how many there are before it.
#[test]
fn thousands_of_unions_in_a_row_and_at_once() {
    let context = firesteel_scheduler::local(2).expect("threads are left");
    let one = |n: u32| context.range_with(1, n..n + 1);
    let mut row = one(0).boxed();
    for n in 1..2_000 {
        row = row.union(one(n)).boxed();
    }
    assert_eq!(row.collect().unwrap(), (0..2_000).collect::<Vec<_>>());

    // Some of them without a record.
    let several = |n: u32| context.parallelize_with(n as usize % 3, (0..n % 3).map(|k| 3 * n + k).collect::<Vec<_>>());
    let due: Vec<u32> = (0..20_000).flat_map(|n| (0..n % 3).map(move |k| 3 * n + k)).collect();
    let all = context.union((0..20_000).map(|n| several(n).boxed()).collect());
    assert_eq!(all.collect().unwrap(), due);
}
