//! However records fall into batches, lives, splits and partitions: what comes of a pattern is what is found in the whole input in the order
//! of time, and nothing is late for the windows after it.

use std::collections::BTreeMap;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::Late;
use firesteel_testkit::TestJob;
use firesteel_window::{Duration, Outcome, Pattern, Timestamp, Tumbling, Watermark};
use proptest::prelude::*;

use crate::lives::{Lives, Way, ways};
use crate::pattern_model::{Event, Found, LABELS, Shape, shapes};

/// How late events may be, in microseconds.
const DELAY: i64 = 6;
/// How long the windows are that follow.
const WINDOW: i64 = 10;

/// A key, and what happened to it.
type Keyed = (u8, Event);

/// Events of which none is late, in batches; or with some that are.
#[derive(Debug, Clone)]
struct Input {
    batches: Vec<Vec<Keyed>>,
    /// Whether they are in two splits, in turn, so that nothing follows from the order of arrival.
    has_splits: bool,
    /// Whether records of one time have an order of their own.
    is_ordered: bool,
    /// Whether they come out of another pattern, which finds each of them.
    is_chained: bool,
}

fn inputs() -> impl Strategy<Value = Input> {
    let event = (0..2_u8, -20..40_i64, 0..LABELS, 0..=DELAY, prop::bool::weighted(0.2));
    let late = prop_oneof![4 => Just(0_i64), 1 => Just(5)];
    (prop::collection::vec((event, late), 0..60), any::<[bool; 3]>()).prop_map(
        |(events, [has_splits, is_ordered, is_chained])| {
            let mut events: Vec<_> = (0..).zip(events).collect();
            events.sort_by_key(|(_, ((_, at, _, jitter, _), late))| at + jitter + if has_splits { 0 } else { *late });
            let mut batches = vec![vec![]];
            for (number, ((key, at, label, _, is_cut), _)) in events {
                if is_cut {
                    batches.push(vec![]);
                }
                batches.last_mut().unwrap().push((key, (at, label, number)));
            }
            Input { batches, has_splits, is_ordered: is_ordered || has_splits, is_chained }
        },
    )
}

/// What comes out: of each key in the order in which it is known; how many in each window that follows; which records are late.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    found: BTreeMap<u8, Vec<Found>>,
    windows: BTreeMap<(i64, u8), u64>,
    late: Vec<u32>,
}

/// When a row is in a window: the end of time is in none.
fn window_of(end: i64) -> Option<i64> {
    (end < i64::MAX).then(|| end.div_euclid(WINDOW) * WINDOW)
}

fn expected(shape: &Shape, input: &Input) -> Told {
    let (mut told, mut of_keys, mut watermark) = (Told::default(), BTreeMap::<u8, Vec<Event>>::new(), i64::MIN);
    for batch in &input.batches {
        for (key, event) in batch {
            if event.0 < watermark && !input.has_splits {
                told.late.push(event.2);
            } else {
                of_keys.entry(*key).or_default().push(*event);
            }
        }
        watermark = batch.iter().map(|(_, event)| event.0 - DELAY).max().unwrap_or(i64::MIN).max(watermark);
    }
    told.late.sort_unstable();
    for (key, mut events) in of_keys {
        events.sort_by_key(|event| (event.0, if input.is_ordered { event.2 } else { 0 }));
        let found = shape.expected(&events);
        if !found.is_empty() {
            found
                .iter()
                .filter_map(|row| window_of(row.0))
                .for_each(|start| *told.windows.entry((start, key)).or_insert(0) += 1);
            told.found.insert(key, found);
        }
    }
    told
}

fn found_of(outcome: &Outcome<'_, Event>) -> Found {
    let records = outcome.matched().iter().map(|taken| (taken.step.parse().unwrap(), taken.record.2)).collect();
    (outcome.matched().end().as_micros(), outcome.is_match(), records)
}

fn run(shape: &Shape, input: &Input, way: &Way) -> (Told, u64, u64) {
    let queue = QueueSource::new(if input.has_splits { 2 } else { 1 }).keep_committed();
    let (rows, counts, late, mut lives) = (Collector::new(), Collector::new(), Collector::new(), Lives::new(way));
    let program = |test: &TestJob| {
        let side = test.context().side_output("late");
        let pattern = shape.pattern();
        let pattern = if input.is_ordered { pattern.ordered_by(|event| event.2) } else { pattern };
        let events = test.context().read(queue.clone()).named("events");
        let at = |event: &Keyed| Timestamp::from_micros(event.1.0);
        let events = events.event_time(at, Watermark::bounded(Duration::micros(DELAY)));
        let found = if input.is_chained {
            let each = Pattern::begin("each", |_: &Event| true);
            let each = if input.is_ordered { each.ordered_by(|event| event.2) } else { each };
            let events = events.match_pattern(each).late_to(&side).matches(|each| *each.first()).named("each");
            events.match_pattern(pattern).outcomes(found_of)
        } else {
            events.match_pattern(pattern).late_to(&side).outcomes(found_of)
        };
        let found = found.named("pattern");
        found.clone().with_time().map(|(at, (key, found))| (at.as_micros(), key, found)).write(rows.clone());
        let in_windows = found.filter(|(_, found)| found.0 < i64::MAX).window(Tumbling::of(Duration::micros(WINDOW)));
        let in_windows = in_windows.count().named("counts");
        in_windows.map(|row| (row.window.start().as_micros(), row.key, row.value)).write(counts.clone());
        side.stream().map(|late: Late<Keyed>| late.record.1.2).write(late.clone());
    };
    let push = |batch: &Vec<Keyed>| match input.has_splits {
        true => {
            let (one, other): (Vec<_>, Vec<_>) = batch.iter().copied().partition(|event| event.1.2 % 2 == 0);
            queue.handle().push_partitions(vec![one, other]).unwrap();
        }
        false => queue.handle().push(batch.clone()).unwrap(),
    };
    let left = lives.all(&input.batches, push, program);
    let mut told = Told { late: late.records(), ..Told::default() };
    told.late.sort_unstable();
    for (at, key, found) in rows.records() {
        assert_eq!(at, found.0, "it has the time at which it was known");
        told.found.entry(key).or_default().push(found);
    }
    told.windows = counts.records().into_iter().map(|(start, key, count)| ((start, key), count)).collect();
    (told, lives.late, left)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn what_comes_of_a_pattern_is_what_is_found_in_the_whole_input(shape in shapes(), input in inputs(), way in ways()) {
        let expected = expected(&shape, &input);
        let count = expected.late.len() as u64;
        let (told, late, left) = run(&shape, &input, &way);
        prop_assert_eq!(told, expected);
        prop_assert_eq!((late, left), (count, 0), "late, and left in the state");
    }
}
