//! Several jobs at once, and jobs within tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_core::{Accumulator, Actions, Context, PairOps, RddOps};
use firesteel_scheduler::{Adaptive, Builder, Cancel, Event, JobMetrics, Mode, Queued, Scheduler};
use firesteel_window::Sum;

use crate::common::{Gate, Recorder, Watched, context, join, on_thread};

#[test]
fn public_types_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Scheduler>();
    shared::<Context>();
    shared::<Cancel>();
    shared::<Queued>();
    shared::<JobMetrics>();
    fn sent<T: Send>() {}
    sent::<Builder>();
}

#[test]
fn jobs_of_many_threads_do_not_disturb_each_other() {
    for builder in [
        Scheduler::builder().threads(2),
        Scheduler::builder().threads(2).adaptive(Adaptive::off()),
        Scheduler::builder().threads(3).adaptive(Adaptive::off()).mode(Mode::Fair),
        Scheduler::builder().deterministic(9),
    ] {
        let context = context(builder).with_parallelism(4);
        let callers = (0..8u64).map(|caller| {
            let context = context.clone();
            on_thread(move || {
                for round in 0..20 {
                    let counted = Accumulator::<u64>::default();
                    let inner = counted.clone();
                    let pairs = context.parallelize(0..200u64).map(move |n| {
                        inner.add(1);
                        (n % 10, n * caller + round)
                    });
                    let sum: u64 =
                        pairs.aggregate_by_key(Sum).collect().expect("nothing fails").iter().map(|pair| pair.1).sum();
                    assert_eq!(sum, 19_900 * caller + 200 * round);
                    assert_eq!(counted.value(), 200);
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            join(caller);
        }
    }
}

#[test]
fn a_shuffle_that_two_jobs_need_is_computed_once() {
    let recorder = Recorder::default();
    let context = context(Scheduler::builder().threads(2).adaptive(Adaptive::off()).listener(recorder.clone()));
    let (gate, mapped) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (inner, count) = (gate.clone(), Arc::clone(&mapped));
    let pairs = context.parallelize_with(3, 0..30u64).map(move |n| {
        count.fetch_add(1, Ordering::Relaxed);
        if n == 0 {
            inner.pass();
        }
        (n % 3, n)
    });
    let sums = pairs.aggregate_by_key(Sum);
    let jobs = [sums.clone(), sums].map(|sums| on_thread(move || sums.count().expect("nothing fails")));
    gate.wait_for(1);
    recorder.wait_for(|event| matches!(event, Event::JobStarted(job) if job.job == 1));
    gate.open();
    assert_eq!(jobs.map(join), [3, 3]);
    assert_eq!(mapped.load(Ordering::Relaxed), 30);
}

#[test]
fn what_another_job_made_in_the_meantime_is_not_made_again() {
    let context = context(Scheduler::builder().threads(2).adaptive(Adaptive::off()));
    let (planned, done, mapped) = (Gate::default(), Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (map_waits, count) = (planned.clone(), Arc::clone(&mapped));
    let (plans, plan_goes, plan_waits) = (AtomicUsize::new(0), planned.clone(), done.clone());
    // The second job has seen that the shuffle is missing when it gets here, and waits for the first job.
    let source = Watched::new(context.parallelize_with(1, 0..10u64), move || {
        if plans.fetch_add(1, Ordering::Relaxed) == 1 {
            plan_goes.open();
            plan_waits.pass();
        }
    });
    let pairs = source.map(move |n| {
        count.fetch_add(1, Ordering::Relaxed);
        map_waits.pass();
        (n % 2, n)
    });
    let sums = pairs.aggregate_by_key(Sum);
    let first = sums.clone();
    let first = on_thread(move || first.count().expect("nothing fails"));
    planned.wait_for(1);
    let second = on_thread(move || sums.count().expect("nothing fails"));
    assert_eq!(join(first), 2);
    done.open();
    assert_eq!(join(second), 2);
    assert_eq!(mapped.load(Ordering::Relaxed), 10);
}

#[test]
fn who_waits_for_a_failed_job_computes_the_shuffle_itself() {
    let context = context(Scheduler::builder().threads(2).adaptive(Adaptive::off()).max_attempts(1));
    let (gate, tries) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (inner, count) = (gate.clone(), Arc::clone(&tries));
    let pairs = context.parallelize_with(2, 0..10u64).map(move |n| {
        if n == 0 {
            inner.pass();
            assert!(count.fetch_add(1, Ordering::Relaxed) > 0, "the first job fails");
        }
        (n % 2, n)
    });
    let sums = pairs.aggregate_by_key(Sum);
    let first = sums.clone();
    let first = on_thread(move || first.count());
    gate.wait_for(1);
    let second = on_thread(move || sums.count());
    gate.open();
    let results = [join(first), join(second)];
    assert_eq!(results.iter().filter(|result| matches!(result, Ok(2))).count(), 1, "{results:?}");
}

#[test]
fn a_task_may_run_a_job() {
    for threads in [1, 2] {
        for adaptive in [Adaptive::default(), Adaptive::off()] {
            let context = context(Scheduler::builder().threads(threads).adaptive(adaptive));
            let rdd = context.parallelize_with(6, 0..6u64);
            let counted = Accumulator::<u64>::default();
            let (inner, count) = (context.clone(), counted.clone());
            let sums = context.run(&rdd, move |_, split, _| {
                let adds = count.clone();
                let pairs = inner.parallelize_with(3, 0..30u64).map(move |n| {
                    adds.add(1);
                    (n % 3, n * split as u64)
                });
                pairs.aggregate_by_key(Sum).collect().expect("nothing fails").iter().map(|pair| pair.1).sum::<u64>()
            });
            assert_eq!(sums.unwrap(), [0, 435, 870, 1305, 1740, 2175]);
            assert_eq!(counted.value(), 180);
        }
    }
}

#[test]
fn independent_stages_run_together() {
    // The two map sides would wait for each other forever if they ran one after the other.
    let context = context(Scheduler::builder().threads(2).adaptive(Adaptive::off()));
    let meet = Arc::new(std::sync::Barrier::new(2));
    let side = |meet: Arc<std::sync::Barrier>| {
        let pairs = context.parallelize_with(1, 0..1u64).map(move |n| {
            meet.wait();
            (n, n)
        });
        pairs.aggregate_by_key(Sum)
    };
    let both = crate::common::Beside::new(side(Arc::clone(&meet)), side(meet));
    assert_eq!(both.count().unwrap(), 2);
}
