//! Watermarks are minima that never fall.

use std::collections::BTreeMap;

use firesteel_window::{PartitionWatermarks, Timestamp, Watermark, WatermarkStrategy, seconds};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Register(u8),
    Observe(u8, i64),
    Finish(u8),
    Advance,
    Restart,
    Wait(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..4_u8).prop_map(Step::Register),
        6 => (0..4_u8, 0..1_000_i64).prop_map(|(id, at)| Step::Observe(id, at)),
        1 => (0..4_u8).prop_map(Step::Finish),
        4 => Just(Step::Advance),
        1 => Just(Step::Restart),
        3 => (0..25_i64).prop_map(Step::Wait),
    ]
}

const DELAY: i64 = 10;
const TIMEOUT: i64 = 60;

proptest! {
    /// Against a model that recomputes everything from what each partition has seen.
    #[test]
    fn the_watermark_is_the_least_of_the_active_partitions_and_never_falls(
        steps in prop::collection::vec(any_step(), 0..80),
    ) {
        let strategy = Watermark::bounded(seconds(DELAY)).idle_after(seconds(TIMEOUT));
        let mut watermarks = PartitionWatermarks::new();
        // Largest event time and last activity, in seconds.
        let mut model: BTreeMap<u8, (Option<i64>, i64)> = BTreeMap::new();
        let (mut expected, mut clock) = (Timestamp::MIN, 0);
        for step in steps {
            let now = Timestamp::from_secs(clock);
            match step {
                Step::Register(id) => {
                    watermarks.register(id, now);
                    model.entry(id).or_insert((None, clock));
                }
                Step::Observe(id, at) => {
                    watermarks.observe(id, Timestamp::from_secs(at), now);
                    let known = model.get(&id).and_then(|(largest, _)| *largest);
                    model.insert(id, (known.max(Some(at)), clock));
                }
                Step::Finish(id) => {
                    watermarks.finish(&id);
                    model.remove(&id);
                }
                Step::Restart => {
                    let stored = postcard::to_stdvec(&watermarks).unwrap();
                    watermarks = postcard::from_bytes(&stored).unwrap();
                }
                Step::Wait(time) => clock += time,
                Step::Advance => {
                    let active = || model.values().filter(|(_, since)| clock - since < TIMEOUT);
                    if active().all(|(largest, _)| largest.is_some())
                        && let Some(least) = active().filter_map(|(largest, _)| *largest).min()
                    {
                        expected = expected.max(Timestamp::from_secs(least - DELAY));
                    }
                    prop_assert_eq!(watermarks.advance(&strategy, now), expected);
                    prop_assert_eq!(watermarks.is_idle(), active().next().is_none());
                }
            }
            prop_assert_eq!(watermarks.current(), expected);
        }
        prop_assert_eq!(watermarks.finish_all(), Timestamp::MAX);
    }

    #[test]
    fn observing_in_any_order_or_in_parts_is_the_same(
        mut events in prop::collection::vec((0..4_u8, 0..1_000_i64), 0..50),
    ) {
        let strategy = Watermark::bounded(seconds(DELAY));
        let run = |events: &[(u8, i64)]| {
            let mut watermarks = PartitionWatermarks::new();
            for &(id, at) in events {
                watermarks.observe(id, Timestamp::from_secs(at), Timestamp::EPOCH);
            }
            watermarks.advance(&strategy, Timestamp::EPOCH);
            watermarks
        };
        let forwards = run(&events);
        events.reverse();
        prop_assert_eq!(run(&events), forwards.clone());
        let largest: BTreeMap<_, _> = {
            events.sort_unstable();
            events.into_iter().collect()
        };
        prop_assert_eq!(run(&largest.into_iter().collect::<Vec<_>>()), forwards);
    }

    #[test]
    fn a_bounded_watermark_never_overtakes_an_event_within_its_bound(
        delay in 0..i64::MAX, events in prop::collection::vec(any::<i64>(), 1..20),
    ) {
        let strategy = Watermark::bounded(firesteel_window::Duration::micros(delay));
        let largest = events.iter().copied().max().map(Timestamp::from_micros).unwrap();
        let watermark = strategy.watermark(largest);
        for at in events.into_iter().map(Timestamp::from_micros) {
            prop_assert_eq!(at >= watermark, largest - at <= strategy.delay() || at == Timestamp::MIN);
        }
    }
}
