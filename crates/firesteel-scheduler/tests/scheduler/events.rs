//! What listeners are told.

use firesteel_core::{Actions, JobOptions, ManualClock, PairOps, RddOps};
use firesteel_scheduler::{Adaptive, Event, JobMetrics, Listener, Outcome, Queued, Scheduler};
use firesteel_window::{Sum, Timestamp, millis};

use crate::common::{Gate, Habit, Odd, Recorder, context};

/// An event in a word or two.
fn brief(event: Event) -> String {
    match event {
        Event::JobStarted(job) => format!("job {} of {} + {} stages", job.job, job.stages, job.skipped_stages),
        Event::JobEnded(job) => format!("job {} {}", job.job, if job.error.is_none() { "done" } else { "failed" }),
        Event::StageStarted(stage) => format!("stage {}.{} of {}", stage.stage, stage.attempt, stage.tasks),
        Event::StageEnded(stage) => format!("stage {}.{} complete: {}", stage.stage, stage.attempt, stage.complete),
        Event::TaskStarted(task) => format!("task {}.{}", task.task.partition, task.task.attempt),
        Event::TaskEnded(task) => match task.outcome {
            Outcome::Succeeded { .. } => format!("task {} done", task.task.partition),
            Outcome::Failed { retried, .. } => format!("task {} failed, again: {retried}", task.task.partition),
            other => format!("task {} {other:?}", task.task.partition),
        },
        other => format!("{other:?}"),
    }
}

#[test]
fn events_come_in_order() {
    let recorder = Recorder::default();
    let context = context(Scheduler::builder().threads(2).deterministic(0).listener(recorder.clone()));
    let sums = context.parallelize_with(2, 0..10u64).map(|n| (n % 2, n)).aggregate_by_key(Sum);
    let work = |_: &_, split: usize, task: &firesteel_core::TaskContext| {
        assert!(split == 0 || task.identity().attempt > 0, "once");
    };
    context.run(&sums, work).unwrap();
    sums.count().unwrap();
    let expected = [
        "job 0 of 2 + 0 stages",
        "stage 0.0 of 2",
        "task 0.0",
        "task 0 done",
        "task 1.0",
        "task 1 done",
        "stage 0.0 complete: true",
        "stage 1.0 of 2",
        "task 0.0",
        "task 0 done",
        "task 1.0",
        "task 1 failed, again: true",
        "task 1.1",
        "task 1 done",
        "stage 1.0 complete: true",
        "job 0 done",
        "job 1 of 1 + 1 stages",
        "stage 0.0 of 2",
        "task 0.0",
        "task 0 done",
        "task 1.0",
        "task 1 done",
        "stage 0.0 complete: true",
        "job 1 done",
    ];
    assert_eq!(recorder.pick(|event| Some(brief(event))), expected);
}

#[test]
fn stages_that_run_again_say_so() {
    let recorder = Recorder::default();
    let builder = Scheduler::builder().threads(2).deterministic(0).listener(recorder.clone());
    let context = context(builder).with_options(JobOptions { single_use: true, ..JobOptions::default() });
    let sums = context.parallelize_with(2, 0..10u64).map(|n| (n % 2, n)).aggregate_by_key(Sum);
    let again = sums.map(|(key, sum)| {
        assert!(key != 1 || FIRST.swap(false, std::sync::atomic::Ordering::Relaxed).eq(&false), "once");
        sum
    });
    static FIRST: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);
    assert_eq!(again.collect().unwrap().into_iter().sum::<u64>(), 45);
    let stages = recorder.pick(|event| match event {
        Event::StageStarted(_) | Event::StageEnded(_) => Some(brief(event)),
        _ => None,
    });
    let expected = [
        "stage 0.0 of 2",
        "stage 0.0 complete: true",
        "stage 1.0 of 2",
        "stage 1.0 complete: false",
        "stage 0.1 of 2",
        "stage 0.1 complete: true",
        "stage 1.1 of 1",
        "stage 1.1 complete: true",
    ];
    assert_eq!(stages, expected);
}

#[test]
fn events_carry_what_a_person_wants_to_know() {
    let recorder = Recorder::default();
    let clock = ManualClock::starting_at(Timestamp::from_secs(5));
    let builder = Scheduler::builder().deterministic(0).max_attempts(1).clock(clock.clone()).listener(recorder.clone());
    let options = JobOptions { name: Some("daily".into()), group: Some("reports".into()), ..JobOptions::default() };
    let context = context(builder).with_options(options);
    let rdd = Odd::new(context.from_partitions(vec![vec![1u32], vec![2, 3]]), Habit::Placed).map(move |n| {
        clock.advance(millis(2));
        assert!(n < 3, "three is too many");
        n
    });
    assert!(rdd.named("judge").count().is_err());
    let json: Vec<serde_json::Value> = recorder.pick(|event| serde_json::to_value(event).ok());
    assert_eq!(json[0]["event"], "job_started");
    assert_eq!((&json[0]["name"], &json[0]["group"]), (&"daily".into(), &"reports".into()));
    assert!(json[0]["target"].as_str().unwrap().starts_with("judge (map at "));
    assert_eq!(json[0]["at"], 5_000_000);
    assert_eq!(json[1]["locations"], serde_json::json!([["host-0"], ["host-1"]]));
    let failed = json.iter().find(|event| event["outcome"] == "failed").unwrap();
    assert_eq!((&failed["partition"], &failed["retried"]), (&1.into(), &false.into()));
    let blame = failed["blame"].as_str().unwrap();
    assert!(blame.contains("judge") && blame.contains("offset 1") && blame.contains("three is too many"), "{blame}");
    let last = json.last().unwrap();
    assert_eq!(last["event"], "job_ended");
    assert!(last["error"].as_str().unwrap().contains("FS-R001"));
    assert_eq!(last["duration"], 6_000);
    let done = json.iter().find(|event| event["outcome"] == "succeeded").unwrap();
    assert_eq!(done["metrics"]["records_read"], 1);
}

#[test]
fn a_listener_that_panics_is_no_concern_of_the_job() {
    let metrics = JobMetrics::new();
    let angry = |_: &Event| panic!("I do not want to know");
    let builder = Scheduler::builder().threads(2).adaptive(Adaptive::off()).listener(angry).listener(metrics.clone());
    assert_eq!(context(builder).parallelize_with(4, 0..10u32).count().unwrap(), 10);
    assert_eq!(metrics.totals().tasks, 4);
}

#[test]
fn what_a_listener_causes_comes_after_what_it_heard() {
    let found: std::sync::Arc<std::sync::OnceLock<Scheduler>> = std::sync::Arc::default();
    let (inner, recorder) = (std::sync::Arc::clone(&found), Recorder::default());
    let eager = move |event: &Event| {
        if let (Event::JobStarted(_), Some(scheduler)) = (event, inner.get()) {
            scheduler.resize(3).expect("threads are left");
        }
    };
    let scheduler = Scheduler::builder().threads(2).listener(eager).listener(recorder.clone()).build().unwrap();
    let context = scheduler.context(Default::default());
    found.set(scheduler).expect("set once");
    context.parallelize_with(1, 0..1u32).count().unwrap();
    let heard = recorder.pick(|event| Some(brief(event)));
    assert_eq!(heard[..2], ["job 0 of 1 + 0 stages", "ExecutorsResized { from: 2, to: 3 }"]);
}

#[test]
fn a_full_queue_drops_events_and_counts_them() {
    let (gate, metrics) = (Gate::default(), JobMetrics::new());
    let (inner, sums) = (gate.clone(), metrics.clone());
    let slow = move |event: &Event| {
        inner.pass();
        sums.on_event(event);
    };
    let queue = Queued::new(slow, 3).unwrap();
    let context = context(Scheduler::builder().threads(1).listener(queue.clone()));
    let rdd = context.parallelize_with(1, 0..10u32);
    // A job with one task causes six events.
    rdd.count().unwrap();
    gate.wait_for(1);
    rdd.count().unwrap();
    assert!(queue.dropped() >= 12 - 4 - 1, "{}", queue.dropped());
    gate.open();
    queue.flush();
    let before = queue.dropped();
    assert!(metrics.take().jobs < 2);
    // Whoever keeps up misses nothing.
    queue.on_event(&Recorder::default().events().pop().unwrap_or(Event::ExecutorsResized { from: 1, to: 2 }));
    queue.flush();
    assert_eq!(queue.dropped(), before);
    drop((context, rdd, queue));
}

#[test]
fn the_last_queue_waits_for_its_listener() {
    let metrics = JobMetrics::new();
    let queue = Queued::new(metrics.clone(), 1000).unwrap();
    let context = context(Scheduler::builder().threads(1).listener(queue));
    for _ in 0..20 {
        context.parallelize_with(2, 0..10u32).count().unwrap();
    }
    drop(context);
    // The executor may hold the scheduler for a moment longer than the context.
    while metrics.totals().jobs < 20 {
        std::thread::yield_now();
    }
    assert_eq!(metrics.totals().tasks, 40);
}
