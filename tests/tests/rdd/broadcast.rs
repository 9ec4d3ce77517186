//! Broadcast variables and accumulators.

use firesteel_core::{Accumulator, Actions, Broadcast, RddOps};
use firesteel_window::{Count, Max, Min, Sum};

use crate::common::context;

#[test]
fn tasks_share_a_value() {
    let context = context();
    let table = context.broadcast(vec!["zero", "one", "two"]);
    assert_ne!(Broadcast::id(&table), Broadcast::id(&context.broadcast(())));
    let names = context.parallelize_with(3, [2, 0, 1]).map({
        let table = table.clone();
        move |n: usize| table[n]
    });
    assert_eq!(names.collect().unwrap(), ["two", "zero", "one"]);
    Broadcast::destroy(table);
    let error = names.collect().unwrap_err().to_string();
    assert!(error.contains("operator map at ") && error.contains("used after it was destroyed"), "{error}");
}

#[test]
fn accumulators_count_what_succeeded() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static FAILURES: AtomicU32 = AtomicU32::new(0);
    let (count, sum) = (Accumulator::new(Count), Accumulator::new(Sum));
    let (largest, smallest) = (Accumulator::new(Max), Accumulator::new(Min));
    let all = (count.clone(), sum.clone(), largest.clone(), smallest.clone());
    let numbers = context().range_with(4, 1..101u32).inspect(move |n| {
        all.0.add(());
        all.1.add(-i64::from(*n));
        all.2.add(*n);
        all.3.add(*n);
        assert!(*n != 60 || FAILURES.fetch_add(1, Ordering::Relaxed) > 1, "twice");
    });
    numbers.for_each(drop).unwrap();
    assert_eq!(FAILURES.load(Ordering::Relaxed), 3);
    assert_eq!((count.value(), sum.value()), (100, -5050));
    assert_eq!((largest.value(), smallest.take()), (Some(100), Some(1)));
    assert_eq!(smallest.value(), None);
}
