//! Watermarks against a naive model: lateness is judged by the watermark at the start of a batch, and windows fire in
//! the batch that moves the watermark past them.

use std::collections::BTreeMap;
use std::sync::Arc;

use firesteel_connect_memory::{Collector, QueueHandle, QueueSource};
use firesteel_core::ManualClock;
use firesteel_streaming::{BatchProgress, Stop, Stream, Timed, Trigger};
use firesteel_testkit::{JobLog, Recorder, TestJob};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
use proptest::prelude::*;

/// A key and the second at which it happened.
type Event = (u8, i64);
/// The events of a batch, per split.
type Batch = Vec<Vec<Event>>;
/// A window's start, a key, how many.
type Row = (i64, u8, u64);

/// The watermark of one stream: the smallest, over all splits that ever had something to read, of the largest time
/// seen minus the patience. It never falls.
#[derive(Clone)]
struct Mark {
    patience: i64,
    largest: BTreeMap<usize, i64>,
    current: i64,
}

impl Mark {
    fn new(patience: i64) -> Self {
        Self { patience, largest: BTreeMap::new(), current: i64::MIN }
    }

    fn see(&mut self, batch: &Batch) {
        for (split, events) in batch.iter().enumerate() {
            if let Some(largest) = events.iter().map(|event| event.1).max() {
                let known = self.largest.entry(split).or_insert(largest);
                *known = largest.max(*known);
            }
        }
        if let Some(smallest) = self.largest.values().min() {
            self.current = self.current.max(smallest - self.patience);
        }
    }
}

/// Windows by a plain computation.
#[derive(Default)]
struct Windows {
    open: BTreeMap<(i64, u8), u64>,
}

impl Windows {
    /// What fires in a batch, and how many records of it are late.
    fn batch(&mut self, events: impl Iterator<Item = Event>, size: i64, before: i64, after: i64) -> (Vec<Row>, u64) {
        let mut late = 0;
        for (key, at) in events {
            let start = at.div_euclid(size) * size;
            if start + size <= before {
                late += 1;
            } else {
                *self.open.entry((start, key)).or_insert(0) += 1;
            }
        }
        let rest = self.open.split_off(&(after.saturating_sub(size).saturating_add(1), 0));
        let fired = std::mem::replace(&mut self.open, rest);
        (fired.into_iter().map(|((start, key), count)| (start, key, count)).collect(), late)
    }
}

/// Counts per key and window.
fn counts(test: &TestJob, events: Stream<Event, Timed>, size: i64) -> Recorder<Row> {
    let counts = events
        .key_by(|event| event.0)
        .window(Tumbling::of(seconds(size)))
        .count()
        .map(|row| (row.window.start().as_secs(), row.key, row.value));
    test.record(counts)
}

fn timed(test: &TestJob, splits: usize, patience: i64) -> (QueueHandle<Event>, Stream<Event, Timed>) {
    let queue = QueueSource::<Event>::new(splits).one_at_a_time();
    let handle = queue.handle();
    let events = test
        .context()
        .read(queue)
        .event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(patience)));
    (handle, events)
}

/// The watermark that a batch reports, as the model has it.
fn reported(progress: &BatchProgress) -> i64 {
    progress.watermark.map_or(i64::MIN, Timestamp::as_secs)
}

fn batches(splits: usize) -> impl Strategy<Value = Vec<Batch>> {
    let event = (0..4u8, -50..150i64);
    let split = prop::collection::vec(event, 0..8);
    prop::collection::vec(prop::collection::vec(split, splits), 1..10)
}

fn test(seed: u64, threads: usize, partitions: usize) -> TestJob {
    let test = TestJob::builder().partitions(partitions);
    if threads == 0 { test.seed(seed) } else { test.threads(threads) }.build()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn one_stream_of_any_splits(
        batches in (1..4usize).prop_flat_map(batches),
        (size, patience) in (1..40i64, 0..40i64),
        (seed, threads, partitions) in (0..3u64, 0..3usize, 1..4usize),
    ) {
        let test = test(seed, threads, partitions);
        let (queue, events) = timed(&test, batches[0].len(), patience);
        let results = counts(&test, events, size);
        let (mut mark, mut windows) = (Mark::new(patience), Windows::default());
        for batch in &batches {
            queue.push_partitions(batch.clone()).unwrap();
            let before = mark.current;
            mark.see(batch);
            let events = batch.iter().flatten().copied();
            let (fired, late) = windows.batch(events, size, before, mark.current);
            let progress = test.batch().unwrap();
            prop_assert_eq!(crate::sorted(results.take()), fired.clone());
            prop_assert_eq!((progress.late, reported(&progress)), (late, mark.current));
            let starts: std::collections::BTreeSet<_> = fired.iter().map(|row| row.0).collect();
            prop_assert_eq!(progress.windows, starts.len() as u64);
        }
        let (rest, _) = windows.batch(std::iter::empty(), size, i64::MAX, i64::MAX);
        test.finish().unwrap();
        prop_assert_eq!(crate::sorted(results.take()), rest);
    }

    #[test]
    fn a_union_follows_the_slower_of_its_streams(
        (left, right) in (batches(2), batches(1)),
        (size, patience, other_patience) in (1..40i64, 0..40i64, 0..40i64),
        (seed, threads, partitions) in (0..3u64, 0..3usize, 1..4usize),
    ) {
        let test = test(seed, threads, partitions);
        let (left_queue, left_events) = timed(&test, 2, patience);
        let (right_queue, right_events) = timed(&test, 1, other_patience);
        let results = counts(&test, left_events.union(right_events), size);
        let (mut marks, mut windows) = ([Mark::new(patience), Mark::new(other_patience)], Windows::default());
        for (left, right) in left.iter().zip(&right) {
            left_queue.push_partitions(left.clone()).unwrap();
            right_queue.push_partitions(right.clone()).unwrap();
            let before = marks[0].current.min(marks[1].current);
            marks[0].see(left);
            marks[1].see(right);
            let after = marks[0].current.min(marks[1].current);
            let (fired, late) = windows.batch(left.iter().chain(right).flatten().copied(), size, before, after);
            let progress = test.batch().unwrap();
            prop_assert_eq!(crate::sorted(results.take()), fired);
            prop_assert_eq!((progress.late, reported(&progress)), (late, after));
        }
    }

    /// Two sources whose splits have the same names, united before their event times are told: each split has a
    /// watermark of its own all the same.
    #[test]
    fn a_union_of_sources_before_the_event_time_keeps_their_splits_apart(
        (left, right) in (batches(2), batches(2)),
        (size, patience) in (1..40i64, 0..40i64),
        shared in any::<bool>(),
    ) {
        let test = TestJob::new();
        let [left_queue, right_queue] = std::array::from_fn(|_| QueueSource::new(2).one_at_a_time());
        let [left_handle, right_handle] = [left_queue.handle(), right_queue.handle()];
        let both = test.context().read(left_queue).union(test.context().read(right_queue));
        let both = if shared {
            // Another output computes the shared records first: this one finds them kept.
            let _first = test.record(both.clone());
            both
        } else {
            both
        };
        let events =
            both.event_time(|event: &Event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(patience)));
        let results = counts(&test, events, size);
        let (mut mark, mut windows) = (Mark::new(patience), Windows::default());
        for (left, right) in left.iter().zip(&right) {
            left_handle.push_partitions(left.clone()).unwrap();
            right_handle.push_partitions(right.clone()).unwrap();
            let before = mark.current;
            let batch: Batch = left.iter().chain(right).cloned().collect();
            mark.see(&batch);
            let (fired, late) = windows.batch(batch.into_iter().flatten(), size, before, mark.current);
            let progress = test.batch().unwrap();
            prop_assert_eq!(crate::sorted(results.take()), fired);
            prop_assert_eq!((progress.late, reported(&progress)), (late, mark.current));
        }
    }
}

#[test]
fn the_end_of_one_source_of_two_lets_the_other_continue() {
    let test = TestJob::new();
    let ended = test.script([vec![(0u8, 5i64)]]);
    let queue = QueueSource::new(1);
    let handle = queue.handle();
    let both = ended.union(test.context().read(queue));
    let events = both.event_time(|event: &Event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)));
    let results = counts(&test, events, 10);
    handle.push(vec![(1, 6)]).unwrap();
    assert_eq!(test.batch().unwrap().watermark, Some(Timestamp::from_secs(5)));
    handle.push(vec![(1, 40)]).unwrap();
    assert_eq!(test.batch().unwrap().watermark, Some(Timestamp::from_secs(40)));
    assert_eq!(results.sorted(), [vec![], vec![(0, 0, 1), (0, 1, 1)]]);
}

#[test]
fn time_that_passes_is_enough_to_close_the_windows_after_a_silent_split() {
    let (clock, log, results) = (ManualClock::new(), JobLog::new(), Collector::new());
    let queue = QueueSource::new(2);
    let handle = queue.handle();
    let job = crate::job(1).clock(Arc::new(clock.clone())).listener(log.clone()).build().unwrap();
    job.read(queue)
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(0)).idle_after(seconds(30)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(10)))
        .count()
        .map(|row| row.window.start().as_secs())
        .write(results.clone());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    handle.push_partitions(vec![vec![5i64], vec![105]]).unwrap();
    log.wait_for_batches(1);
    clock.advance(seconds(20));
    handle.push_partitions(vec![vec![], vec![115]]).unwrap();
    log.wait_for_batches(2);
    assert!(results.records().is_empty());
    clock.advance(seconds(10));
    // Nothing comes, and yet a batch runs: the first split has been silent for thirty seconds, the other for ten.
    let batches = log.wait_for_batches(3);
    assert_eq!((batches[2].rows_in, batches[2].windows), (0, 2));
    assert_eq!(results.records(), [0, 100]);
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    assert_eq!(log.batches().len(), 3);
}
