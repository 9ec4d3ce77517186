//! What patterns cost: who has gone is not looked at, what has not changed is not written, and timers do not pile up. And attempts that fail
//! cost nothing but themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_streaming::BatchProgress;
use firesteel_testkit::TestJob;
use firesteel_window::{AfterMatch, Pattern, Timestamp, Watermark, hours, seconds};
use serde::{Deserialize, Serialize};

use crate::common::Clumsy;

/// A record that counts how often it is cloned.
#[derive(Debug, Serialize, Deserialize)]
struct Counted(i64);

static CLONES: AtomicU64 = AtomicU64::new(0);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

#[test]
fn who_has_gone_costs_nothing_when_the_watermark_moves() {
    let (test, asked) = (TestJob::new(), Arc::new(AtomicU64::new(0)));
    let counts = Arc::clone(&asked);
    let pattern = Pattern::begin("first", move |_: &(u32, Counted)| {
        counts.fetch_add(1, Ordering::Relaxed);
        true
    });
    let pattern = pattern.followed_by("never", |_| false).within(hours(1));
    let many = (0..20_000).map(|key| (key, 0)).collect();
    let one_by_one = (100..130).map(|second| vec![(7, second)]);
    let found = test
        .script([many].into_iter().chain(one_by_one))
        .event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)))
        .map(|(key, second)| (key, Counted(second)))
        .key_by(|event| event.0)
        .match_pattern(pattern)
        .timeouts(|partial| partial.first().1.0);
    let found = test.record(found);
    for _ in 0..3 {
        test.batch().unwrap();
    }
    let (cloned, begun) = (CLONES.load(Ordering::Relaxed), asked.load(Ordering::Relaxed));
    for _ in 0..28 {
        test.batch().unwrap();
    }
    let (cloned, begun) = (CLONES.load(Ordering::Relaxed) - cloned, asked.load(Ordering::Relaxed) - begun);
    // Each of the 28 batches has a key with up to 30 partial matches.
    assert!(begun < 28 * 3 && cloned < 28 * 100, "{begun} conditions and {cloned} clones in 28 batches of one record");
    test.finish().unwrap();
    assert_eq!(found.batches().iter().flatten().count(), 20_030);
}

fn batches(events: Vec<Vec<(char, i64)>>, pattern: Pattern<(char, i64)>) -> (Vec<BatchProgress>, BatchProgress) {
    let test = TestJob::new();
    let events = test.script(events).event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)));
    test.record(events.key_by(|_| 0_u8).match_pattern(pattern).matches(|found| found.len()));
    (test.run().unwrap(), test.finish().unwrap())
}

fn a_then_b() -> Pattern<(char, i64)> {
    Pattern::begin("a", |event: &(char, i64)| event.0 == 'a').followed_by("b", |event| event.0 == 'b').within(hours(1))
}

#[test]
fn what_has_not_changed_is_not_written() {
    let test = TestJob::new();
    let records = (1..9).map(|n| vec![('x', n * 10), ('w', n * 10 + 5)]);
    let events = test.script([vec![('a', 0), ('w', 5)]].into_iter().chain(records));
    let events = events.event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)));
    test.record(events.key_by(|event| event.0 == 'w').match_pattern(a_then_b()).matches(|found| found.len()));
    let written: Vec<_> = test.run().unwrap().iter().map(|batch| batch.states[0].updated).collect();
    // The one whose record waits until the watermark is past it; and once the other one, which waits for no next record any more.
    assert_eq!(written, [2, 2, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_key_has_one_timer_however_often_it_matches() {
    let events = (0..50).map(|n| vec![('a', n * 10), ('b', n * 10 + 1), ('x', n * 10 + 2)]).collect();
    let (batches, last) = batches(events, a_then_b());
    assert!(batches.iter().all(|batch| batch.states[0].timers == 1 && batch.states[0].keys == 1), "{batches:?}");
    assert_eq!((last.states[0].timers, last.states[0].keys), (0, 0));
}

#[test]
fn every_start_that_is_open_is_kept_until_its_time_is_over() {
    let pattern = a_then_b().after_match(AfterMatch::EveryStart).within(seconds(50));
    let events = (0..300).map(|n| vec![('a', n)]).collect();
    let (batches, last) = batches(events, pattern);
    assert!(batches.iter().all(|batch| batch.states[0].timers == 1 && batch.states[0].keys == 1));
    assert_eq!((last.states[0].timers, last.states[0].keys), (0, 0));
}

/// Numbers that follow one another by one, in a job whose conditions panic now and then.
fn in_a_row(clumsy: &Clumsy) -> Vec<Vec<String>> {
    let (of_condition, of_result) = (clumsy.clone(), clumsy.clone());
    let pattern = Pattern::begin("number", move |n: &i64| {
        if n % 7 == 3 {
            of_condition.handle(format!("condition {n}"));
        }
        true
    });
    let pattern = pattern.and(|n, so_far| n - so_far.last() == 1).times(3).in_a_row().within(seconds(5));
    let test = TestJob::new();
    let numbers = test.script([vec![4, 3, 1, 2], vec![8, 9, 5, 7, 10, 11], vec![12, 13], vec![20, 18, 19]]);
    let numbers = numbers.event_time(|n| Timestamp::from_secs(*n), Watermark::bounded(seconds(4)));
    let found = numbers.key_by(|_| 0_u8).match_pattern(pattern).outcomes(move |outcome| {
        let of_outcome = outcome.matched();
        of_result.handle(format!("result of {}", of_outcome.last()));
        format!("{} {:?}", outcome.is_match(), of_outcome.records().collect::<Vec<_>>())
    });
    let found = test.record(found.map(|(_, text)| text));
    test.run().unwrap();
    test.finish().unwrap();
    found.sorted()
}

#[test]
fn attempts_that_fail_match_nothing() {
    let found = in_a_row(&Clumsy::default());
    assert_eq!(in_a_row(&Clumsy(Some(Arc::default()))), found);
    let expected = ["true [1, 2, 3]", "true [10, 11, 12]", "true [7, 8, 9]", "true [18, 19, 20]"];
    assert_eq!(found.concat(), expected);
}
