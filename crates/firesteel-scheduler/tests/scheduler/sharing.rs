//! Where records are slow, executors with nothing to do take part in what a task is at.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, ThreadId};

use firesteel_core::ops::BoxRdd;
use firesteel_core::{
    Accumulator, Actions, Context, Error, FilterStep, FlatMapStep, JobOptions, ManualClock, MapStep, OnPanic, Operator,
    RddOps, Step,
};
use firesteel_scheduler::Scheduler;
use firesteel_window::{Duration, List};

use crate::common::context;

/// Three executors, on a clock that only the records of a test move.
fn three(clock: &ManualClock) -> Context {
    context(Scheduler::builder().threads(3).clock(clock.clone()))
}

/// What a step makes of the numbers below `count`, in one partition.
fn stepped<U: Send + 'static>(context: &Context, count: u64, step: impl Step<u64, U>) -> BoxRdd<U> {
    let numbers = context.parallelize_with(1, 0..count).boxed();
    let step: Arc<dyn Step<u64, U>> = Arc::new(step);
    BoxRdd::step(numbers, &Operator::here("test"), false, &step)
}

#[test]
fn slow_records_of_one_partition_are_done_by_all_executors() {
    let clock = ManualClock::new();
    let context = three(&clock);
    let meet = Barrier::new(3);
    let step = MapStep::new(move |n: u64| {
        clock.advance(Duration::millis(1));
        // From the second record on, three threads have to be there.
        if n > 0 {
            meet.wait();
        }
        (n, thread::current().id())
    });
    let done = stepped(&context, 13, step).collect().unwrap();
    assert!(done.iter().map(|(n, _)| *n).eq(0..13));
    let mut threads: Vec<ThreadId> = Vec::new();
    done.iter().for_each(|(_, id)| {
        if !threads.contains(id) {
            threads.push(*id)
        }
    });
    assert_eq!(threads.len(), 3);
    assert!(threads.contains(&thread::current().id()), "the thread that submits takes part");
}

#[test]
fn fast_records_stay_where_they_are() {
    let context = three(&ManualClock::new());
    let ids = stepped(&context, 50_000, MapStep::new(|_: u64| thread::current().id())).collect().unwrap();
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn what_comes_out_is_in_order_whatever_the_step() {
    let clock = ManualClock::new();
    let context = three(&clock);
    let slow = move || clock.advance(Duration::micros(150));
    let (a, b, c) = (slow.clone(), slow.clone(), slow);
    let map = MapStep::new(move |n: u64| {
        a();
        n * 2
    });
    assert!(stepped(&context, 3_000, map).collect().unwrap().into_iter().eq((0..3_000).map(|n| n * 2)));
    let filter = FilterStep::new(move |n: &u64| {
        b();
        n.is_multiple_of(3)
    });
    assert!(
        stepped(&context, 3_000, filter)
            .collect()
            .unwrap()
            .into_iter()
            .eq((0..3_000u64).filter(|n| n.is_multiple_of(3)))
    );
    let times = |n: u64| std::iter::repeat_n(n, if n == 7 { 5_000 } else { (n % 3) as usize });
    let flat_map = FlatMapStep::new(move |n: u64| {
        c();
        times(n)
    });
    assert!(stepped(&context, 3_000, flat_map).collect().unwrap().into_iter().eq((0..3_000).flat_map(times)));
}

#[test]
fn what_the_parts_count_is_counted_once_and_in_order() {
    let clock = ManualClock::new();
    let context = three(&clock);
    let (seen, count) = (Accumulator::<u64, List>::default(), Accumulator::<u64>::default());
    let (all, counted) = (seen.clone(), count.clone());
    let step = MapStep::new(move |n: u64| {
        clock.advance(Duration::micros(150));
        all.add(n);
        counted.add(1);
        n
    });
    assert_eq!(stepped(&context, 5_000, step).count().unwrap(), 5_000);
    assert_eq!(count.value(), 5_000);
    assert!(seen.take().into_iter().eq(0..5_000));
}

/// A step that fails on one record, and takes long for all.
fn failing(clock: &ManualClock, on: u64) -> impl Step<u64, u64> + use<> {
    let clock = clock.clone();
    MapStep::new(move |n: u64| {
        clock.advance(Duration::millis(1));
        assert_ne!(n, on, "no such number");
        n
    })
}

#[test]
fn a_part_that_fails_fails_the_task_and_the_record_is_named() {
    let clock = ManualClock::new();
    let error = stepped(&three(&clock), 2_000, failing(&clock, 1_234)).count().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("test at ") && text.contains("offset 1234") && text.contains("no such number"), "{text}");
}

#[test]
fn a_record_is_set_aside_once() {
    let clock = ManualClock::new();
    let options = JobOptions { on_panic: OnPanic::DeadLetter, ..JobOptions::default() };
    let context = three(&clock).with_options(options);
    let rdd = stepped(&context, 2_000, failing(&clock, 1_234));
    let (counts, dead) = context
        .run_some(&rdd, 0..1, |rdd, split, task| {
            task.fold(firesteel_core::Rdd::compute(rdd, split, task), 0, |n, _| n + 1)
        })
        .unwrap();
    assert_eq!((counts, dead.len()), (vec![1_999], 1));
    assert_eq!(dead[0].0.position, Some(1_234));
}

#[test]
fn a_job_that_is_cancelled_ends_while_its_work_is_shared() {
    let clock = ManualClock::new();
    let scheduler = Scheduler::builder().threads(3).clock(clock.clone()).build().unwrap();
    let context = scheduler.context(firesteel_core::Settings::default());
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let step = MapStep::new(move |n: u64| {
        clock.advance(Duration::millis(1));
        if count.fetch_add(1, Ordering::SeqCst) == 100 {
            scheduler.cancel_all("enough");
        }
        n
    });
    let error = stepped(&context, 1_000_000, step).count().unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert!(done.load(Ordering::SeqCst) < 2_000, "a block at most");
}

#[test]
fn tasks_of_several_jobs_share_at_the_same_time() {
    let clock = ManualClock::new();
    let context = three(&clock);
    thread::scope(|scope| {
        for _ in 0..4 {
            let (context, clock) = (context.clone(), clock.clone());
            scope.spawn(move || {
                for _ in 0..20 {
                    let clock = clock.clone();
                    let step = MapStep::new(move |n: u64| {
                        clock.advance(Duration::micros(200));
                        n
                    });
                    assert!(stepped(&context, 500, step).collect().unwrap().into_iter().eq(0..500));
                }
            });
        }
    });
}
