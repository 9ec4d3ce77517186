//! The rate limiter in jobs: on both clocks, with what it refuses, across restarts, and where it is set wrongly.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use firesteel::memory::{Collector, QueueSource};
use firesteel::rdd::{Clock, ManualClock};
use firesteel::window::{Timestamp, Watermark, minutes, seconds};
use firesteel::{Checkpoint, Stream, StreamingContext};
use firesteel_testkit::{TestJob, timeline};
use rate_limiter::RateLimiter;
use std::sync::Arc;

/// Logins of users at seconds, in event time.
fn logins(test: &TestJob, script: &str) -> Stream<(String, Timestamp), firesteel::Timed> {
    test.script(timeline::parse(script).unwrap())
        .event_time(|login| login.1, Watermark::bounded(seconds(10)))
        .key_by(|login| login.0.clone())
        .map_values(|login| login.1)
}

fn line((user, at): (String, Timestamp)) -> String {
    format!("{user}@{}", at.as_secs())
}

#[test]
fn a_bucket_is_full_at_first_and_filled_again_in_event_time() {
    let test = TestJob::new();
    let limited =
        logins(&test, "a@0 a@1 a@2 b@2 | a@29 a@31 a@32 | a@95 a@95 a@95").apply(RateLimiter::new(2, minutes(1)));
    let passed = test.record(limited.map(line));
    test.run().unwrap();
    assert_eq!(passed.sorted(), [vec!["a@0", "a@1", "b@2"], vec!["a@31"], vec!["a@95", "a@95"]]);
}

#[test]
fn without_event_time_it_goes_by_the_time_of_the_batch() {
    let test = TestJob::builder().interval(seconds(20)).build();
    let refused = test.context().side_output("refused");
    let limiter = RateLimiter::new(1, minutes(1)).refused_to(&refused);
    let passed = test.script([vec![1, 2], vec![3], vec![4], vec![5]]).map(|number| ((), number)).apply(limiter);
    let passed = test.record(passed.map(|((), number)| number));
    let refused = test.record(refused.stream().map(|((), number)| number));
    test.run().unwrap();
    assert_eq!(passed.batches(), [vec![1], vec![], vec![], vec![5]]);
    assert_eq!(refused.batches(), [vec![2], vec![3], vec![4], vec![]]);
}

#[test]
fn what_passes_knows_when_it_happened() {
    use firesteel::window::Tumbling;

    let test = TestJob::new();
    let counts = logins(&test, "a@0 a@1 a@2 | a@61 | a@200")
        .apply(RateLimiter::new(2, minutes(1)))
        .window(Tumbling::of(minutes(1)))
        .count();
    let counts = test.record(counts.map(|row| (row.window.start().as_secs(), row.value)));
    test.run().unwrap();
    assert_eq!(counts.batches(), [vec![], vec![], vec![(0, 2), (60, 1)]]);
}

#[test]
fn a_full_bucket_is_forgotten() {
    let test = TestJob::new();
    let limited = logins(&test, "a@0 b@0 c@0 | d@500 | d@500").apply(RateLimiter::new(2, minutes(1))).named("limit");
    test.record(limited.map(line));
    let keys: Vec<u64> = test.run().unwrap().iter().map(|batch| batch.states[0].keys).collect();
    assert_eq!(keys[..2], [3, 4]);
    // A key group is swept in each batch.
    let keys: Vec<u64> = (0..128).map(|_| test.batch().unwrap().states[0].keys).collect();
    assert_eq!(keys.last(), Some(&1));
}

#[test]
fn tokens_that_were_taken_stay_taken_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::starting_at(Timestamp::from_secs(1_000));
    let run = |batches: Vec<Vec<u32>>, per_minute| {
        let (queue, passed) = (QueueSource::new(1).one_at_a_time(), Collector::new());
        let job = StreamingContext::builder("limited")
            .clock(Arc::new(clock.clone()) as Arc<dyn Clock>)
            .threads(1)
            .checkpoint(Checkpoint::in_folder(folder.path()).every_batch().allow_loss(["input:numbers"]))
            .build()?;
        job.read(queue.clone())
            .named("numbers")
            .map(|number| ((), number))
            .apply(RateLimiter::new(per_minute, minutes(1)))
            .named("limit")
            .map(|((), number)| number)
            .write(passed.clone());
        let mut job = job.begin()?;
        for batch in batches {
            queue.handle().push(batch).unwrap();
            job.next_batch()?;
            clock.advance(seconds(1));
        }
        Ok::<_, firesteel::Error>(passed.records())
    };
    assert_eq!(run(vec![vec![1], vec![2]], 3).unwrap(), [1, 2]);
    assert_eq!(run(vec![vec![3], vec![4]], 3).unwrap(), [3]);
    // Another rate holds from now on: a bucket of one that is full in a minute lets nothing pass before.
    assert_eq!(run(vec![vec![5]], 1).unwrap(), [] as [u32; 0]);
    clock.advance(seconds(60));
    assert_eq!(run(vec![vec![6, 7]], 1).unwrap(), [6]);
}

#[test]
fn a_rate_of_nothing_is_refused_before_the_start() {
    let test = TestJob::new();
    let limited =
        test.script([vec![1]]).map(|number| (number, ())).apply(RateLimiter::new(0, minutes(1))).named("limit");
    test.record(limited);
    let refused = test.run().unwrap_err().to_string();
    assert!(refused.contains("limit (rate_limit at ") && refused.contains("0 records in 1m is no rate"), "{refused}");
}
