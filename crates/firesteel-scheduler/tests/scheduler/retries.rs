//! Tasks that fail: how often they are tried, and what the error says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_core::{Accumulator, Actions, Clock, Error, PairOps, RddOps};
use firesteel_scheduler::{Adaptive, JobMetrics, Scheduler};
use firesteel_window::{Duration, Fold, Sum, Timestamp};

use crate::common::context;

#[test]
fn a_task_that_fails_three_times_succeeds_at_the_fourth() {
    for builder in [Scheduler::builder().threads(2), Scheduler::builder().threads(2).adaptive(Adaptive::off())] {
        let metrics = JobMetrics::new();
        let context = context(builder.listener(metrics.clone()));
        let counted = Accumulator::<u64>::default();
        let inner = counted.clone();
        let rdd = context.parallelize_with(3, 0..30u32);
        let attempts = context.run(&rdd, move |_, _, task| {
            inner.add(1);
            assert!(task.partition() != 1 || task.identity().attempt == 3, "not yet");
            task.identity().attempt
        });
        assert_eq!(attempts.unwrap(), [0, 3, 0]);
        assert_eq!(counted.value(), 3, "failed attempts do not count");
        let totals = metrics.totals();
        assert_eq!((totals.tasks, totals.failed_attempts, totals.failed_jobs), (3, 3, 0));
    }
}

#[test]
fn the_error_names_operator_partition_offset_and_cause() {
    let context = context(Scheduler::builder().threads(2));
    let rdd = context.from_partitions(vec![vec![1u32, 2], vec![3, 4, 5, 6]]);
    let failing = rdd.map(|n| if n == 5 { panic!("five is right out") } else { n }).named("picky");
    let error = failing.collect().unwrap_err();
    let Error::TaskFailed { attempts, .. } = &error else { panic!("{error}") };
    assert_eq!(*attempts, 4);
    let text = error.to_string();
    for part in ["FS-R001", "4 times", "picky (map at ", "partition 1", "offset 2", "five is right out"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn max_attempts_is_kept() {
    for (allowed, expected) in [(0, 1), (1, 1), (2, 2), (6, 6)] {
        let context = context(Scheduler::builder().threads(2).max_attempts(allowed));
        let tries = Arc::new(AtomicU32::new(0));
        let inner = Arc::clone(&tries);
        let rdd = context.parallelize_with(1, 0..1u32).map(move |_| -> u32 {
            inner.fetch_add(1, Ordering::Relaxed);
            panic!("never")
        });
        assert!(matches!(rdd.count().unwrap_err(), Error::TaskFailed { attempts, .. } if attempts == expected));
        assert_eq!(tries.load(Ordering::Relaxed), expected);
    }
}

#[test]
fn what_cannot_get_better_is_not_retried() {
    let context = context(Scheduler::builder().threads(2));
    let rdd = context.parallelize_with(2, 0..2u32);
    for (retryable, expected) in [(false, 1), (true, 4)] {
        let tries = Arc::new(AtomicU32::new(0));
        let inner = Arc::clone(&tries);
        let error = context
            .run(&rdd, move |_, split, task| {
                if split == 0 {
                    inner.fetch_add(1, Ordering::Relaxed);
                    task.fail_with(std::io::Error::other("the disk is full"), retryable);
                }
            })
            .unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the disk is full"));
        assert!(matches!(error, Error::TaskFailed { attempts, .. } if attempts == expected));
        assert_eq!(tries.load(Ordering::Relaxed), expected);
    }
}

#[test]
fn a_map_task_that_fails_is_retried_and_counts_once() {
    let context = context(Scheduler::builder().threads(2).adaptive(Adaptive::off()));
    let counted = Accumulator::<u64>::default();
    let inner = counted.clone();
    let failures = Arc::new(AtomicU32::new(0));
    let pairs = context.parallelize_with(4, 0..100u64).map(move |n| {
        inner.add(1);
        assert!(n != 42 || failures.fetch_add(1, Ordering::Relaxed) == 2, "not yet");
        (n % 5, n)
    });
    let sums = pairs.aggregate_by_key(Sum);
    assert_eq!(sums.collect().unwrap().iter().map(|pair| pair.1).sum::<u64>(), 4950);
    assert_eq!(counted.value(), 100);
}

#[test]
fn an_accumulator_that_panics_fails_the_job_and_not_the_executor() {
    for adaptive in [Adaptive::default(), Adaptive::off()] {
        let context = context(Scheduler::builder().threads(2).adaptive(adaptive));
        let picky = Accumulator::new(Fold::new((), |(): &mut (), (): ()| {}, |(), ()| panic!("no merging today")));
        let rdd = context.parallelize_with(3, 0..3u32);
        let again = picky.clone();
        context
            .run(&rdd, move |_, _, _| again.add(()))
            .expect("each partition's first addition is merged with nothing");
        let error = context.run(&rdd, move |_, _, _| picky.add(())).unwrap_err();
        assert!(matches!(error, Error::Misuse { .. }), "{error}");
        assert_eq!(rdd.count().unwrap(), 3);
    }
}

thread_local! {
    static BROKEN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// A clock that panics once where a task has broken it.
#[derive(Debug)]
struct Fragile;

impl Clock for Fragile {
    fn monotonic(&self) -> Duration {
        assert!(!BROKEN.replace(false), "the clock is broken");
        Duration::ZERO
    }
    fn wall(&self) -> Timestamp {
        Timestamp::EPOCH
    }
}

#[test]
fn a_panic_between_tasks_ends_the_job_and_not_the_executor() {
    for adaptive in [Adaptive::default(), Adaptive::off()] {
        let builder = Scheduler::builder().threads(2).adaptive(adaptive).clock(Fragile).listener(JobMetrics::new());
        let context = context(builder);
        let rdd = context.parallelize_with(6, 0..6u32);
        for _ in 0..10 {
            let error = context.run(&rdd, |_, split, _| BROKEN.set(split == 3)).unwrap_err();
            assert!(matches!(error, Error::Misuse { .. }), "{error}");
            assert_eq!(rdd.count().unwrap(), 6);
        }
    }
}

/// What cannot be dropped in peace.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn executors_survive_what_tasks_leave_behind() {
    let context = context(Scheduler::builder().threads(2).adaptive(Adaptive::off()).max_attempts(1));
    let rdd = context.parallelize_with(4, 0..4u32);
    for _ in 0..20 {
        let bomb = Bomb;
        let job = catch_unwind(AssertUnwindSafe(|| {
            context.run(&rdd, move |_, split, _| {
                let _held = &bomb;
                split
            })
        }));
        // Whoever drops the closure last meets the bomb: the caller, or an executor, which keeps running.
        if let Ok(result) = job {
            assert_eq!(result.unwrap(), [0, 1, 2, 3]);
        }
        assert_eq!(rdd.count().unwrap(), 4);
    }
}
