//! Records on which user code panics are set aside, if that is wanted.

use std::collections::BTreeMap;

use firesteel_core::{Accumulator, Actions, Context, Error, JobOptions, OnPanic, PairOps, Rdd, RddOps, TaskContext};
use firesteel_scheduler::{Adaptive, JobMetrics, Scheduler};
use firesteel_window::Sum;

use crate::common::context;

fn keeping(context: &Context) -> Context {
    context.with_options(JobOptions { on_panic: OnPanic::DeadLetter, ..JobOptions::default() })
}

fn records<R: Rdd>(rdd: &R, split: usize, task: &TaskContext) -> Vec<R::Item> {
    let mut records = Vec::new();
    task.drain(rdd.compute(split, task), |record| records.push(record));
    records
}

#[test]
fn of_ten_thousand_records_9999_continue() {
    for builder in [
        Scheduler::builder().threads(2),
        Scheduler::builder().threads(2).adaptive(Adaptive::off()),
        Scheduler::builder().deterministic(3),
        // The attempt that finds the panic is not held against the task.
        Scheduler::builder().threads(1).max_attempts(1),
    ] {
        let metrics = JobMetrics::new();
        let context = keeping(&context(builder.listener(metrics.clone())));
        let counted = Accumulator::<u64>::default();
        let inner = counted.clone();
        let rdd = context
            .parallelize_with(4, 0..10_000u32)
            .map(move |n| {
                inner.add(1);
                if n == 7_123 { panic!("{n} is cursed") } else { n }
            })
            .named("careful");
        let (kept, dead) = context.run_some(&rdd, 0..4, records).unwrap();
        let kept = kept.concat();
        assert_eq!(kept.len(), 9_999);
        assert!(!kept.contains(&7_123));
        assert_eq!(dead.len(), 1);
        let text = dead[0].to_string();
        for part in ["careful (map at ", "partition 2", "offset 2123", "7123 is cursed"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        assert_eq!(counted.value(), 10_000);
        let totals = metrics.totals();
        assert_eq!((totals.dead_letters, totals.failed_attempts, totals.tasks), (1, 1, 4));
    }
}

#[test]
fn dead_letters_of_all_stages_come_in_order_and_once() {
    let spread = || Scheduler::builder().threads(3).adaptive(Adaptive::off());
    let shuffled = (1..10).map(|seed| (Scheduler::builder().deterministic(seed), seed % 2 == 0));
    for (builder, single_use) in [(spread(), false), (spread(), true)].into_iter().chain(shuffled) {
        let context = context(builder);
        let options = JobOptions { on_panic: OnPanic::DeadLetter, single_use, ..JobOptions::default() };
        let context = context.with_options(options).with_parallelism(3);
        let pairs = context.parallelize_with(5, 0..100u64).map(|n| {
            assert!(n % 40 != 39, "map side {n}");
            (n % 10, n)
        });
        let sums = pairs.aggregate_by_key(Sum).map(|(key, sum)| {
            assert!(key != 4, "reduce side {key}");
            (key, sum)
        });
        let (kept, dead) = context.run_some(&sums, 0..3, records).unwrap();
        let mut expected = BTreeMap::new();
        for n in (0..100u64).filter(|n| n % 40 != 39 && n % 10 != 4) {
            *expected.entry(n % 10).or_insert(0) += n;
        }
        assert_eq!(kept.concat().into_iter().collect::<BTreeMap<_, _>>(), expected);
        let causes: Vec<_> = dead.iter().map(|letter| letter.0.cause.as_str()).collect();
        assert_eq!(causes, ["map side 39", "map side 79", "reduce side 4"]);
    }
}

#[test]
fn without_the_policy_the_job_fails() {
    let context = context(Scheduler::builder().threads(2));
    let rdd = context.parallelize_with(2, 0..10u32).map(|n| assert!(n != 3));
    assert!(matches!(rdd.count(), Err(Error::TaskFailed { .. })));
    assert_eq!(keeping(&context).parallelize_with(2, 0..10u32).map(|n| assert!(n != 3)).count().unwrap(), 9);
}
