//! Streams that part and meet again.

use firesteel_connect_memory::QueueSource;
use firesteel_testkit::TestJob;
use firesteel_window::{Duration, Firing, Sliding, Timestamp, Tumbling, Watermark, seconds};

/// A watermark that is asked once on each of two ways would be asked a thousand million times.
#[test]
fn a_stream_that_is_joined_with_itself_thirty_times_costs_thirty_times_as_much() {
    let test = TestJob::new();
    let mut events = test
        .script([vec![(1_u8, 5), (1, 6)], vec![(1, 20)]])
        .event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)));
    for _ in 0..30 {
        let joined = events.clone().interval_join(events, Duration::ZERO..=Duration::ZERO).at_left_time();
        events = joined.inner(|left, _| *left);
    }
    let counts = events.window(Tumbling::of(seconds(10))).count();
    let counts = test.record(counts.map(|row| (row.window.start().as_secs(), row.value)));
    test.run().unwrap();
    test.finish().unwrap();
    assert_eq!(counts.batches().concat(), [(0, 2), (20, 1)]);
}

#[test]
fn windows_that_overlap_fire_once_over_two_streams() {
    let test = TestJob::new();
    let [first, second] = [QueueSource::new(1), QueueSource::new(1)];
    let [one, other] = [&first, &second].map(|queue| {
        let events = test.context().read(queue.clone());
        events.event_time(|event: &(u8, i64)| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)))
    });
    let counts = one.named("one").union(other.named("other")).window(Sliding::of(seconds(20)).every(seconds(10)));
    let rows = test.record(counts.count().map(|row| (row.window.start().as_secs(), row.value)));
    for at in [5, 12, 15, 22, 25, 32] {
        first.handle().push(vec![(1, at)]).unwrap();
        second.handle().push(vec![(1, at)]).unwrap();
        test.batch().unwrap();
    }
    assert_eq!(rows.batches(), [vec![], vec![(-10, 2)], vec![], vec![(0, 6)], vec![], vec![(10, 8)]]);
}

#[test]
fn windows_over_two_streams_fire_on_time_once_and_late_for_what_comes_later() {
    let test = TestJob::new();
    let [first, second] = [QueueSource::new(1), QueueSource::new(1)];
    let [one, other] = [&first, &second].map(|queue| {
        let events = test.context().read(queue.clone());
        events.event_time(|event: &(u8, i64)| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)))
    });
    let counts = one.named("one").union(other.named("other")).window(Tumbling::of(seconds(10)));
    let counts = counts.allow_late(seconds(100)).count().changelog();
    let rows = test.record(counts.map(|row| (row.window.start().as_secs(), row.firing, row.value)));
    for (of_first, of_second) in [(5, 7), (15, 17), (18, 19), (4, 20)] {
        first.handle().push(vec![(1, of_first)]).unwrap();
        second.handle().push(vec![(1, of_second)]).unwrap();
        test.batch().unwrap();
    }
    let first = (0, Firing::OnTime, Some(2));
    assert_eq!(rows.batches(), [vec![], vec![first], vec![], vec![(0, Firing::Late, Some(3))]]);
}
