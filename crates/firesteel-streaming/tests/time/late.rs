//! What is told of late records.

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Late, MovedBy};
use firesteel_testkit::TestJob;
use firesteel_window::{Session, Sliding, Timestamp, Tumbling, Watermark, WindowAssigner, minutes, seconds};

type Event = (u8, i64);

/// What is told of late records: their time, the first and last window and how many, the watermark and who moved it there.
type Why = (i64, Option<(i64, i64, u64)>, i64, String);

fn why(late: Late<(u8, i64)>) -> Why {
    let windows = late.windows.map(|of| (of.first.start().as_secs(), of.last.end().as_secs(), of.count));
    let by = match late.moved_by {
        Some(MovedBy::Split { input, split }) => format!("{input}/{split}"),
        Some(MovedBy::Clock) => "clock".to_owned(),
        _ => "-".to_owned(),
    };
    (late.at.as_secs(), windows, late.watermark.as_secs(), by)
}

/// What is told of windows of this kind, with an allowance or none: split 0 is ahead of split 1.
fn told<W: firesteel_streaming::WindowKind<u8>>(windows: W, allowed: Option<i64>) -> Vec<Why> {
    let test = TestJob::new();
    let queue = QueueSource::new(2);
    let handle = queue.handle();
    let late = test.context().side_output("late");
    let events = test.context().read(queue).named("events");
    let events = events.event_time(|event: &Event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)));
    let windowed = events.window(windows);
    match allowed {
        None => drop(test.record(windowed.late_to(&late).count())),
        Some(allowed) => {
            let counts = windowed.allow_late(seconds(allowed)).late_to(&late).count();
            drop(test.record(counts.changelog()));
        }
    }
    let late = test.record(late.stream().map(why));
    for batch in [[vec![(1, 60)], vec![(1, 33)]], [vec![], vec![(1, 7)]]] {
        handle.push_partitions(batch.to_vec()).unwrap();
        test.batch().unwrap();
    }
    late.take()
}

#[test]
fn a_late_record_says_its_windows_the_watermark_and_who_moved_it() {
    let by = "events/1".to_owned();
    assert_eq!(told(Tumbling::of(seconds(10)), None), [(7, Some((0, 10, 1)), 33, by.clone())]);
    assert_eq!(told(Session::gap(seconds(5)), None), [(7, Some((7, 12, 1)), 33, by.clone())]);
    // In [-3, 27) up to [7, 37) by the second: it is in time for those that end after 33.
    let sliding = Sliding::of(seconds(30)).every(seconds(1));
    assert_eq!(told(sliding, None), [(7, Some((-22, 33, 26)), 33, by.clone())]);
    // Five seconds of allowance leave only those that end at 28 and before.
    assert_eq!(told(sliding, Some(5)), [(7, Some((-22, 28, 21)), 33, by)]);
    let mut missing = vec![];
    let closed = |window: firesteel_window::Window| window.is_closed_by(Timestamp::from_secs(33));
    sliding.assign(Timestamp::from_secs(7), &mut |window| missing.extend(closed(window).then_some(window)));
    assert_eq!((missing.len(), missing[0].start().as_secs()), (26, -22));
}

#[test]
fn joins_deduplication_and_the_clock_are_told_alike() {
    let test = TestJob::new();
    let queue = QueueSource::new(1);
    let handle = queue.handle();
    let [of_join, of_dedup] = [test.context().side_output("join"), test.context().side_output("dedup")];
    let watermark = Watermark::bounded(seconds(0)).follow_clock_after(seconds(2));
    let events = test.context().read(queue).named("events");
    let events = events.event_time(|event: &Event| Timestamp::from_secs(event.1), watermark);
    let joined = events.clone().interval_join(events.clone(), seconds(0)..=minutes(1)).late_left_to(&of_join);
    drop(test.record(joined.inner(|left, right| (*left, *right))));
    drop(test.record(events.dedup_by(|event| event.1).late_to(&of_dedup).within(seconds(1))));
    let of_join = test.record(of_join.stream().map(why));
    let of_dedup = test.record(of_dedup.stream().map(why));
    handle.push(vec![(1, 50)]).unwrap();
    for _ in 0..4 {
        test.batch().unwrap();
    }
    handle.push(vec![(1, 9)]).unwrap();
    test.batch().unwrap();
    // Three seconds of silence went by before the batch, of which nothing has been heard since.
    let expected = (9, None, 53, "clock".to_owned());
    assert_eq!((of_join.take(), of_dedup.take()), (vec![expected.clone()], vec![expected]));
}
