//! Deduplication of any input, in any batches and lives.

use std::collections::BTreeMap;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::Late;
use firesteel_testkit::TestJob;
use firesteel_window::{Tumbling, Watermark, seconds};
use proptest::prelude::*;

use crate::kinds::{Event, at};
use crate::lives::{Lives, Way, ways};

/// How late events may be, in seconds.
const DELAY: i64 = 6;

/// Events in batches, of which some are late.
fn batches() -> impl Strategy<Value = Vec<Vec<Event>>> {
    let event = (0..3_u8, -20..60_i64, 0..=DELAY + 4, prop::bool::weighted(0.2));
    prop::collection::vec(event, 0..50).prop_map(|events| {
        let mut events: Vec<_> = (0..).zip(events).collect();
        events.sort_by_key(|(_, (_, at, jitter, _))| at + jitter);
        let mut batches = vec![vec![]];
        for (number, (key, at, _, is_cut)) in events {
            if is_cut {
                batches.push(vec![]);
            }
            batches.last_mut().unwrap().push((key, at, number));
        }
        batches
    })
}

/// The numbers of the events that pass, and of those that are late.
type Outcome = (Vec<u32>, Vec<u32>);

/// What is said of it, over all that ever was. What has been kept so long ago that it has left is not near to what is in time; what
/// is late may be near to it, and nobody knows.
fn expected(batches: &[Vec<Event>], span: i64) -> Outcome {
    let (mut kept, mut late): (BTreeMap<u8, Vec<i64>>, Vec<u32>) = (BTreeMap::new(), vec![]);
    let (mut numbers, mut watermark) = (vec![], i64::MIN);
    for batch in batches {
        for (id, at, number) in batch {
            let kept = kept.entry(*id).or_default();
            if kept.iter().any(|kept| kept.abs_diff(*at) <= span as u64) {
                continue;
            }
            if *at < watermark {
                late.push(*number);
            } else {
                kept.push(*at);
                numbers.push(*number);
            }
        }
        watermark = batch.iter().map(|event| event.1 - DELAY).max().unwrap_or(i64::MIN).max(watermark);
        kept.values_mut().for_each(|kept| kept.retain(|kept| kept + span >= watermark));
    }
    numbers.sort_unstable();
    late.sort_unstable();
    (numbers, late)
}

fn run(batches: &[Vec<Event>], span: i64, way: &Way) -> (Outcome, u64, u64) {
    let queue = QueueSource::new(1).keep_committed();
    let (passed, told, counts, mut lives) = (Collector::new(), Collector::new(), Collector::new(), Lives::new(way));
    let program = |test: &TestJob| {
        let late = test.context().side_output("late");
        let events = test.context().read(queue.clone()).named("events");
        let events = events.event_time(at, Watermark::bounded(seconds(DELAY)));
        let events = events.dedup_by(|event: &Event| event.0).late_to(&late).within(seconds(span)).named("ids");
        events.clone().map(|event| event.2).write(passed.clone());
        late.stream().map(|late: Late<Event>| late.record.2).write(told.clone());
        let counts_in = events.key_by(|event| event.0).window(Tumbling::of(seconds(10))).count().named("counts");
        counts_in.map(|row| row.value).write(counts.clone());
    };
    let left = lives.all(batches, |batch| queue.handle().push(batch.clone()).unwrap(), program);
    let (mut passed, mut told) = (passed.records(), told.records());
    passed.sort_unstable();
    told.sort_unstable();
    // All that passes is in time for what follows.
    assert_eq!(counts.records().iter().sum::<u64>(), passed.len() as u64);
    ((passed, told), lives.late, left)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_passes_is_what_is_near_to_nothing_that_was_kept(
        batches in batches(), span in 0..20_i64, way in ways()
    ) {
        let expected = expected(&batches, span);
        let (outcome, late, left) = run(&batches, span, &way);
        let told = expected.1.len() as u64;
        prop_assert_eq!(outcome, expected);
        prop_assert_eq!((late, left), (told, 0), "late, and left in the state");
    }
}

#[test]
fn records_that_are_left_out_change_nothing_and_cost_no_timer() {
    let test = TestJob::new();
    let many = |from: i64| (0..100).map(|n| (n as u8 % 5, from + n % 3, n as u32)).collect::<Vec<Event>>();
    let events = test.script([many(0), many(0), many(1)]).event_time(at, Watermark::bounded(seconds(100)));
    test.record(events.dedup_by(|event| event.0).within(seconds(60)));
    let batches = test.run().unwrap();
    let of_state: Vec<_> = batches.iter().map(|batch| (batch.states[0].updated, batch.states[0].timers)).collect();
    assert_eq!(of_state, [(5, 5), (0, 5), (0, 5)]);
}

#[test]
fn ids_that_are_known_are_not_written_again() {
    let test = TestJob::new();
    let passed = test.script([vec![1, 2, 1], vec![2, 1], vec![3]]).dedup_by(|id| *id).forever();
    let passed = test.record(passed);
    let updated: Vec<_> = test.run().unwrap().iter().map(|batch| batch.states[0].updated).collect();
    assert_eq!((passed.sorted(), updated), (vec![vec![1, 2], vec![], vec![3]], vec![2, 0, 1]));
}
