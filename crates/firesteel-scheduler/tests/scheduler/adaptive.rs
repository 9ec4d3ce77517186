//! Waves that were short before stay on the calling thread, others are spread, and what proves slow is spread after all.

use std::sync::{Arc, Barrier};
use std::thread;

use firesteel_core::{Context, ManualClock, Rdd, TaskContext};
use firesteel_scheduler::{Adaptive, Scheduler};
use firesteel_window::Duration;
use parking_lot::Mutex;

use crate::common::{Habit, Odd, context};

/// The threads on which the tasks of a job over partitions of these sizes run.
fn threads(context: &Context, sizes: &[usize]) -> Vec<thread::ThreadId> {
    let rdd = context.from_partitions(sizes.iter().map(|size| vec![0u8; *size]).collect());
    context.run(&rdd, |_, _, _| thread::current().id()).expect("nothing fails")
}

#[test]
fn a_wave_that_was_short_before_runs_where_it_was_submitted() {
    // No time passes on this clock.
    let context = context(Scheduler::builder().threads(4).clock(ManualClock::new()));
    threads(&context, &[6_000; 3]);
    assert_eq!(threads(&context, &[6_000; 3]), [thread::current().id(); 3]);
}

#[test]
fn a_wave_of_which_nothing_is_known_is_spread() {
    let context = context(Scheduler::builder().threads(2));
    let meet = Arc::new(Barrier::new(2));
    // It would never end on one thread.
    let together = |rdd: &_, meet: &Arc<Barrier>| {
        let meet = Arc::clone(meet);
        let work = move |_: &Odd<_>, _: usize, _: &TaskContext| {
            meet.wait();
            thread::current().id()
        };
        let ids = context.run(rdd, work).unwrap();
        assert_ne!(ids[0], ids[1]);
        assert!(ids.contains(&thread::current().id()), "the thread that submits takes part");
    };
    let small = context.from_partitions(vec![vec![0u8; 10]; 2]);
    let unknown = Odd::new(context.from_partitions(vec![vec![0u8]; 2]), Habit::Placed);
    together(&unknown, &meet);
    let meeting = Arc::clone(&meet);
    context.run(&small, move |_, _, _| meeting.wait().is_leader()).unwrap();
}

#[test]
fn few_records_that_take_long_are_spread_after_all() {
    let clock = ManualClock::new();
    let context = context(Scheduler::builder().threads(2).clock(clock.clone()));
    let rdd = context.from_partitions(vec![vec![0u8]; 4]);
    context.run(&rdd, |_, _, _| ()).unwrap();
    let meet = Barrier::new(2);
    let ids = context.run(&rdd, move |_, split, _| {
        match split {
            0 => clock.advance(Duration::micros(900)),
            1 => clock.advance(Duration::micros(200)),
            _ => {
                meet.wait();
            }
        }
        thread::current().id()
    });
    let ids = ids.unwrap();
    assert_eq!(ids[..2], [thread::current().id(); 2]);
    assert_ne!(ids[2], ids[3]);
}

#[test]
fn tiny_partitions_run_one_after_the_other_and_the_largest_first() {
    // One executor, so that the order in which tasks are taken is the order in which they run.
    let context = context(Scheduler::builder().threads(1).clock(ManualClock::new()));
    let sizes = [10, 30_000, 20, 25_000, 40_000];
    let rdd = context.from_partitions(sizes.map(|size| vec![0u8; size]).into());
    let order = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&order);
    let counts = context.run(&rdd, move |rdd, split, task| {
        inner.lock().push(split);
        task.fold(rdd.compute(split, task), 0, |count, _| count + 1)
    });
    assert_eq!(counts.unwrap(), sizes);
    assert_eq!(*order.lock(), [4, 1, 3, 2, 0]);
}

#[test]
fn a_slow_task_among_coalesced_ones_lets_the_others_go() {
    let clock = ManualClock::new();
    let adaptive = Adaptive::default().inline_below(Duration::ZERO);
    let context = context(Scheduler::builder().threads(2).adaptive(adaptive).clock(clock.clone()));
    // All in one run of tasks, as soon as it is known that they are short.
    let rdd = context.from_partitions(vec![vec![0u8]; 3]);
    context.run(&rdd, |_, _, _| ()).unwrap();
    let meet = Barrier::new(2);
    let work = move |_: &_, split: usize, _: &TaskContext| match split {
        0 => clock.advance(Duration::millis(5)),
        _ => {
            meet.wait();
        }
    };
    context.run(&rdd, work).unwrap();
}
