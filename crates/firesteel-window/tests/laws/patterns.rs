//! What comes of records one by one is what one look at all of them finds.

use firesteel_window::{Outcome, Partials, Timestamp};
use proptest::prelude::*;

use crate::pattern_model::{Event, Found, LABELS, Shape, shapes};

/// Events in the order of time, and after which of them time comes so much further.
fn events() -> impl Strategy<Value = Vec<(Event, i64)>> {
    let event = (prop_oneof![3 => 0..4_i64, 1 => 0..15_i64], 0..LABELS, 0..10_i64);
    prop::collection::vec(event, 0..40).prop_map(|events| {
        let mut at = 0;
        let numbered = (0..).zip(events);
        numbered
            .map(|(number, (pause, label, passes))| {
                at += pause;
                ((at, label, number), passes)
            })
            .collect()
    })
}

fn told(outcome: &Outcome<'_, Event>) -> Found {
    let matched = outcome.matched();
    let records = matched.iter().map(|taken| (taken.step.parse().unwrap(), taken.record.2)).collect();
    assert_eq!(matched.records().last(), Some(matched.last()));
    assert_eq!((matched.len(), matched.start().as_micros()), (matched.iter().count(), matched.first().0));
    (matched.end().as_micros(), outcome.is_match(), records)
}

/// One by one, each time out of what was stored.
fn one_by_one(shape: &Shape, events: &[(Event, i64)]) -> Vec<Found> {
    let (pattern, mut stored, mut found) = (shape.pattern(), None, vec![]);
    let mut times = events.iter().map(|(event, _)| event.0).skip(1);
    for (event, passes) in events {
        let mut partials: Partials<Event> =
            stored.as_ref().map(|bytes: &Vec<u8>| postcard::from_bytes(bytes).unwrap()).unwrap_or_default();
        let at = Timestamp::from_micros(event.0);
        pattern.push(&mut partials, at, *event, |outcome| found.push(told(outcome)));
        // No further than to the next one.
        let next = times.next().unwrap_or(i64::MAX).min(event.0 + passes);
        pattern.pass(&mut partials, Timestamp::from_micros(next), |outcome| found.push(told(outcome)));
        let at_next = partials.deadline().is_none_or(|deadline| deadline.as_micros() >= next);
        assert!(at_next && partials.records() >= partials.len().min(1));
        stored = (!partials.is_empty()).then(|| postcard::to_stdvec(&partials).unwrap());
    }
    let mut partials = stored.map(|bytes| postcard::from_bytes(&bytes).unwrap()).unwrap_or_default();
    pattern.pass(&mut partials, Timestamp::MAX, |outcome| found.push(told(outcome)));
    assert!(partials.is_empty() && partials.records() == 0);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn what_comes_of_records_one_by_one_is_what_is_found_in_all(shape in shapes(), events in events()) {
        let all: Vec<Event> = events.iter().map(|(event, _)| *event).collect();
        prop_assert_eq!(one_by_one(&shape, &events), shape.expected(&all));
    }
}
