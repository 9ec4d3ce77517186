//! Map output that is gone: recomputed from lineage, counted once, and not forever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_core::shuffle::ShuffleDependency;
use firesteel_core::{Accumulator, Actions, Dependency, Error, Lineage, PairOps, Rdd, RddOps, TaskError};
use firesteel_scheduler::{Adaptive, JobMetrics, Scheduler};
use firesteel_window::Sum;

use crate::common::context;

/// The shuffle that an RDD reads.
fn shuffle_of(rdd: &dyn Lineage) -> Arc<dyn ShuffleDependency> {
    let mut found = None;
    rdd.dependencies(&mut |dependency| match dependency {
        Dependency::Narrow(parent) => found = Some(shuffle_of(parent)),
        Dependency::Shuffle(shuffle) => found = Some(Arc::clone(shuffle)),
    });
    found.expect("there is a shuffle below")
}

fn builders() -> Vec<firesteel_scheduler::Builder> {
    let two = || Scheduler::builder().threads(2);
    vec![two(), two().adaptive(Adaptive::off()), Scheduler::builder().deterministic(0)]
}

#[test]
fn only_what_was_lost_runs_again_and_nothing_counts_twice() {
    for builder in builders() {
        let metrics = JobMetrics::new();
        let context = context(builder.listener(metrics.clone())).with_parallelism(3);
        let (mapped, reduced) = (Accumulator::<u64>::default(), Accumulator::<u64>::default());
        let (of_map, of_reduce) = (mapped.clone(), reduced.clone());
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        let pairs = context.parallelize_with(4, 0..100u64).map(move |n| {
            of_map.add(1);
            seen.fetch_add(1, Ordering::Relaxed);
            (n % 10, n)
        });
        let sums = pairs.aggregate_by_key(Sum).map(move |(_, sum)| {
            of_reduce.add(1);
            sum
        });
        let shuffle = shuffle_of(&sums);
        // The first attempt of one reduce task loses the output of one map task before it reads.
        let result = context.run(&sums, move |rdd, split, task| {
            if split == 1 && task.identity().attempt == 0 {
                shuffle.discard(2);
            }
            task.fold(rdd.compute(split, task), 0, |sum, n| sum + n)
        });
        assert_eq!(result.unwrap().into_iter().sum::<u64>(), 4950);
        assert_eq!((mapped.value(), reduced.value()), (100, 10));
        assert_eq!(runs.load(Ordering::Relaxed), 125, "one of four map tasks ran again");
        let totals = metrics.totals();
        assert!(totals.lost_inputs >= 1 && totals.failed_attempts == 0, "{totals:?}");
    }
}

#[test]
fn lost_input_does_not_count_as_an_attempt() {
    for builder in builders() {
        let context = context(builder.max_attempts(1)).with_parallelism(2);
        let sums = context.parallelize_with(2, 0..10u64).map(|n| (n % 2, n)).aggregate_by_key(Sum);
        let shuffle = shuffle_of(&sums);
        let result = context.run(&sums, move |rdd, split, task| {
            if split == 0 && task.identity().attempt < 3 {
                shuffle.discard(0);
            }
            task.fold(rdd.compute(split, task), 0, |sum, (_, n)| sum + n)
        });
        assert_eq!(result.unwrap().into_iter().sum::<u64>(), 45);
    }
}

#[test]
fn output_that_is_lost_again_and_again_ends_the_job() {
    for builder in builders() {
        let context = context(builder).with_parallelism(2);
        let sums = context.parallelize_with(2, 0..10u64).map(|n| (n % 2, n)).aggregate_by_key(Sum);
        let shuffle = shuffle_of(&sums);
        let number = shuffle.id().number();
        let result = context.run(&sums, move |rdd, split, task| {
            shuffle.discard(split);
            task.fold(rdd.compute(split, task), 0, |sum, (_, n)| sum + n)
        });
        match result {
            Err(Error::OutputLost { shuffle, times: 5 }) => assert_eq!(shuffle, number),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn losses_reach_through_several_shuffles() {
    for builder in builders() {
        let context = context(builder).with_parallelism(3);
        let first = context.parallelize_with(3, 0..90u64).map(|n| (n % 9, n)).aggregate_by_key(Sum);
        let second = first.map(|(key, sum)| (key % 3, sum)).aggregate_by_key(Sum);
        let (below, above) = (shuffle_of(shuffle_of(&second).parent()), shuffle_of(&second));
        let result = context.run(&second, move |rdd, split, task| {
            if split == 2 && task.identity().attempt == 0 {
                above.discard(0);
                below.discard(1);
            }
            task.fold(rdd.compute(split, task), 0, |sum, (_, n)| sum + n)
        });
        assert_eq!(result.unwrap().into_iter().sum::<u64>(), 4005);
    }
}

#[test]
fn a_shuffle_nobody_knows_ends_the_job() {
    let context = context(Scheduler::builder().threads(2));
    let other = context.parallelize_with(2, 0..10u64).map(|n| (n % 2, n)).aggregate_by_key(Sum);
    let shuffle = shuffle_of(&other).id();
    let rdd = context.parallelize_with(2, 0..10u64);
    let result = context.run(&rdd, move |_, _, task| -> u32 { task.fail(TaskError::FetchFailed { shuffle, map: 0 }) });
    assert!(matches!(result, Err(Error::OutputLost { times: 1, .. })));
}

#[test]
fn a_second_job_skips_what_is_there() {
    let metrics = JobMetrics::new();
    let context = context(Scheduler::builder().threads(2).listener(metrics.clone())).with_parallelism(3);
    let sums = context.parallelize_with(4, 0..100u64).map(|n| (n % 10, n)).aggregate_by_key(Sum);
    assert_eq!(sums.count().unwrap(), 10);
    let totals = metrics.take();
    assert_eq!((totals.stages, totals.skipped_stages, totals.tasks), (2, 0, 7));
    assert_eq!((totals.metrics.records_read, totals.metrics.shuffle_records_written), (100, 40));
    assert_eq!(totals.metrics.shuffle_records_read, 40);
    assert_eq!(sums.count().unwrap(), 10);
    let totals = metrics.take();
    assert_eq!((totals.stages, totals.skipped_stages, totals.tasks), (1, 1, 3));
    shuffle_of(&sums).discard(3);
    assert_eq!(sums.count().unwrap(), 10);
    let totals = metrics.take();
    assert_eq!((totals.stages, totals.skipped_stages, totals.tasks), (2, 0, 4));
}
