//! Watermarks and windows on virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use firesteel_connect_memory::{QueueHandle, QueueSource};
use firesteel_core::Data;
use firesteel_streaming::{Stream, Timed, WindowResult};
use firesteel_testkit::{Recorder, TestJob, timeline};
use firesteel_window::{Duration, Timestamp, Tumbling, Watermark, seconds};

/// Rows as `key@start:count`, sorted, a string for each batch.
fn rows(batches: Vec<Vec<WindowResult<String, u64>>>) -> Vec<String> {
    let row = |row: WindowResult<String, u64>| format!("{}@{}:{}", row.key, row.window.start().as_secs(), row.value);
    let line = |batch: Vec<_>| {
        let mut rows: Vec<_> = batch.into_iter().map(row).collect();
        rows.sort();
        rows.join(" ")
    };
    batches.into_iter().map(line).collect()
}

/// Counts per key in windows of five seconds with ten seconds of patience: what each batch yields, and what was late.
fn count(test: &TestJob, events: &str) -> (Vec<String>, Vec<u64>) {
    let counts = test
        .script(timeline::parse(events).unwrap())
        .event_time(|event| event.1, Watermark::bounded(seconds(10)))
        .key_by(|event| event.0.clone())
        .window(Tumbling::of(seconds(5)))
        .count();
    let results = test.record(counts);
    let mut late: Vec<_> = test.run().unwrap().iter().map(|progress| progress.late).collect();
    late.push(test.finish().unwrap().late);
    (rows(results.batches()), late)
}

#[test]
fn a_window_fires_in_the_batch_that_moves_the_watermark_past_it() {
    // Spark's suite fires [10, 15) only in the batch after the one with 25; here it is the same batch.
    let events = "x@10 x@11 x@12 x@13 x@14 x@15 | x@25 | x@10 | x@40";
    let (rows, late) = count(&TestJob::new(), events);
    assert_eq!(rows, ["", "x@10:5", "", "x@15:1 x@25:1", "x@40:1"]);
    assert_eq!(late, [0, 0, 1, 0, 0]);
}

#[test]
fn lateness_is_judged_by_the_watermark_at_the_start_of_the_batch() {
    // 100 comes first and 1 after it, in one batch: 1 is not late, for the watermark had not moved when it came.
    let (rows, late) = count(&TestJob::new(), "x@100 x@1 | x@2");
    assert_eq!(rows, ["x@0:1", "", "x@100:1"]);
    assert_eq!(late, [0, 1, 0]);
}

#[test]
fn results_do_not_depend_on_threads_partitions_or_the_order_of_tasks() {
    let events = "a@1 b@2 c@3 a@4 | b@9 c@21 a@7 | d@33 a@20 | b@60";
    let expected = count(&TestJob::new(), events);
    for partitions in [1, 3, 7] {
        for seed in [1, 2] {
            assert_eq!(count(&TestJob::builder().seed(seed).partitions(partitions).build(), events), expected);
        }
        assert_eq!(count(&TestJob::builder().threads(3).partitions(partitions).build(), events), expected);
    }
}

/// Counts the records of a queue with two splits, in windows of ten seconds without patience.
fn two_splits(idle_after: Option<Duration>) -> (TestJob, QueueHandle<i64>, Recorder<(i64, u64)>) {
    let test = TestJob::new();
    let queue = QueueSource::new(2);
    let handle = queue.handle();
    let patience = Watermark::bounded(seconds(0));
    let patience = idle_after.map_or(patience, |timeout| patience.idle_after(timeout));
    let counts = test
        .context()
        .read(queue)
        .event_time(|at| Timestamp::from_secs(*at), patience)
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(10)))
        .count();
    let results = test.record(counts.map(|row| (row.window.start().as_secs(), row.value)));
    (test, handle, results)
}

#[test]
fn the_slowest_split_decides_and_makes_no_record_of_its_own_late() {
    let (test, queue, results) = two_splits(None);
    let mut late = 0;
    for parts in [vec![vec![5], vec![105]], vec![vec![15], vec![115]], vec![vec![25], vec![125]]] {
        queue.push_partitions(parts).unwrap();
        late += test.batch().unwrap().late;
    }
    assert_eq!(late, 0);
    assert_eq!(results.batches(), [vec![], vec![(0, 1)], vec![(10, 1)]]);
}

#[test]
fn a_silent_split_leaves_the_minimum_after_its_timeout() {
    let (test, queue, results) = two_splits(Some(seconds(30)));
    queue.push_partitions(vec![vec![5], vec![105]]).unwrap();
    test.batch().unwrap();
    test.advance(seconds(29));
    queue.push_partitions(vec![vec![], vec![115]]).unwrap();
    test.batch().unwrap();
    assert_eq!(results.take(), [(0, 1), (100, 1)]);
}

#[test]
fn late_records_go_to_their_side_output() {
    let test = TestJob::new();
    let late = test.context().side_output("late");
    let counts = test
        .script(timeline::parse("a@100 | b@3 a@101").unwrap())
        .event_time(|event| event.1, Watermark::bounded(seconds(1)))
        .key_by(|event| event.0.clone())
        .map_values(|_| ())
        .window(Tumbling::of(seconds(10)))
        .late_to(&late)
        .count();
    let _results = test.record(counts);
    let late = test.record(late.stream().map(|late| (late.record.0, late.at.as_secs())));
    let progress = test.run().unwrap();
    assert_eq!(late.batches(), [vec![], vec![("b".to_owned(), 3)]]);
    assert_eq!(progress[1].late, 1);
}

/// Four values of one key in one window.
fn values(test: &TestJob) -> Stream<(u8, i64), Timed> {
    let values = vec![4, -2, 9, 1];
    test.script([values]).event_time(|_| Timestamp::from_secs(3), Watermark::bounded(seconds(0))).key_by(|_| 1u8)
}

/// The one result of a stream.
fn only<T: Data>(test: &TestJob, stream: Stream<WindowResult<u8, T>, Timed>) -> T {
    let results = test.record(stream);
    test.run().unwrap();
    test.finish().unwrap();
    let mut rows = results.take();
    assert_eq!(rows.len(), 1);
    rows.remove(0).value
}

#[test]
fn aggregations_agree_with_a_plain_computation() {
    let windows = Tumbling::of(seconds(10));
    let [t, u, v, w, x, y] = std::array::from_fn(|_| TestJob::new());
    assert_eq!(only(&t, values(&t).window(windows).sum()), 12);
    assert_eq!(only(&u, values(&u).window(windows).min()), -2);
    assert_eq!(only(&v, values(&v).window(windows).max()), 9);
    assert!((only(&w, values(&w).window(windows).mean()) - 3.0).abs() < 1e-9);
    assert_eq!(only(&x, values(&x).window(windows).reduce(|a, b| a.max(b) * 2)), 36);
    let listed = values(&y).window(windows).fold(Vec::new(), Vec::push, |all, more| all.extend(more));
    assert_eq!(only(&y, listed), [4, -2, 9, 1]);
}
