//! Jobs of a few stages, run in every way the scheduler has.

use firesteel_core::{Actions, Context, PairOps, RddOps, Settings};
use firesteel_scheduler::{Adaptive, Scheduler};
use firesteel_window::Sum;

fn contexts() -> Vec<Context> {
    let two = || Scheduler::builder().threads(2);
    [
        two(),
        two().adaptive(Adaptive::off()),
        two().adaptive(Adaptive::default().patience(firesteel_window::Duration::ZERO)),
        Scheduler::builder().threads(5).adaptive(Adaptive::off()),
        Scheduler::builder().deterministic(0),
        Scheduler::builder().deterministic(7),
    ]
    .map(|builder| builder.build().expect("threads are left").context(Settings::default()).with_parallelism(4))
    .into()
}

#[test]
fn every_way_of_running_gives_the_same_result() {
    let results = contexts().into_iter().map(|context| {
        let pairs = context.parallelize_with(7, 0..1000u64).map(|n| (n % 10, n));
        let sums = pairs.aggregate_by_key(Sum).map(|(key, sum)| (sum % 3, sum + key)).aggregate_by_key(Sum);
        sums.collect().unwrap()
    });
    let results: Vec<Vec<(u64, u64)>> = results.collect();
    let mut expected = std::collections::BTreeMap::new();
    for key in 0..10u64 {
        let sum: u64 = (0..1000).filter(|n| n % 10 == key).sum();
        *expected.entry(sum % 3).or_insert(0) += sum + key;
    }
    let mut first = results[0].clone();
    first.sort_unstable();
    assert_eq!(first, expected.into_iter().collect::<Vec<_>>());
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
}

#[test]
fn ten_thousand_tasks() {
    for context in contexts() {
        let rdd = context.parallelize_with(10_000, 0..20_000u64);
        assert_eq!(rdd.count().unwrap(), 20_000);
    }
}
