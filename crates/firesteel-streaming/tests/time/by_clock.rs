//! Windows of processing time: DStream's, by the stored time of batches.

use std::sync::Arc;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_core::{Clock, ManualClock};
use firesteel_streaming::{Checkpoint, StreamingContext, Trigger};
use firesteel_testkit::TestJob;
use firesteel_window::{Session, Timestamp, Tumbling, seconds};

/// What comes out in each of the batches, a second apart, sorted.
fn outputs<T: Ord + firesteel_core::Data>(recorded: &firesteel_testkit::Recorder<T>) -> Vec<Vec<T>> {
    recorded.sorted()
}

/// Case 10 of Spark's suites: 0 | 1 | 2 | 3 | 4 | 5 in windows of this length and slide; three batches without records follow.
fn case_10(length: i64, slide: i64) -> Vec<Vec<i32>> {
    let test = TestJob::new();
    let numbers = test.script((0..6).map(|number| vec![number]));
    let windows = test.record(numbers.records_by_window(seconds(length), seconds(slide)));
    test.run().unwrap();
    (0..3).for_each(|_| drop(test.batch().unwrap()));
    outputs(&windows)
}

#[test]
fn windows_have_the_records_of_the_last_batches() {
    let none = Vec::new;
    let each = case_10(2, 1);
    // Spark's windows begin with the job, and so do these where it begins at a multiple of the slide.
    assert_eq!(each[..7], [vec![0], vec![0, 1], vec![1, 2], vec![2, 3], vec![3, 4], vec![4, 5], vec![5]]);
    assert_eq!(case_10(2, 2)[..6], [none(), vec![0, 1], none(), vec![2, 3], none(), vec![4, 5]]);
    let longer = case_10(4, 2);
    assert_eq!(
        longer[..8],
        [none(), vec![0, 1], none(), vec![0, 1, 2, 3], none(), vec![2, 3, 4, 5], none(), vec![4, 5]]
    );
    // 0 and 3 are never seen.
    assert_eq!(case_10(2, 3)[..6], [none(), none(), vec![1, 2], none(), none(), vec![4, 5]]);
}

#[test]
fn counts_by_window_and_by_value() {
    // Case 12. Where nothing is left Spark has a row of 0, and here there is none.
    let test = TestJob::new();
    let numbers = test.script([vec![1], vec![1], vec![1, 2], vec![0], vec![], vec![]]);
    let counts = test.record(numbers.clone().count_by_window(seconds(2), seconds(1)));
    let sums = test.record(numbers.reduce_by_window(|a, b| a + b, seconds(2), seconds(1)));
    test.run().unwrap();
    assert_eq!(counts.batches(), [vec![1], vec![2], vec![3], vec![3], vec![1], vec![]]);
    assert_eq!(sums.batches(), [vec![1], vec![2], vec![4], vec![3], vec![0], vec![]]);

    let test = TestJob::new();
    let words = test.script([vec!["a"], vec!["b", "b"], vec!["a", "b"]]).map(str::to_owned);
    let counts = test.record(words.clone().count_by_value_and_window(seconds(2), seconds(1)));
    let groups = words.map(|word| (word, 1)).group_by_key_and_window(seconds(2), seconds(1));
    let groups = test.record(groups);
    test.run().unwrap();
    let (a, b) = ("a".to_owned(), "b".to_owned());
    let expected = [vec![(a.clone(), 1)], vec![(a.clone(), 1), (b.clone(), 2)], vec![(a.clone(), 1), (b.clone(), 3)]];
    assert_eq!(counts.sorted(), expected);
    assert_eq!(groups.sorted()[2], [(a, vec![1]), (b, vec![1, 1, 1])]);
}

#[test]
fn windows_follow_windows() {
    // The chain of case 13: windows of two batches, and of four over these, every two.
    let test = TestJob::new();
    let numbers = test.script((1..=8).map(|number| vec![number]));
    let windows = numbers.records_by_window(seconds(2), seconds(1)).records_by_window(seconds(4), seconds(2));
    let windows = test.record(windows);
    test.run().unwrap();
    let expected = |first: i32| {
        let batches = (first..first + 4).flat_map(|last| [last - 1, last]);
        let mut all: Vec<i32> = batches.filter(|number| *number > 0).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(windows.sorted()[3], expected(1));
    assert_eq!(windows.sorted()[7], expected(5));
}

#[test]
fn sessions_by_the_clock_end_with_a_pause() {
    let test = TestJob::new();
    let events = test.script([vec![1_u8], vec![1], vec![], vec![], vec![], vec![1]]).map(|key| (key, ()));
    let sessions = events.in_processing_time().window(Session::gap(seconds(2))).count();
    let sessions = test.record(sessions.map(|row| row.value));
    test.run().unwrap();
    test.finish().unwrap();
    assert_eq!(sessions.batches(), [vec![], vec![], vec![], vec![2], vec![], vec![], vec![1]]);
}

#[test]
fn windows_go_by_time_and_not_by_batches_over_a_stop_too() {
    let folder = tempfile::tempdir().unwrap();
    let events = QueueSource::new(1).keep_committed();
    let (counted, clock) = (Collector::new(), Arc::new(ManualClock::starting_at(Timestamp::from_secs(1))));
    let run = || {
        let job = StreamingContext::builder("by the clock").threads(1).clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let job = job.checkpoint(Checkpoint::in_folder(folder.path())).build().unwrap();
        let events = job.read(events.clone()).named("events").map(|key: u8| (key, ()));
        let counts =
            events.in_processing_time().named("clock").window(Tumbling::of(seconds(10))).count().named("counts");
        let counts = counts.map(|row| (row.window.start().as_secs(), row.value));
        counts.write(counted.clone()).named("out");
        job.run_to_summary(Trigger::AvailableNow).unwrap();
        counted.take()
    };
    events.handle().push(vec![1, 1]).unwrap();
    assert_eq!(run(), []);
    clock.advance(seconds(4));
    events.handle().push(vec![1]).unwrap();
    assert_eq!(run(), [], "at second 5, after a stop");
    // An hour later, without a record: what has ended meanwhile fires with the first batch.
    clock.advance(seconds(3_600));
    assert_eq!(run(), [(0, 3)]);
    assert_eq!(run(), []);
    // A clock that is set back makes nothing late.
    clock.set_wall(Timestamp::from_secs(2_000));
    events.handle().push(vec![1]).unwrap();
    assert_eq!(run(), []);
    clock.set_wall(Timestamp::from_secs(3_700));
    assert_eq!(run(), [(3_600, 1)]);
}
