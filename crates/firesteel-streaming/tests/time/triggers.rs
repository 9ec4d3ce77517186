//! Triggers of one's own, and windows that are emptied when they fire.

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{Checkpoint, StreamingContext, Trigger};
use firesteel_testkit::TestJob;
use firesteel_window::trigger::{Decision, TriggerTimes};
use firesteel_window::{Early, Firing, Timestamp, Tumbling, Watermark, WindowTrigger, seconds};
use proptest::prelude::*;

type Event = (u8, u64);

/// Fires when what has come is worth more than this since the last time; and two seconds after the first value, by the clock.
struct Worth(u64);

impl WindowTrigger<u64> for Worth {
    type State = u64;

    fn on_value(&self, worth: &mut u64, value: &u64, times: TriggerTimes) -> Decision {
        assert!(times.window.contains(times.at));
        *worth += value;
        if *worth > self.0 {
            *worth = 0;
            return Decision::fire();
        }
        Decision::wait().look_at(times.now + seconds(2))
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("trigger", format!("worth more than {}", self.0))]
    }
}

/// Key, sum, firing and number.
type Told = (u8, u64, Firing, u64);

#[test]
fn a_trigger_of_ones_own_counts_by_key_and_window_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let events = QueueSource::<Event>::new(1).keep_committed();
    let clock = std::sync::Arc::new(firesteel_core::ManualClock::starting_at(Timestamp::from_secs(1)));
    let told = Collector::<Told>::new();
    let run = |new: &[Event], passes: i64, limit: u64| {
        events.handle().push(new.to_vec()).unwrap();
        clock.advance(seconds(passes));
        let job = StreamingContext::builder("worth").threads(1).clock(clock.clone());
        let job = job.checkpoint(Checkpoint::in_folder(folder.path())).build().unwrap();
        let read = job.read(events.clone()).named("events");
        let read = read.event_time(|event| Timestamp::from_secs(event.1 as i64 / 10), Watermark::bounded(seconds(0)));
        let sums = read.named("time").window(Tumbling::of(seconds(10))).trigger_by(Worth(limit)).purging().sum();
        let rows = sums.named("sums").map(|piece| (piece.key, piece.value, piece.firing, piece.number));
        rows.write(told.clone()).named("out");
        job.run(Trigger::AvailableNow).map(|()| {
            let mut told = told.take();
            told.sort();
            told
        })
    };
    // Two keys and two windows, of ten seconds: a value of 100 and more happened at second 10 and later.
    assert_eq!(
        run(&[(1, 4), (2, 6), (1, 101)], 0, 10).unwrap(),
        [(1, 4, Firing::OnTime, 1), (1, 101, Firing::Early, 1), (2, 6, Firing::OnTime, 1)]
    );
    assert_eq!(run(&[(1, 100)], 1, 10).unwrap(), [(1, 100, Firing::Early, 2)]);
    assert_eq!(run(&[], 1, 10).unwrap(), []);
    let refused = run(&[], 0, 11).unwrap_err().to_string();
    assert!(refused.contains("sums") && refused.contains("worth more than"), "{refused}");
}

#[test]
fn a_trigger_looks_at_the_clock_when_it_has_asked_to() {
    let test = TestJob::new();
    let events = test.script([vec![(1_u8, 3_u64)], vec![(1, 4)], vec![], vec![], vec![(1, 5)]]);
    let events = events.event_time(|event| Timestamp::from_secs(event.1 as i64), Watermark::bounded(seconds(0)));
    let sums = events.window(Tumbling::of(seconds(100))).trigger_by(Worth(100)).sum().changelog();
    let sums = test.record(sums.map(|change| (change.firing, change.value)));
    test.run().unwrap();
    (0..2).for_each(|_| drop(test.batch().unwrap()));
    test.finish().unwrap();
    let early = |sum| vec![(Firing::Early, Some(sum))];
    let expected = [vec![], vec![], early(7), vec![], vec![], vec![], early(12), vec![(Firing::OnTime, Some(12))]];
    assert_eq!(sums.batches(), expected);
}

fn batches() -> impl Strategy<Value = Vec<Vec<(u8, i64)>>> {
    prop::collection::vec(prop::collection::vec((0..3_u8, 0..40_i64), 0..6), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// By number, a trigger that sees each value says what the one that counts says; and the pieces of a window are together what it has.
    #[test]
    fn pieces_add_up_and_both_kinds_of_trigger_agree(batches in batches(), n in 1..5_u64, late in 0..15_i64) {
        let test = TestJob::new();
        let (early, size) = (Early::every_records(n), Tumbling::of(seconds(10)));
        let events = test.script(batches).event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(3)));
        let window = |events: &firesteel_streaming::Stream<(u8, i64), firesteel_streaming::Timed>| events.clone().window(size);
        let one = test.record(window(&events).allow_late(seconds(late)).trigger(early).sum().changelog());
        let other = test.record(window(&events).trigger_by(early).allow_late(seconds(late)).sum().changelog());
        let pieces = window(&events).allow_late(seconds(late)).trigger(early).purging().sum();
        let totals = pieces.clone().map(|piece| ((piece.key, piece.window.start()), piece.value));
        let pieces = test.record(pieces);
        // Windows of pieces count each record once, but for what comes after they have closed.
        let totals = test.record(totals.window(size).allow_late(seconds(100)).sum().changelog());
        drop(events);
        test.run().unwrap();
        test.finish().unwrap();
        prop_assert_eq!(one.sorted(), other.sorted());
        let mut sums = std::collections::BTreeMap::new();
        for piece in pieces.batches().concat() {
            let (sum, number) = sums.entry((piece.key, piece.window)).or_insert((0, 0));
            *sum += piece.value;
            *number += 1;
            prop_assert_eq!(piece.number, *number, "pieces are numbered without gaps");
        }
        let mut newest = firesteel_window::Latest::new();
        one.batches().concat().into_iter().for_each(|change| newest.apply(change));
        let whole: Vec<_> = newest.iter().map(|(window, key, sum)| ((*key, window), *sum)).collect();
        let mut summed: Vec<_> = sums.into_iter().map(|(id, (sum, _))| (id, sum)).collect();
        summed.sort_by_key(|((key, window), _)| (*window, *key));
        prop_assert_eq!(&summed, &whole);
        let mut second = firesteel_window::Latest::new();
        totals.batches().concat().into_iter().for_each(|change| second.apply(change));
        let second: Vec<_> = second.iter().map(|(window, (key, _), sum)| ((*key, window), *sum)).collect();
        prop_assert_eq!(second, whole);
    }
}
