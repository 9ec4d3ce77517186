//! Shuffles that are read once hand out their records; the others keep them.

use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_core::{Accumulator, Actions, Context, JobOptions, PairOps, RddOps};
use firesteel_scheduler::{Adaptive, Builder, JobMetrics, Scheduler, Speculation};
use firesteel_window::Sum;
use serde::{Deserialize, Serialize};

use crate::common::{Habit, Odd, context};

/// A number that counts its clones.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cloned(u64);

static CLONES: AtomicU64 = AtomicU64::new(0);

impl Clone for Cloned {
    fn clone(&self) -> Self {
        CLONES.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

/// A context whose jobs read their shuffles alone, and the numbers of what happens.
fn alone(builder: Builder) -> (Context, JobMetrics) {
    let metrics = JobMetrics::new();
    let context = context(builder.threads(2).listener(metrics.clone())).with_parallelism(3);
    (context.with_options(JobOptions { single_use: true, ..JobOptions::default() }), metrics)
}

/// One test, because the clones of all jobs are counted together.
#[test]
fn records_are_moved_only_if_nobody_else_needs_them() {
    let clones = |work: &mut dyn FnMut()| {
        CLONES.store(0, Ordering::Relaxed);
        work();
        CLONES.load(Ordering::Relaxed)
    };
    let sums = |context: &Context| {
        context
            .parallelize_with(4, 0..40u64)
            .map(|n| (n % 10, n))
            .map_values(Cloned)
            .reduce_by_key(|a, b| Cloned(a.0 + b.0))
    };
    let expect = |sum: u64, records: Vec<(u64, Cloned)>| {
        assert_eq!(records.into_iter().map(|(_, value)| value.0).sum::<u64>(), sum);
    };

    for adaptive in [Adaptive::default(), Adaptive::off()] {
        let (context, metrics) = alone(Scheduler::builder().adaptive(adaptive));
        assert_eq!(clones(&mut || expect(780, sums(&context).collect().unwrap())), 0);
        // Each half of the union reads the shuffle.
        let doubled = Odd::new(sums(&context), Habit::Doubled);
        assert_ne!(clones(&mut || expect(1560, doubled.collect().unwrap())), 0);
        let repeating = Odd::new(sums(&context), Habit::Repeating);
        assert_ne!(clones(&mut || expect(1560, repeating.collect().unwrap())), 0);
        // After another shuffle, the repetition does not reach the first one.
        let after = sums(&context).map(|(key, sum)| (key, sum.0)).aggregate_by_key(Sum);
        let after = Odd::new(after, Habit::Repeating).map(|(key, sum)| (key, Cloned(sum)));
        assert_eq!(clones(&mut || expect(1560, after.collect().unwrap())), 0);
        // A job over some partitions leaves the others for later.
        let some = sums(&context);
        let first = |part: std::ops::Range<usize>| {
            let work = |rdd: &_, split, task: &_| task_records(rdd, split, task);
            context.run_some(&some, part, work).unwrap().0.into_iter().flatten()
        };
        assert_ne!(clones(&mut || expect(780, first(0..1).chain(first(1..3)).collect())), 0);
        let shared = context.with_options(JobOptions::default());
        assert_ne!(clones(&mut || expect(780, sums(&shared).collect().unwrap())), 0);
        assert_eq!(metrics.totals().lost_inputs, 0, "nobody missed anything");
    }

    // Two attempts at once need it twice.
    let (context, _) = alone(Scheduler::builder().speculation(Speculation::default()));
    assert_ne!(clones(&mut || expect(780, sums(&context).collect().unwrap())), 0);
}

fn task_records<R: firesteel_core::Rdd>(rdd: &R, split: usize, task: &firesteel_core::TaskContext) -> Vec<R::Item> {
    let mut records = Vec::new();
    task.drain(rdd.compute(split, task), |record| records.push(record));
    records
}

#[test]
fn what_was_moved_is_computed_again_for_an_unexpected_second_reader() {
    let (context, metrics) = alone(Scheduler::builder().adaptive(Adaptive::off()));
    let counted = Accumulator::<u64>::default();
    let inner = counted.clone();
    let pairs = context.parallelize_with(4, 0..40u64).map(move |n| {
        inner.add(1);
        (n % 10, n)
    });
    let sums = pairs.aggregate_by_key(Sum).map(|(key, sum)| (key % 2, sum)).aggregate_by_key(Sum);
    let first = sums.collect().unwrap();
    assert_eq!(sums.collect().unwrap(), first);
    assert_eq!(counted.value(), 40, "what runs again does not count again");
    assert_eq!(metrics.totals().stages, 6);
}

#[test]
fn an_attempt_that_fails_after_moving_its_input_gets_it_again() {
    for adaptive in [Adaptive::default(), Adaptive::off()] {
        let (context, metrics) = alone(Scheduler::builder().adaptive(adaptive));
        let sums = context.parallelize_with(4, 0..40u64).map(|n| (n % 10, n)).aggregate_by_key(Sum);
        let again = sums.map(|(key, sum)| (key % 3, sum)).aggregate_by_key(Sum);
        let totals = context.run(&again, |rdd, split, task| {
            let sum = task.fold(firesteel_core::Rdd::compute(rdd, split, task), 0, |sum, (_, value)| sum + value);
            if split == 1 && task.identity().attempt < 6 && task.identity().attempt.is_multiple_of(2) {
                task.fail_with("a hiccup", true);
            }
            sum
        });
        assert_eq!(totals.unwrap().into_iter().sum::<u64>(), 780);
        let totals = metrics.totals();
        assert_eq!((totals.failed_attempts, totals.lost_inputs), (3, 3), "{totals:?}");
    }
}
