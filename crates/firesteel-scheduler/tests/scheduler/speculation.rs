//! Stragglers get a second attempt; the first to succeed counts.

use firesteel_core::{Accumulator, ManualClock, Rdd};
use firesteel_scheduler::{Adaptive, Event, JobMetrics, Outcome, Scheduler, Speculation};
use firesteel_window::Duration;

use crate::common::{Gate, Habit, Odd, Recorder, join, on_thread};

fn eager() -> Speculation {
    Speculation::default().interval(Duration::millis(1))
}

#[test]
fn a_straggler_is_overtaken() {
    let (clock, recorder, metrics) = (ManualClock::new(), Recorder::default(), JobMetrics::new());
    let scheduler = Scheduler::builder()
        .threads(2)
        .adaptive(Adaptive::off())
        .speculation(eager())
        .clock(clock.clone())
        .listener(recorder.clone())
        .listener(metrics.clone())
        .build()
        .unwrap();
    let context = scheduler.context(Default::default());
    let (gate, counted) = (Gate::default(), Accumulator::<u64>::default());
    let (inner, count) = (gate.clone(), counted.clone());
    let job = on_thread(move || {
        let rdd = context.parallelize_with(4, 0..4u32);
        context.run(&rdd, move |_, split, task| {
            count.add(1);
            if split == 0 && task.identity().attempt == 0 {
                inner.pass();
                // Only the end of the other attempt ends this one.
                loop {
                    task.check_cancelled();
                    std::thread::yield_now();
                }
            }
            task.identity().attempt
        })
    });
    gate.wait_for(1);
    let succeeded = |event: &Event| matches!(event, Event::TaskEnded(task) if matches!(task.outcome, Outcome::Succeeded { .. }) && task.task.partition == 3);
    recorder.wait_for(succeeded);
    assert_eq!(metrics.totals().speculative_attempts, 0, "no time has passed");
    clock.advance(Duration::secs(1));
    assert_eq!(join(job).unwrap(), [1, 0, 0, 0]);
    assert_eq!(counted.value(), 4);
    gate.open();
    recorder.wait_for(|event| matches!(event, Event::TaskEnded(task) if task.outcome == Outcome::Superseded));
    assert_eq!(counted.value(), 4, "the attempt that was overtaken leaves nothing");
    let totals = metrics.totals();
    assert_eq!((totals.speculative_attempts, totals.tasks, totals.failed_attempts), (1, 4, 0));
}

#[test]
fn the_straggler_may_still_win() {
    let (clock, recorder) = (ManualClock::new(), Recorder::default());
    let builder = Scheduler::builder().threads(2).adaptive(Adaptive::off()).speculation(eager());
    let scheduler = builder.clock(clock.clone()).listener(recorder.clone()).build().unwrap();
    let context = scheduler.context(Default::default());
    let (first, second) = (Gate::default(), Gate::default());
    let (gates, counted) = ([first.clone(), second.clone()], Accumulator::<u64>::default());
    let count = counted.clone();
    let job = on_thread(move || {
        let rdd = context.parallelize_with(4, 0..4u32);
        context.run(&rdd, move |_, split, task| {
            count.add(1);
            let attempt = task.identity().attempt as usize;
            if split == 0 {
                gates[attempt].pass();
            }
            attempt
        })
    });
    first.wait_for(1);
    // Time advances until the second attempt is there: the other tasks may not have ended when it first moves.
    while second.visitors() == 0 {
        clock.advance(Duration::secs(1));
        std::thread::yield_now();
    }
    first.open();
    assert_eq!(join(job).unwrap(), [0, 0, 0, 0]);
    second.open();
    recorder.wait_for(|event| matches!(event, Event::TaskEnded(task) if task.outcome == Outcome::Superseded));
    assert_eq!(counted.value(), 4, "a second success does not count");
}

#[test]
fn a_failed_attempt_leaves_the_other_one_running() {
    let clock = ManualClock::new();
    let builder = Scheduler::builder().threads(2).adaptive(Adaptive::off()).speculation(eager()).max_attempts(2);
    let scheduler = builder.clock(clock.clone()).build().unwrap();
    let context = scheduler.context(Default::default());
    let (first, second) = (Gate::default(), Gate::default());
    let gates = [first.clone(), second.clone()];
    let job = on_thread(move || {
        let rdd = context.parallelize_with(4, 0..4u32);
        context.run(&rdd, move |_, split, task| {
            let attempt = task.identity().attempt as usize;
            if split == 0 && attempt < 2 {
                gates[attempt].pass();
                assert!(attempt == 1, "the first attempt fails");
            }
            attempt
        })
    });
    first.wait_for(1);
    while second.visitors() == 0 {
        clock.advance(Duration::secs(1));
        std::thread::yield_now();
    }
    first.open();
    second.open();
    assert_eq!(join(job).unwrap(), [1, 0, 0, 0]);
}

#[test]
fn a_stage_with_state_never_runs_twice_at_once() {
    let (clock, metrics) = (ManualClock::new(), JobMetrics::new());
    let builder = Scheduler::builder().threads(2).adaptive(Adaptive::off()).speculation(eager());
    let scheduler = builder.clock(clock.clone()).listener(metrics.clone()).build().unwrap();
    let context = scheduler.context(Default::default());
    let (stateful, plain) = (Gate::default(), Gate::default());
    let run = |habit: Option<Habit>, gate: Gate| {
        let context = context.clone();
        on_thread(move || {
            let rdd = context.parallelize_with(4, 0..4u32);
            let work = move |split: usize, task: &firesteel_core::TaskContext| {
                if split == 0 && task.identity().attempt == 0 {
                    gate.pass();
                }
                task.identity().attempt
            };
            match habit {
                Some(habit) => context.run(&Odd::new(rdd, habit), move |rdd: &Odd<_>, split, task| {
                    task.drain(rdd.compute(split, task), drop);
                    work(split, task)
                }),
                None => context.run(&rdd, move |_, split, task| work(split, task)),
            }
        })
    };
    let first = run(Some(Habit::Stateful), stateful.clone());
    stateful.wait_for(1);
    while metrics.totals().tasks < 3 {
        std::thread::yield_now();
    }
    // A second job, whose straggler is overtaken, proves that somebody looked for stragglers all the while.
    scheduler.resize(4).unwrap();
    let second = run(None, plain.clone());
    plain.wait_for(1);
    while metrics.totals().speculative_attempts == 0 {
        clock.advance(Duration::secs(1));
        std::thread::yield_now();
    }
    assert_eq!(join(second).unwrap(), [1, 0, 0, 0]);
    stateful.open();
    assert_eq!(join(first).unwrap(), [0; 4]);
    plain.open();
    assert_eq!(metrics.totals().speculative_attempts, 1);
}
