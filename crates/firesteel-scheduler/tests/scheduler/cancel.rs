//! Cancelling jobs while they run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_core::{Accumulator, Actions, Error, JobOptions, Rdd, RddOps};
use firesteel_scheduler::{Adaptive, Event, Outcome, Scheduler};

use crate::common::{Gate, Recorder, join, on_thread};

fn reason<T>(result: firesteel_core::Result<T>) -> String {
    match result {
        Err(Error::Cancelled { reason }) => reason.unwrap_or_default(),
        Err(error) => panic!("not cancelled but {error}"),
        Ok(_) => panic!("not cancelled"),
    }
}

#[test]
fn running_tasks_stop_at_their_next_check() {
    for adaptive in [Adaptive::default().inline_below(firesteel_window::Duration::MAX), Adaptive::off()] {
        let recorder = Recorder::default();
        let scheduler = Scheduler::builder().threads(2).adaptive(adaptive).listener(recorder.clone()).build().unwrap();
        let context = scheduler.context(Default::default());
        let context = context.with_options(JobOptions { group: Some("slow".into()), ..JobOptions::default() });
        let gate = Gate::default();
        let counted = Accumulator::<u64>::default();
        let (inner, count) = (gate.clone(), counted.clone());
        let job = on_thread(move || {
            let endless = context.parallelize_with(4, 0..4u64).flat_map(|_| 0u64..);
            context.run(&endless, move |rdd, split, task| -> () {
                count.add(1);
                let mut records = rdd.compute(split, task);
                let _ = records.next();
                drop(records);
                inner.pass();
                loop {
                    task.check_cancelled();
                    std::hint::spin_loop();
                }
            })
        });
        gate.wait_for(1);
        assert_eq!(scheduler.cancel_group("fast", "wrong group"), 0);
        assert_eq!(scheduler.cancel_handle("slow").cancel("enough is enough"), 1);
        gate.open();
        assert_eq!(reason(join(job)), "enough is enough");
        assert_eq!(counted.value(), 0);
        assert!(gate.visitors() <= 2, "no task begins after the cancellation");
        let ends = recorder.pick(|event| if let Event::TaskEnded(task) = event { Some(task.outcome) } else { None });
        assert_eq!(ends.len(), gate.visitors());
        assert!(ends.iter().all(|outcome| *outcome == Outcome::Cancelled));
        assert_eq!(scheduler.cancel_all("nothing left"), 0);
    }
}

#[test]
fn a_job_that_waits_for_executors_ends_at_once() {
    let scheduler = Scheduler::builder().threads(1).adaptive(Adaptive::off()).build().unwrap();
    let gate = Gate::default();
    let (context, inner) = (scheduler.context(Default::default()), gate.clone());
    let first = on_thread(move || {
        let rdd = context.parallelize_with(1, 0..1u32);
        context.run(&rdd, move |_, _, _| inner.pass())
    });
    gate.wait_for(1);
    let context = scheduler
        .context(Default::default())
        .with_options(JobOptions { group: Some("second".into()), ..JobOptions::default() });
    let ran = Arc::new(AtomicU32::new(0));
    let inner = Arc::clone(&ran);
    let second = on_thread(move || {
        let rdd = context.parallelize_with(3, 0..3u32);
        context.run(&rdd, move |_, _, _| inner.fetch_add(1, Ordering::Relaxed))
    });
    while scheduler.cancel_group("second", "no need any more") == 0 {
        std::thread::yield_now();
    }
    assert_eq!(reason(join(second)), "no need any more");
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    gate.open();
    join(first).unwrap();
}

#[test]
fn a_listener_may_cancel_the_job_it_hears_of() {
    let found: Arc<std::sync::OnceLock<Scheduler>> = Arc::default();
    let inner = Arc::clone(&found);
    let listener = move |event: &Event| {
        if let (Event::TaskStarted(task), Some(scheduler)) = (event, inner.get()) {
            scheduler.cancel_job(task.task.job, "not this one");
        }
    };
    let scheduler = Scheduler::builder().threads(2).listener(listener).build().unwrap();
    let context = scheduler.context(Default::default());
    let rdd = context.parallelize_with(2, 0..100_000u32);
    assert_eq!(rdd.count().unwrap(), 100_000);
    found.set(scheduler).expect("set once");
    assert_eq!(reason(rdd.count()), "not this one");
}

#[test]
fn a_task_that_gives_up_by_itself_cancels_its_job() {
    let context = crate::common::context(Scheduler::builder().threads(2));
    let rdd = context.parallelize_with(2, 0..2u32);
    let result = context.run(&rdd, |_, _, task| -> u32 { task.fail(firesteel_core::TaskError::Cancelled) });
    assert!(reason(result).contains("gave up"));
}
