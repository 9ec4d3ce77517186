//! Who holds a watermark back.

use firesteel_connect_memory::{QueueHandle, QueueSource};
use firesteel_streaming::{BatchLimits, BatchProgress, HoldReason, Stream, Timed};
use firesteel_testkit::TestJob;
use firesteel_window::{BoundedOutOfOrderness, Timestamp, Tumbling, Watermark, seconds};

const STRICT: BoundedOutOfOrderness = Watermark::bounded(seconds(0));

fn read(test: &TestJob, splits: usize, name: &str) -> (QueueHandle<i64>, Stream<i64>) {
    let queue = QueueSource::new(splits);
    (queue.handle(), test.context().read(queue).named(name))
}

fn timed(events: Stream<i64>, name: &str, watermark: BoundedOutOfOrderness) -> Stream<i64, Timed> {
    events.event_time(|at: &i64| Timestamp::from_secs(*at), watermark).named(name)
}

fn count(test: &TestJob, events: Stream<i64, Timed>) {
    drop(test.record(events.key_by(|_| 0_u8).window(Tumbling::of(seconds(10))).count()));
}

/// The watermark of each operator, and who holds it back: input and split, the latest event time, for how many seconds, and why.
fn holds(progress: &BatchProgress) -> Vec<String> {
    let hold = |watermark: &firesteel_streaming::WatermarkProgress| {
        let at = watermark.watermark.map_or_else(|| "-".to_owned(), |at| at.as_secs().to_string());
        let Some(held) = &watermark.held_by else {
            return format!("{} at {at}, {} idle", watermark.operator, watermark.idle);
        };
        let (input, split) = (held.input.as_deref().unwrap_or("-"), held.split.as_deref().unwrap_or("-"));
        let latest = held.latest.map_or_else(|| "-".to_owned(), |at| at.as_secs().to_string());
        let silent = held.silent_us / 1_000_000;
        format!(
            "{} at {at}: {} {input}/{split} {latest} {silent}s {:?}",
            watermark.operator, held.operator, held.reason
        )
    };
    progress.watermarks.iter().map(hold).collect()
}

#[test]
fn a_silent_split_is_named_with_its_last_record_and_since_when() {
    let test = TestJob::new();
    let (queue, events) = read(&test, 2, "clicks");
    count(&test, timed(events, "time", STRICT));
    assert_eq!(holds(&test.batch().unwrap()), ["time at -: time -/- - 0s NotBegun"]);
    queue.push_partitions(vec![vec![5], vec![105]]).unwrap();
    assert_eq!(holds(&test.batch().unwrap()), ["time at 5: time clicks/0 5 0s Slowest"]);
    for (silent, at) in [(1, 115), (2, 125)] {
        queue.push_partitions(vec![vec![], vec![at]]).unwrap();
        let progress = test.batch().unwrap();
        assert_eq!(holds(&progress), [format!("time at 5: time clicks/0 5 {silent}s Silent")]);
        let held = progress.watermarks[0].held_by.clone().unwrap();
        assert_eq!(held.since, Some(progress.time - seconds(silent)));
        let told = format!("split `0` of `clicks`, silent for {silent}s");
        assert_eq!(held.to_string(), told);
    }
    let last = test.finish().unwrap();
    assert_eq!(last.watermarks[0].held_by, None);
}

#[test]
fn a_filter_that_lets_nothing_pass_is_told_from_silence() {
    let test = TestJob::new();
    let (queue, events) = read(&test, 2, "clicks");
    count(&test, timed(events.filter(|at| at % 2 == 0), "time", STRICT.idle_after(seconds(3))));
    queue.push_partitions(vec![vec![4], vec![106]]).unwrap();
    test.batch().unwrap();
    queue.push_partitions(vec![vec![7], vec![116]]).unwrap();
    assert_eq!(holds(&test.batch().unwrap()), ["time at 4: time clicks/0 4 1s NothingPasses"]);
    queue.push_partitions(vec![vec![], vec![116]]).unwrap();
    assert_eq!(holds(&test.batch().unwrap()), ["time at 4: time clicks/0 4 2s NothingPasses"]);
    // What lets nothing pass is idle in the end.
    queue.push_partitions(vec![vec![9], vec![116]]).unwrap();
    assert_eq!(holds(&test.batch().unwrap()), ["time at 116: time clicks/1 116 0s Slowest"]);
    assert_eq!(test.batch().unwrap().watermarks[0].idle, 1);
}

#[test]
fn of_watermarks_that_come_together_the_side_is_told() {
    let test = TestJob::new();
    let [(left, of_left), (right, of_right)] = ["left", "right"].map(|name| read(&test, 1, name));
    let both = timed(of_left, "left time", STRICT).union(timed(of_right, "right time", STRICT)).named("both");
    count(&test, both);
    left.push(vec![5]).unwrap();
    let told = holds(&test.batch().unwrap());
    assert_eq!(told[1..], ["right time at -: right time -/- - 0s NotBegun", "both at -: right time -/- - 0s NotBegun"]);
    right.push(vec![50]).unwrap();
    let told = holds(&test.batch().unwrap());
    assert_eq!(
        told,
        [
            "left time at 5: left time left/0 5 1s Silent",
            "right time at 50: right time right/0 50 0s Slowest",
            "both at 5: left time left/0 5 1s Silent",
        ]
    );
    left.close();
    test.batch().unwrap();
    let told = holds(&test.batch().unwrap());
    assert_eq!(told[0], "left time at 5, 0 idle", "who has ended holds nobody back");
    assert_eq!(told[2], "both at 50: right time right/0 50 2s Silent");
}

#[test]
fn what_nobody_has_read_yet_is_not_silent() {
    let limits = BatchLimits::default().records(1);
    let test = TestJob::builder().configure(move |builder| builder.limits(limits)).build();
    let (queue, events) = read(&test, 2, "clicks");
    let starts =
        timed(events, "time", STRICT.idle_after(seconds(2))).key_by(|_| 0_u8).window(Tumbling::of(seconds(10)));
    let starts = test.record(starts.count().map(|row| (row.window.start().as_secs(), row.value)));
    queue.push_partitions(vec![vec![5], vec![5, 6, 7]]).unwrap();
    let (mut late, mut unread) = (0, 0);
    for _ in 0..3 {
        let progress = test.batch().unwrap();
        late += progress.late;
        unread += progress
            .watermarks
            .iter()
            .filter(|of| of.held_by.as_ref().is_some_and(|by| by.reason == HoldReason::Unread))
            .count();
    }
    // Each waits for a long time, since one record is read at a time; the clock does not count as long as there is something.
    queue.push_partitions(vec![vec![15, 16, 17, 18], vec![8, 9]]).unwrap();
    test.advance(seconds(100));
    for _ in 0..9 {
        late += test.batch().unwrap().late;
        test.advance(seconds(100));
    }
    assert_eq!(late, 0);
    assert!(unread > 0);
    assert_eq!(starts.batches().concat()[0], (0, 6));
}
