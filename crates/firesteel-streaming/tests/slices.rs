//! Due timers fire in slices: whatever their size, results are the same, nothing downstream is late, and a job that ends
//! between two of them resumes there.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_core::{Clock, ManualClock};
use firesteel_state::{Declaration, Fired, List, Result, Timers};
use firesteel_streaming::{
    BatchLimits, BatchProgress, Checkpoint, EventTimeout, KeyState, KeyedProcess, MapSpec, ProcessContext, Stop,
    Stopper, Stream, StreamingContext, StreamingListener, Timed, Trigger,
};
use firesteel_testkit::{JobLog, TestJob};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

/// Whatever is due fires at once.
const ALL: u64 = u64::MAX;
/// One timer of a key group fires in a batch.
const ONE: u64 = 1;

type Event = (u64, i64);

/// Tells each time of a key when the watermark has reached it, and how many records the key has had by then; each fourth
/// time has an echo a second later.
struct Alarm;

struct Alarms {
    seen: List<i64>,
    at: Timers,
    echo: Timers,
}

impl KeyedProcess for Alarm {
    type Key = u64;
    type In = Event;
    type Out = String;
    type State = Alarms;

    fn declare(&self, states: &mut Declaration<u64>) -> Alarms {
        Alarms { seen: states.list("seen"), at: states.event_timers("at"), echo: states.event_timers("echo") }
    }

    fn on_record(&self, state: &Alarms, (_, at): Event, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        state.seen.push(ctx, at)?;
        state.at.register(ctx, Timestamp::from_secs(at))?;
        Ok(())
    }

    fn on_timer(&self, state: &Alarms, timer: &Fired<u64>, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let (seen, at) = (state.seen.len(ctx)?, timer.time.as_secs());
        if timer.is(&state.echo) {
            ctx.emit(format!("echo {} {at} {seen}", timer.key));
            return Ok(());
        }
        ctx.emit(format!("{} {at} {seen}", timer.key));
        if at % 4 == 0 {
            state.echo.register(ctx, timer.time + seconds(1))?;
        }
        Ok(())
    }
}

/// Three batches: 40 keys with three times each, a record that moves the watermark past all of them, more of the same
/// keys.
fn script() -> Vec<Vec<Event>> {
    let many = (0..120).map(|number| (number % 40, 1 + (number * 7 % 30) as i64)).collect();
    let late = (0..40).map(|key| (key, 101 + (key % 3) as i64)).collect();
    vec![many, vec![(7, 100)], late]
}

/// The watermark waits for records that are 31 seconds late.
fn events(stream: Stream<Event>) -> Stream<(u64, Event), Timed> {
    stream.event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(31))).key_by(|event| event.0)
}

fn limited(timers: u64) -> TestJob {
    TestJob::builder().configure(move |job| job.timers_per_batch(timers)).build()
}

/// Runs the script, the end of event time and what is left of it. Returns the batches that it took.
fn drain(test: &TestJob, batches: usize) -> usize {
    let (mut ran, mut read) = (0, 0);
    while read < batches {
        read += usize::from(test.batch().unwrap().rows_in > 0);
        ran += 1;
    }
    let mut last = test.finish().unwrap();
    while last.timers_left {
        last = test.batch().unwrap();
        ran += 1;
    }
    ran + 1
}

/// What all batches yielded, sorted.
fn all<T: Clone + Ord>(batches: Vec<Vec<T>>) -> Vec<T> {
    let mut all: Vec<T> = batches.into_iter().flatten().collect();
    all.sort();
    all
}

#[test]
fn the_size_of_slices_says_when_timers_fire_and_not_what_they_do() {
    let run = |timers| {
        let test = limited(timers);
        let alarms = test.record(events(test.script(script())).process(Alarm).named("alarm"));
        let batches = drain(&test, 3);
        (alarms.batches(), batches)
    };
    let (whole, few) = run(ALL);
    let expected = all(whole.clone());
    assert!(expected.len() > 150 && whole[1].len() > 120);
    for timers in [ONE, 20, 300] {
        let (slices, many) = run(timers);
        assert_eq!(all(slices.clone()), expected, "{timers} timers a batch");
        assert!(many > few || timers == 300, "{many} batches, {few} with everything at once");
        let most = slices.iter().map(Vec::len).max().unwrap();
        assert!(most as u64 <= timers + 128, "{most} results of a batch");
        // Of each key, in order.
        for key in 0..40 {
            let times = |batches: &[Vec<String>]| -> Vec<String> {
                let of_key = |line: &&String| line.trim_start_matches("echo ").starts_with(&format!("{key} "));
                batches.iter().flatten().filter(of_key).cloned().collect()
            };
            assert_eq!(times(&slices), times(&whole));
        }
    }
}

#[test]
fn no_record_comes_between_the_slices_and_all_of_them_have_one_time() {
    let test = limited(ONE);
    let alarms = events(test.script(script())).process(Alarm).named("alarm");
    test.record(alarms);
    assert!(!test.batch().unwrap().timers_left);
    let mut batch = test.batch().unwrap();
    assert_eq!(batch.rows_in, 1, "it moves the watermark");
    let mut slices = 0;
    while batch.timers_left {
        batch = test.batch().unwrap();
        assert_eq!((batch.rows_in, batch.time), (0, Timestamp::from_secs(2)));
        slices += 1;
    }
    assert!(slices > 2, "{slices}");
    let next = test.batch().unwrap();
    assert_eq!((next.rows_in, next.time), (40, test.now()), "it is of the present");
}

#[test]
fn nothing_downstream_is_late_for_a_slice() {
    let run = |timers| {
        let test = limited(timers);
        let counts = events(test.script(script()))
            .process(Alarm)
            .named("alarm")
            .key_by(|line| line.len() % 3)
            .window(Tumbling::of(seconds(5)))
            .count()
            .named("windows")
            .map(|row| (row.window.start().as_secs(), row.key, row.value));
        let counts = test.record(counts);
        drain(&test, 3);
        (all(counts.batches()), test.summary().unwrap().late)
    };
    let whole = run(ALL);
    assert!(whole.0.len() > 20 && whole.1 == 0);
    assert_eq!(run(ONE), whole);
    assert_eq!(run(20), whole);
}

#[test]
fn timers_after_timers_fire_in_their_order() {
    let run = |timers| {
        let test = limited(timers);
        let twice = events(test.script(script()))
            .process(Alarm)
            .named("first")
            .map(|line| {
                let at = line.trim_start_matches("echo ").split(' ').nth(1).unwrap().parse().unwrap();
                (line.len() as u64, at)
            })
            .key_by(|event: &Event| event.0)
            .process(Alarm)
            .named("second");
        let twice = test.record(twice.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()));
        drain(&test, 3);
        all(twice.batches())
    };
    let whole = run(ALL);
    assert!(whole.len() > 30);
    assert_eq!(run(ONE), whole);
}

#[test]
fn timeouts_of_event_time_fire_in_slices() {
    let run = |timers| {
        let test = limited(timers);
        let calls =
            events(test.script(script())).flat_map_with_state(|key, events, last: &mut KeyState<i64, EventTimeout>| {
                let now = events.iter().map(|(_, event)| event.1).max();
                let at = now.unwrap_or_else(|| last.get().unwrap_or(&0) + 40);
                last.update(at);
                last.set_timeout_at(Timestamp::from_secs(at).max(last.watermark()) + seconds(40));
                [format!("{key} {at} {}", last.is_timing_out())]
            });
        let calls = test.record(calls);
        drain(&test, 3);
        all(calls.batches())
    };
    let whole = run(ALL);
    // Each key times out once where event time ends, most have before.
    assert_eq!(whole.iter().filter(|line| line.ends_with("true")).count(), 36 + 40);
    assert_eq!(run(ONE), whole);
    assert_eq!(run(50), whole);
}

#[test]
fn timeouts_of_processing_time_fire_in_slices() {
    let run = |timers| {
        let test = limited(timers);
        let spec = MapSpec::new().timeout(seconds(2));
        let users = test.script([(0..300).collect::<Vec<u64>>(), vec![7], vec![]]);
        let gone = users.map(|user| (user, ())).map_with_state_with(spec, |user, click, clicks: &mut KeyState<u32>| {
            if click.is_some() {
                clicks.update(clicks.get().unwrap_or(&0) + 1);
            }
            clicks.is_timing_out().then(|| (*user, *clicks.get().unwrap()))
        });
        let gone = test.record(gone);
        let batches: Vec<_> = (0..30).map(|_| test.batch().unwrap()).collect();
        let times: Vec<_> = gone.batches().into_iter().zip(&batches).filter(|(gone, _)| !gone.is_empty()).collect();
        (all(gone.batches()), times.iter().map(|(_, batch)| batch.time).min(), times.len())
    };
    let (whole, first, _) = run(ALL);
    let (slices, first_slice, many) = run(ONE);
    assert_eq!((whole.len(), &slices, first_slice), (300, &whole, first));
    assert!(many > 2);
}

#[test]
fn a_trigger_of_one_batch_fires_what_it_has_made_due() {
    let told = Collector::new();
    let job = StreamingContext::builder("once").threads(1).timers_per_batch(ONE).build().unwrap();
    let together: Vec<Event> = script().into_iter().flatten().collect();
    events(job.read(MemorySource::new(together))).process(Alarm).named("alarm").write(told.clone());
    job.run(Trigger::Once).unwrap();
    let firsts = told.records().into_iter().filter(|line| !line.starts_with("echo")).count();
    assert_eq!(firsts, 40 * (3 + 1) + 1);
}

/// Stops a job after the batch of this number.
struct StopAfter(u64, Arc<OnceLock<Stopper>>);

impl StreamingListener for StopAfter {
    fn on_batch(&self, progress: &BatchProgress) {
        if progress.batch == self.0 {
            self.1.get().unwrap().stop(Stop::Gracefully);
        }
    }
}

#[test]
fn a_graceful_stop_takes_effect_between_two_slices() {
    let folder = tempfile::tempdir().unwrap();
    let run = |stop_after| {
        let (told, log, stopper) = (Collector::new(), JobLog::new(), Arc::new(OnceLock::new()));
        let job = StreamingContext::builder("stopped")
            .threads(1)
            .timers_per_batch(ONE)
            .listener(StopAfter(stop_after, Arc::clone(&stopper)))
            .listener(log.clone())
            .checkpoint(Checkpoint::in_folder(folder.path()).every_batch())
            .build()
            .unwrap();
        let together: Vec<Event> = script().into_iter().flatten().collect();
        let alarms = events(job.read(MemorySource::new(together)).named("events")).process(Alarm).named("alarm");
        alarms.write(told.clone());
        _ = stopper.set(job.stopper());
        job.run(Trigger::AsSoonAsPossible).unwrap();
        (told.records(), log.batches().len())
    };
    let (mut told, batches) = run(2);
    assert_eq!(batches, 2);
    let (rest, more) = run(u64::MAX);
    assert!(!rest.is_empty() && more > 2);
    told.extend(rest);
    let firsts: HashSet<_> = told.iter().filter(|line| !line.starts_with("echo")).collect();
    assert_eq!(firsts.len(), 40 * (3 + 1) + 1);
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), told.len(), "nothing fires twice");
}

/// A job with a checkpoint whose epochs have this many batches.
fn durable(
    folder: &Path,
    timers: u64,
    epoch: i64,
    told: &Collector<String>,
    queue: &QueueSource<Event>,
) -> StreamingContext {
    let clock = ManualClock::starting_at(Timestamp::from_secs(1_000));
    let job = StreamingContext::builder("durable")
        .threads(1)
        .clock(Arc::new(clock) as Arc<dyn Clock>)
        .limits(BatchLimits::default())
        .timers_per_batch(timers)
        .checkpoint(Checkpoint::in_folder(folder).interval(seconds(epoch)).allow_loss(["input:events"]))
        .build()
        .unwrap();
    let alarms = events(job.read(queue.clone()).named("events")).process(Alarm).named("alarm");
    alarms.write(told.clone());
    job
}

#[test]
fn a_job_that_ends_between_slices_resumes_there() {
    let run = |timers, ends_after: &[usize]| {
        let folder = tempfile::tempdir().unwrap();
        let (told, queue) = (Collector::new(), QueueSource::new(1).one_at_a_time());
        let mut script = script().into_iter();
        let mut rows = Vec::new();
        for batches in ends_after {
            let mut job = durable(folder.path(), timers, 0, &told, &queue).begin().unwrap();
            for _ in 0..*batches {
                if let Some(batch) = script.next() {
                    queue.handle().push(batch).unwrap();
                }
                rows.push(job.next_batch().unwrap().rows_in);
            }
        }
        let mut told = told.records();
        told.sort();
        (told, rows)
    };
    let (whole, _) = run(ALL, &[5]);
    assert!(whole.len() > 140, "{}", whole.len());
    for ends_after in [&[3, 2, 20][..], &[4, 20], &[2, 1, 1, 1, 20]] {
        let (slices, rows) = run(ONE, ends_after);
        assert_eq!(slices, whole, "{ends_after:?}");
        // The job had begun to fire what the second batch made due; the third was read when all of that was out.
        assert_eq!(rows[..5], [120, 1, 0, 0, 0]);
    }
}

/// Registers its timer again for the time at which it fires.
struct Forever(i64);

impl KeyedProcess for Forever {
    type Key = u64;
    type In = Event;
    type Out = i64;
    type State = Timers;

    fn declare(&self, states: &mut Declaration<u64>) -> Timers {
        states.event_timers("again")
    }

    fn on_record(&self, again: &Timers, (_, at): Event, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        again.register(ctx, Timestamp::from_secs(at)).map(drop)
    }

    fn on_timer(&self, again: &Timers, timer: &Fired<u64>, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        ctx.emit(timer.time.as_secs());
        if timer.time < Timestamp::from_secs(60) {
            again.register(ctx, timer.time + seconds(self.0)).map(drop)
        } else {
            Ok(())
        }
    }
}

#[test]
fn a_timer_that_would_fire_forever_ends_the_job_and_one_that_catches_up_does_not() {
    let run = |interval| {
        let test = TestJob::new();
        let fired =
            test.record(events(test.script(vec![vec![(7, 10)], vec![(8, 100)]])).process(Forever(interval)).named("f"));
        test.batch().unwrap();
        test.batch().map(|_| fired.sorted().concat())
    };
    assert_eq!(run(25).unwrap(), [10, 35, 60]);
    for interval in [0, -5] {
        let error = run(interval).unwrap_err();
        let told = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let told: Vec<String> = told.map(ToString::to_string).collect();
        let told = told.join("\n");
        assert!(told.contains("FS-T018: f registers a timer of key 7 for") && told.contains("fires at"), "{told}");
    }
}
