//! What comes of records one by one is what one look at all of them finds.

use std::collections::BTreeSet;

use firesteel_window::{AfterMatch, Duration, Outcome, Partials, Pattern, Timestamp};
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
    let records =
        matched.iter().map(|taken| (taken.step.parse().expect("steps are numbers"), taken.record.2)).collect();
    assert_eq!(matched.records().last(), Some(matched.last()));
    assert_eq!((matched.len(), matched.start().as_micros()), (matched.iter().count(), matched.first().0));
    (matched.end().as_micros(), outcome.is_match(), records)
}

/// One by one, each time out of what was stored.
fn one_by_one(shape: &Shape, events: &[(Event, i64)]) -> Vec<Found> {
    let (pattern, mut stored, mut found) = (shape.pattern(), None, vec![]);
    let mut times = events.iter().map(|(event, _)| event.0).skip(1);
    for (event, passes) in events {
        let mut partials: Partials<Event> = stored
            .as_ref()
            .map(|bytes: &Vec<u8>| postcard::from_bytes(bytes).expect("it was stored"))
            .unwrap_or_default();
        let at = Timestamp::from_micros(event.0);
        pattern.push(&mut partials, at, *event, |outcome| found.push(told(outcome)));
        // No further than to the next one.
        let next = times.next().unwrap_or(i64::MAX).min(event.0 + passes);
        pattern.pass(&mut partials, Timestamp::from_micros(next), |outcome| found.push(told(outcome)));
        let at_next = partials.deadline().is_none_or(|deadline| deadline.as_micros() >= next);
        assert!(at_next && partials.records() >= partials.len().min(1));
        stored = (!partials.is_empty()).then(|| postcard::to_stdvec(&partials).expect("it can be stored"));
    }
    let mut partials = stored.map(|bytes| postcard::from_bytes(&bytes).expect("it was stored")).unwrap_or_default();
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

/// The numbers of the records of matches, each start having its own.
fn matches(pattern: Pattern<Event>, events: &[Event]) -> BTreeSet<Vec<u32>> {
    let (pattern, mut partials) = (pattern.after_match(AfterMatch::EveryStart), Partials::new());
    let mut found = BTreeSet::new();
    let mut tell = |outcome: &Outcome<'_, Event>| {
        if outcome.is_match() {
            found.insert(outcome.matched().records().map(|event| event.2).collect());
        }
    };
    for event in events {
        pattern.push(&mut partials, Timestamp::from_micros(event.0), *event, &mut tell);
    }
    pattern.pass(&mut partials, Timestamp::MAX, &mut tell);
    found
}

fn has(label: u8) -> impl Fn(&Event) -> bool + Send + Sync + 'static {
    move |event| event.1 == label
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn what_is_directly_next_is_a_stretch_of_the_records(
        events in events(), labels in prop::collection::vec(0..LABELS, 1..5), within in 0..12_i64
    ) {
        let all: Vec<Event> = events.iter().map(|(event, _)| *event).collect();
        let mut pattern = Pattern::begin("0", has(labels[0]));
        for (place, label) in labels.iter().enumerate().skip(1) {
            pattern = pattern.next(place.to_string(), has(*label));
        }
        let is_match = |stretch: &&[Event]| {
            stretch.iter().map(|event| &event.1).eq(&labels) && stretch[stretch.len() - 1].0 - stretch[0].0 <= within
        };
        let expected: BTreeSet<Vec<u32>> =
            all.windows(labels.len()).filter(is_match).map(|stretch| stretch.iter().map(|event| event.2).collect()).collect();
        prop_assert_eq!(matches(pattern.within(Duration::micros(within)), &all), expected);
    }

    #[test]
    fn an_absence_is_that_of_a_later_record_within_the_time(events in events(), within in 0..12_i64) {
        let all: Vec<Event> = events.iter().map(|(event, _)| *event).collect();
        let pattern = Pattern::begin("0", has(0)).not_followed_by("1", has(1)).within(Duration::micros(within));
        let comes = |at: usize| all[at + 1..].iter().any(|event| event.1 == 1 && event.0 - all[at].0 <= within);
        let expected = (0..all.len()).filter(|at| all[*at].1 == 0 && !comes(*at)).map(|at| vec![all[at].2]).collect();
        prop_assert_eq!(matches(pattern, &all), expected);
    }

    #[test]
    fn what_follows_is_the_first_that_does(events in events(), within in 0..12_i64) {
        let all: Vec<Event> = events.iter().map(|(event, _)| *event).collect();
        let pattern = Pattern::begin("0", has(0)).followed_by("1", has(1)).times(2).within(Duration::micros(within));
        let of_start = |at: usize| {
            let mut later = all[at + 1..].iter().filter(|event| event.1 == 1);
            let (one, other) = (later.next()?, later.next()?);
            (all[at].1 == 0 && other.0 - all[at].0 <= within).then(|| vec![all[at].2, one.2, other.2])
        };
        prop_assert_eq!(matches(pattern, &all), (0..all.len()).filter_map(of_start).collect());
    }
}
