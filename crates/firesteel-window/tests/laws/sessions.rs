//! Sessions do not depend on the order in which their events come.

use firesteel_window::{Duration, Session, Sessions, Timestamp, Window};
use proptest::prelude::*;

use crate::times::any_micros;

/// Sessions found by sorting: events whose distance is at most the gap are together.
fn sorted(gap: i64, times: &[i64]) -> Vec<(i64, i64, u64)> {
    let mut times = times.to_vec();
    times.sort_unstable();
    let mut found: Vec<(i64, i64, u64)> = vec![];
    for at in times {
        let end = at.saturating_add(gap);
        match found.last_mut() {
            Some(last) if at <= last.1 => (last.1, last.2) = (end, last.2 + 1),
            _ => found.push((at, end, 1)),
        }
    }
    found
}

fn gathered(gap: i64, times: &[i64]) -> Vec<(i64, i64, u64)> {
    let (windows, mut sessions) = (Session::gap(Duration::micros(gap)), Sessions::new());
    for at in times {
        sessions.add(windows.window_of(Timestamp::from_micros(*at)), 1, |count, more| *count += more);
    }
    sessions.iter().map(|(window, count)| (window.start().as_micros(), window.end().as_micros(), *count)).collect()
}

proptest! {
    #[test]
    fn sessions_are_those_of_sorted_events(gap in 0..8_i64, times in prop::collection::vec(-50..50_i64, 0..40)) {
        prop_assert_eq!(gathered(gap, &times), sorted(gap, &times));
    }

    #[test]
    fn sessions_do_not_depend_on_the_order_of_events(
        gap in prop_oneof![0..8_i64, 0..i64::MAX],
        (times, shuffled) in prop::collection::vec(prop_oneof![-50..50_i64, any_micros()], 0..40)
            .prop_flat_map(|times| (Just(times.clone()), Just(times).prop_shuffle())),
    ) {
        prop_assert_eq!(gathered(gap, &times), gathered(gap, &shuffled));
    }

    #[test]
    fn sessions_of_parts_merge_to_those_of_the_whole(
        gap in 0..8_i64,
        parts in prop::collection::vec(prop::collection::vec(-50..50_i64, 0..15), 0..5),
    ) {
        let (windows, mut merged) = (Session::gap(Duration::micros(gap)), Sessions::new());
        for part in &parts {
            let mut of_part = Sessions::new();
            for at in part {
                of_part.add(windows.window_of(Timestamp::from_micros(*at)), 1_u64, |count, more| *count += more);
            }
            of_part.into_iter().for_each(|(window, count)| merged.add(window, count, |all, more| *all += more));
        }
        let merged: Vec<_> =
            merged.iter().map(|(window, count)| (window.start().as_micros(), window.end().as_micros(), *count)).collect();
        prop_assert_eq!(merged, sorted(gap, &parts.concat()));
    }
}

/// Spans that overlap or touch, put together: what sessions are whose gap differs from event to event.
fn joined(events: &[(i64, i64)]) -> Vec<(i64, i64, u64)> {
    let mut events = events.to_vec();
    events.sort_unstable();
    let mut found: Vec<(i64, i64, u64)> = vec![];
    for (at, gap) in events {
        match found.last_mut() {
            Some(last) if at <= last.1 => (last.1, last.2) = (last.1.max(at + gap), last.2 + 1),
            _ => found.push((at, at + gap, 1)),
        }
    }
    found
}

proptest! {
    #[test]
    fn each_event_may_have_a_gap_of_its_own(events in prop::collection::vec((-50..50_i64, 0..20_i64), 0..40)) {
        let mut sessions = Sessions::new();
        for (at, gap) in &events {
            let span = Window::new(Timestamp::from_micros(*at), Timestamp::from_micros(at + gap));
            sessions.add(span, 1_u64, |count, more| *count += more);
        }
        let found: Vec<_> =
            sessions.iter().map(|(window, count)| (window.start().as_micros(), window.end().as_micros(), *count)).collect();
        prop_assert_eq!(found, joined(&events));
    }
}
