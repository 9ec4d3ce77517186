//! The deterministic mode: one thread, one order for each seed.

use std::sync::Arc;
use std::thread;

use firesteel_core::{Actions, PairOps, RddOps};
use firesteel_scheduler::Scheduler;
use firesteel_window::Sum;
use parking_lot::Mutex;

use crate::common::context;

/// The order in which the tasks of two jobs run: stage and partition.
fn order(seed: u64) -> Vec<(usize, usize)> {
    let context = context(Scheduler::builder().threads(6).deterministic(seed));
    assert_eq!(context.parallelism(), 6);
    let order = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        let sums = context.parallelize(0..60u64).map(|n| (n % 7, n)).aggregate_by_key(Sum);
        let (inner, caller) = (Arc::clone(&order), thread::current().id());
        let log = move |task: &firesteel_core::TaskContext| {
            assert_eq!(thread::current().id(), caller);
            inner.lock().push((task.identity().stage, task.partition()));
        };
        let work = move |_: &_, _: usize, task: &firesteel_core::TaskContext| log(task);
        context.run(&sums, work).expect("nothing fails");
    }
    Arc::into_inner(order).expect("the jobs have ended").into_inner()
}

#[test]
fn a_seed_repeats_its_order() {
    assert_eq!(order(0), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5].map(|partition| (1, partition)));
    assert_eq!(order(5), order(5));
    assert_ne!(order(5), order(6));
    assert_ne!(order(5), order(0));
    let shuffled = order(5);
    assert_ne!(shuffled[..6], shuffled[6..], "each job has an order of its own");
    for seed in 1..20 {
        let mut first = order(seed)[..6].to_vec();
        first.sort_unstable();
        assert_eq!(first, order(0)[..6], "every task runs once");
    }
}

#[test]
fn map_tasks_are_shuffled_too_and_the_result_stays() {
    let results = (0..10).map(|seed| {
        let context = context(Scheduler::builder().threads(4).deterministic(seed));
        let sums = context.parallelize(0..1000u64).map(|n| (n % 17, n)).aggregate_by_key(Sum);
        sums.collect().expect("nothing fails")
    });
    let results: Vec<_> = results.collect();
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn resizing_changes_nothing() {
    let scheduler = Scheduler::builder().deterministic(1).build().unwrap();
    scheduler.resize(8).unwrap();
    assert_eq!(scheduler.threads(), 1);
}
