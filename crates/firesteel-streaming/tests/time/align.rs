//! A split that is far ahead waits for the others.

use std::sync::Arc;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_core::ManualClock;
use firesteel_streaming::{BatchLimits, BatchProgress, StreamingContext, Trigger};
use firesteel_testkit::TestJob;
use firesteel_window::{BoundedOutOfOrderness, Timestamp, Tumbling, Watermark, minutes, seconds};
use proptest::prelude::*;

const ALIGNED: BoundedOutOfOrderness = Watermark::bounded(seconds(0)).idle_after(seconds(60)).align_within(seconds(10));

/// A job that reads this many records in a batch of an input, and one input of it.
fn job(records: u64) -> (TestJob, QueueSource<i64>) {
    let limits = BatchLimits::default().records(records);
    (TestJob::builder().configure(move |builder| builder.limits(limits)).build(), QueueSource::new(2))
}

/// The splits that wait, by input and name, and for how many seconds of event time they are ahead.
fn waiting(progress: &BatchProgress) -> Vec<(String, u64)> {
    let of = progress.watermarks.iter().flat_map(|watermark| &watermark.waiting);
    of.map(|split| (format!("{}/{}", split.input, split.split), split.ahead_us.unwrap_or(0) / 1_000_000)).collect()
}

#[test]
fn the_fast_split_waits_until_the_slow_one_has_come_near() {
    let (test, queue) = job(2);
    queue.handle().push_partitions(vec![(0..6).map(|n| 5 * n).collect(), vec![0, 40, 50]]).unwrap();
    let events = test.context().read(queue).named("events");
    let events = events.event_time(|at: &i64| Timestamp::from_secs(*at), ALIGNED);
    let read = test.record(events.clone().without_time());
    drop(test.record(events.key_by(|_| 0_u8).window(Tumbling::of(seconds(10))).count()));
    let told: Vec<_> = (0..7).map(|_| waiting(&test.batch().unwrap())).collect();
    let wait = |ahead| vec![("events/1".to_owned(), ahead)];
    // One of each; then 40 is 35 ahead of 5, and the slow one has the whole batch.
    assert_eq!(read.batches()[..5], [vec![0, 0], vec![5, 40], vec![10, 15], vec![20, 25], vec![]]);
    assert_eq!(told[..4], [vec![], vec![], wait(35), wait(25)]);
    // The slow one is silent at 25, 15 seconds slower: it is waited for until it is idle.
    assert_eq!(told[4..], [wait(15), wait(15), wait(15)]);
    test.advance(seconds(60));
    assert_eq!(waiting(&test.batch().unwrap()), []);
    assert_eq!(read.batches()[7], [50]);
}

#[test]
fn nobody_waits_for_a_split_that_has_ended() {
    let (test, queue) = job(2);
    queue.handle().push_partitions(vec![vec![0], (0..9).map(|n| 100 * n).collect()]).unwrap();
    queue.handle().close();
    let events = test.context().read(queue).event_time(|at: &i64| Timestamp::from_secs(*at), ALIGNED);
    let read = test.record(events.without_time());
    for _ in 0..8 {
        test.batch().unwrap();
    }
    assert_eq!(read.batches().concat().len(), 10);
}

#[test]
fn inputs_that_are_brought_together_are_compared() {
    let (test, fast) = job(1);
    let slow = QueueSource::new(1);
    fast.handle().push_partitions(vec![vec![0, 50, 60, 70], vec![]]).unwrap();
    slow.handle().push((0..5).map(|n| 10 * n).collect()).unwrap();
    let time = |at: &i64| Timestamp::from_secs(*at);
    let fast = test.context().read(fast).named("fast").event_time(time, ALIGNED);
    let slow = test
        .context()
        .read(slow)
        .named("slow")
        .event_time(time, Watermark::bounded(seconds(0)).idle_after(seconds(60)));
    let both = fast.named("fast time").union(slow.named("slow time")).named("both");
    let counts = both.clone().key_by(|_| 0_u8).window(Tumbling::of(seconds(10))).count();
    drop(test.record(counts));
    let read = test.record(both.without_time());
    let told: Vec<_> = (0..6).map(|_| waiting(&test.batch().unwrap())).collect();
    assert_eq!(read.batches(), [vec![0, 0], vec![50, 10], vec![20], vec![30], vec![40], vec![60]]);
    let wait = |ahead| vec![("fast/0".to_owned(), ahead)];
    assert_eq!(told, [vec![], vec![], wait(40), wait(30), wait(20), vec![]]);
}

#[test]
fn splits_that_would_wait_for_one_another_do_not_stand_still() {
    let (test, queue) = job(2);
    queue.handle().push_partitions(vec![(0..50).collect(), (0..50).map(|n| 1_000 + n).collect()]).unwrap();
    let events = test.context().read(queue).named("events");
    // By one clock the first split is ahead, by the other the second.
    let one = events.clone().event_time(|at: &i64| Timestamp::from_secs(*at), ALIGNED).named("one");
    let other = events.event_time(|at: &i64| Timestamp::from_secs(-*at), ALIGNED).named("other");
    let read = test.record(one.without_time());
    drop(test.record(other.without_time()));
    for _ in 0..60 {
        test.batch().unwrap();
    }
    assert_eq!(read.batches().concat().len(), 100);
}

#[test]
fn a_run_of_what_is_there_reads_all_of_it_though_nobody_falls_idle() {
    for trigger in [Trigger::AvailableNow, Trigger::Once] {
        let job = StreamingContext::builder("run").clock(Arc::new(ManualClock::new()));
        let job = job.limits(BatchLimits::default().records(2)).build().unwrap();
        let (queue, read) = (QueueSource::new(2), Collector::new());
        queue.handle().push_partitions(vec![vec![0], (0..9).map(|n| 100 * n).collect()]).unwrap();
        let events = job.read(queue).event_time(|at: &i64| Timestamp::from_secs(*at), ALIGNED);
        events.without_time().write(read.clone());
        job.run(trigger).unwrap();
        assert_eq!(read.records().len(), 10);
    }
}

#[test]
fn who_could_wait_forever_is_refused() {
    let test = TestJob::new();
    let [one, other] = [(); 2].map(|()| test.script([vec![1_i64]]));
    let time = |at: &i64| Timestamp::from_secs(*at);
    let patient = other.event_time(time, Watermark::bounded(minutes(1))).named("patient");
    test.record(one.event_time(time, ALIGNED).named("aligned").union(patient).without_time());
    let refused = test.batch().unwrap_err().to_string();
    assert!(refused.contains("patient") && refused.contains("aligned") && refused.contains("idle_after"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the splits have: all of it is read, no split leads by more than the bound and one batch, and nothing is late.
    #[test]
    fn alignment_loses_nothing_and_bounds_what_waits(
        splits in prop::collection::vec(prop::collection::vec(0..9_i64, 0..30), 3),
        bound in 0..40_i64,
        records in 1..7_u64,
    ) {
        let limits = BatchLimits::default().records(records);
        let test = TestJob::builder().configure(move |builder| builder.limits(limits)).build();
        let queue = QueueSource::new(3);
        let sums = |gaps: &Vec<i64>| gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect::<Vec<i64>>();
        let splits: Vec<Vec<i64>> = splits.iter().map(sums).collect();
        let all: usize = splits.iter().map(Vec::len).sum();
        queue.handle().push_partitions(splits).unwrap();
        let watermark = Watermark::bounded(seconds(0)).idle_after(seconds(5)).align_within(seconds(bound));
        let events = test.context().read(queue).event_time(|at: &i64| Timestamp::from_secs(*at), watermark);
        let counts = test.record(events.key_by(|_| 0_u8).window(Tumbling::of(seconds(10))).count().map(|row| row.value));
        let mut late = 0;
        for _ in 0..200 {
            let progress = test.batch().unwrap();
            late += progress.late;
            for split in progress.watermarks.iter().flat_map(|of| &of.waiting) {
                let Some(ahead) = split.ahead_us else { continue };
                prop_assert!(ahead > 1_000_000 * bound as u64);
                // The gaps are below nine seconds.
                prop_assert!(ahead <= 1_000_000 * (bound as u64 + 9 * records));
            }
        }
        late += test.finish().unwrap().late;
        let counted: u64 = counts.batches().concat().iter().sum();
        prop_assert_eq!((counted as usize, late), (all, 0));
    }
}
