//! Timers without end where event time ends, and timers that nothing but the clock brings about.

use firesteel_state::{Declaration, Fired, Result, Timers};
use firesteel_streaming::{KeyedProcess, ProcessContext};
use firesteel_testkit::{TestJob, timeline};
use firesteel_window::{Timestamp, Watermark, seconds};

/// Registers a timer for one second later, forever.
struct Ticking;

impl KeyedProcess for Ticking {
    type Key = i32;
    type In = Timestamp;
    type Out = i64;
    type State = Timers;

    fn declare(&self, states: &mut Declaration<i32>) -> Timers {
        states.event_timers("tick")
    }

    fn on_record(&self, tick: &Timers, at: Timestamp, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        tick.register(ctx, at)?;
        Ok(())
    }

    fn on_timer(&self, tick: &Timers, timer: &Fired<i32>, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        ctx.emit(timer.time.as_secs());
        tick.register(ctx, timer.time + seconds(1))?;
        Ok(())
    }
}

#[test]
fn a_timer_that_registers_the_next_one_ends_with_event_time() {
    let test = TestJob::new();
    let ticks = test
        .script([vec![0], vec![3]])
        .map(Timestamp::from_secs)
        .event_time(|at| *at, Watermark::bounded(seconds(0)))
        .key_by(|_| 1)
        .process(Ticking)
        .named("ticking");
    let ticks = test.record(ticks);
    test.run().unwrap();
    test.finish().unwrap();
    assert_eq!(ticks.batches(), [vec![0], vec![1, 2, 3], vec![4]]);
}

#[test]
fn timers_of_processing_time_bring_about_batches_of_their_own() {
    use std::sync::Arc;

    use firesteel_connect_memory::{Collector, QueueSource};
    use firesteel_core::ManualClock;
    use firesteel_streaming::{KeyState, MapSpec, Stop, StreamingContext, Trigger};
    use firesteel_testkit::JobLog;

    let clock = Arc::new(ManualClock::starting_at(Timestamp::EPOCH));
    let (log, gone, queue) = (JobLog::new(), Collector::new(), QueueSource::new(1));
    let job = StreamingContext::builder("idle").clock(clock.clone()).listener(log.clone()).threads(1).build().unwrap();
    job.read(queue.clone())
        .map(|user: i32| (user, ()))
        .map_with_state_with(MapSpec::new().timeout(seconds(60)), |user, click, clicks: &mut KeyState<u32>| {
            if click.is_some() {
                clicks.update(1);
            }
            clicks.is_timing_out().then_some(*user)
        })
        .write(gone.clone());
    queue.handle().push(vec![7]).unwrap();
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    log.wait_for_batches(1);
    clock.advance(seconds(61));
    log.wait_for_batches(2);
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    assert_eq!(gone.records(), [7]);
}

#[test]
fn a_timeout_that_sets_the_next_one_ends_with_event_time() {
    use firesteel_streaming::{EventTimeout, KeyState};

    let test = TestJob::new();
    let calls = test
        .script(timeline::parse("a@1 b@2 | a@9").unwrap())
        .event_time(|event| event.1, Watermark::bounded(seconds(0)))
        .key_by(|event| event.0.clone())
        .flat_map_with_state(|key, new, last: &mut KeyState<i64, EventTimeout>| {
            let now = new.last().map_or_else(|| last.get().unwrap_or(&0) + 5, |(at, _)| at.as_secs());
            last.update(now);
            last.set_timeout_at(Timestamp::from_secs(now + 5));
            [format!("{key}{now}")]
        });
    let calls = test.record(calls);
    test.run().unwrap();
    test.finish().unwrap();
    assert_eq!(calls.sorted(), [vec!["a1", "b2"], vec!["a9", "b7"], vec!["a14", "b12"]]);
}
