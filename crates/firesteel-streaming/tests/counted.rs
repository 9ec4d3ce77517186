//! Windows by count, and the largest keys of windows: over restarts and failed attempts, and before other windows.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::Kept;
use firesteel_budget::Memory;
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_streaming::{BatchLimits, Checkpoint, StreamingContext, Trigger};
use firesteel_testkit::TestJob;
use firesteel_window::{
    CountWindow, Counted, Fold, List, Mean, Session, Sliding, Timestamp, Tumbling, Watermark, seconds,
};

/// A user and a number.
type Click = (u32, u32);

fn clicks() -> Vec<Click> {
    (0..400_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 28, n)).collect()
}

/// The lists of each user's windows, user by user; the job is ended after some batches, and started again, until all is read.
fn in_pieces(windows: CountWindow, records: u64, batches: usize, threads: usize, state: u64) -> Vec<(u32, Vec<u32>)> {
    let (folder, backend, results) = (tempfile::tempdir().unwrap(), Kept::default(), Collector::new());
    let job = || {
        let job = StreamingContext::builder("counted")
            .threads(threads)
            .limits(BatchLimits::default().records(records))
            .memory(Memory::default().state(state))
            .checkpoint(Checkpoint::in_folder(folder.path()).every_batch().backend(backend.clone()))
            .build()
            .unwrap();
        let lists = job.read(MemorySource::new(clicks())).named("clicks").count_window(windows).aggregate(List);
        lists.named("lists").write(results.clone());
        job
    };
    let mut left = Some(1);
    while left != Some(0) {
        let job = job();
        let mut run = job.begin().unwrap();
        for _ in 0..batches {
            left = run.next_batch().unwrap().inputs[0].left;
        }
    }
    let mut rows = results.records();
    // Stable: the windows of a user stay in their order.
    rows.sort_by_key(|row| row.0);
    rows
}

#[test]
fn count_windows_do_not_know_where_batches_end_and_jobs_are_stopped() {
    for windows in [CountWindow::of(7), CountWindow::of(10).every(4)] {
        let (mut of_users, mut expected) = (BTreeMap::<u32, Counted<Vec<u32>>>::new(), Vec::new());
        for (user, number) in clicks() {
            let list = of_users.entry(user).or_default().add(windows, &List, number);
            expected.extend(list.map(|list| (user, list)));
        }
        expected.sort_by_key(|row| row.0);
        assert!(expected.len() > 40);
        for (records, batches, threads) in [(1_000, 1, 1), (64, 3, 3), (29, 1, 2)] {
            for state in [0, u64::MAX] {
                let found = in_pieces(windows, records, batches, threads, state);
                assert!(found == expected, "{windows}, {records} records, {batches} batches, {threads} threads");
            }
        }
    }
}

#[test]
fn the_last_window_that_is_not_complete_is_kept_and_has_no_result_at_the_end_of_the_input() {
    let test = TestJob::new();
    let words = QueueSource::new(1);
    let lists = test.context().read(words.clone()).count_window(CountWindow::of(2)).aggregate(List);
    let lists = test.record(lists);
    words.handle().push(vec![("a", 1), ("a", 2), ("b", 3), ("a", 4)].into_iter().map(own).collect()).unwrap();
    let progress = test.batch().unwrap();
    assert_eq!(progress.states[0].keys, 2, "those with a window that is not complete");
    words.handle().push(vec![own(("b", 5))]).unwrap();
    assert_eq!(test.batch().unwrap().states[0].keys, 1, "nothing is kept for a complete one");
    words.handle().close();
    assert_eq!(test.finish().unwrap().states[0].keys, 1);
    assert_eq!(lists.batches()[..2], [vec![own_list("a", &[1, 2])], vec![own_list("b", &[3, 5])]]);
    assert!(lists.batches()[2..].concat().is_empty());
}

fn own((key, value): (&str, i64)) -> (String, i64) {
    (key.to_owned(), value)
}

fn own_list(key: &str, values: &[i64]) -> (String, Vec<i64>) {
    (key.to_owned(), values.to_vec())
}

#[test]
fn a_late_record_counts_and_a_result_has_the_time_of_the_latest_record() {
    let test = TestJob::new();
    let seen = test.script([vec![("a", 3), ("a", 12)], vec![("a", 1), ("a", 2)], vec![("a", 15), ("a", 14)]]);
    let counted = seen
        .map(own)
        .event_time(|record| Timestamp::from_secs(record.1), Watermark::bounded(seconds(0)))
        .count_window(CountWindow::of(2))
        .aggregate(List);
    let lists = test.record(counted.clone());
    // The windows after it see when: 12, then 2, which is late, then 15.
    let after = counted.map(|(key, list)| (key, list.len())).window(Tumbling::of(seconds(10))).count();
    let after = test.record(after.map(|row| (row.window.start().as_secs(), row.value)));
    let progress = test.run().unwrap();
    test.finish().unwrap();
    assert_eq!(lists.batches().concat(), [[3, 12], [1, 2], [15, 14]].map(|list| own_list("a", &list)));
    assert_eq!(progress.iter().map(|batch| batch.late).sum::<u64>(), 1);
    assert_eq!(after.batches().concat(), [(10, 2)]);
}

#[test]
fn an_attempt_that_fails_counts_nothing() {
    let failed = Arc::new(AtomicU32::new(0));
    let fails = Arc::clone(&failed);
    let add = move |sum: &mut u32, n: u32| {
        assert!(n % 5 != 3 || fails.fetch_add(1, Ordering::Relaxed) % 2 == 1, "it fails every other time");
        *sum += n;
    };
    let test = TestJob::builder().configure(|builder| builder.threads(1)).build();
    let numbers = test.script([vec![1, 2, 3, 4], vec![5, 6, 7, 8, 9]]).map(|n: u32| (0_u8, n));
    let sums = numbers.count_window(CountWindow::of(3)).aggregate(Fold::new(0, add, |sum, more| *sum += more));
    let sums = test.record(sums.map(|(_, sum)| sum));
    test.run().unwrap();
    assert_eq!(sums.batches().concat(), [1 + 2 + 3, 4 + 5 + 6, 7 + 8 + 9]);
    assert!(failed.load(Ordering::Relaxed) >= 2);
}

#[test]
fn count_windows_that_cannot_work_and_others_than_what_is_stored_are_refused() {
    let program = |job: &StreamingContext, numbers: &QueueSource<(u8, u32)>, windows: CountWindow| {
        job.read(numbers.clone()).named("numbers").count_window(windows).mean().named("means").write(Collector::new());
    };
    for (size, slide) in [(0, 0), (5, 0), (5, 6)] {
        let job = StreamingContext::builder("bad").threads(1).build().unwrap();
        program(&job, &QueueSource::new(1), CountWindow::of(size).every(slide));
        let told = job.explain().map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("FS-W013") && told.contains("count_window"), "{told}");
    }
    let changed = |others| {
        let (folder, numbers) = (tempfile::tempdir().unwrap(), QueueSource::new(1).keep_committed());
        let job = |windows| {
            let checkpoint = Checkpoint::in_folder(folder.path()).every_batch();
            let job = StreamingContext::builder("counted").threads(1).checkpoint(checkpoint).build().unwrap();
            program(&job, &numbers, windows);
            job
        };
        numbers.handle().push(vec![(1, 1), (1, 2), (1, 3)]).unwrap();
        job(CountWindow::of(4).every(2)).begin().unwrap().next_batch().unwrap();
        let refused = job(others).run(Trigger::AvailableNow).err();
        refused.map(|error| error.to_string())
    };
    assert_eq!(changed(CountWindow::of(4).every(2)), None);
    for (others, setting) in [(CountWindow::of(5).every(2), "count 5"), (CountWindow::of(4).every(1), "slide")] {
        let told = changed(others).unwrap();
        assert!(told.contains("refused") && told.contains(setting), "no {setting} in {told}");
    }
}

#[test]
fn the_largest_keys_of_a_window_are_the_same_at_any_parallelism() {
    // Of 24 keys, many have as many clicks as others; the values are means, which may be no numbers.
    let clicks: Vec<(u32, i64)> =
        (0..2_000).map(|n: u32| (n.wrapping_mul(2_654_435_761) % 24, i64::from(n / 10))).collect();
    let run = |threads, partitions, inputs, batch: usize| {
        let test = TestJob::builder().threads(threads).partitions(partitions).build();
        let clicks = test
            .script_in(inputs, clicks.chunks(batch).map(<[_]>::to_vec).collect::<Vec<_>>())
            .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)));
        let counts = clicks.clone().window(Sliding::of(seconds(20)).every(seconds(5))).count().top(3);
        let counts = test.record(counts.map(|(window, keys)| (window.start().as_secs(), keys)));
        let means = clicks
            .map(|(key, at)| (key, if at % 7 == 0 { f64::NAN } else { (at % 3) as f64 }))
            .window(Tumbling::of(seconds(4)))
            .aggregate(Mean)
            .top_by(4, |mean| mean.unwrap_or(0.0));
        let means = test.record(means.map(|(window, keys)| (window.start().as_secs(), format!("{keys:?}"))));
        let mut progress = test.run().unwrap();
        progress.push(test.finish().unwrap());
        assert_eq!(progress.iter().map(|batch| batch.late).sum::<u64>(), 0, "no result is late for what follows");
        let mut found = (counts.batches().concat(), means.batches().concat());
        found.0.sort();
        found.1.sort();
        found
    };
    let expected = run(1, 1, 1, 2_000);
    assert!(
        expected.0.len() > 40 && expected.0.iter().all(|row| row.1.is_sorted_by_key(|(_, count)| u64::MAX - count))
    );
    for (threads, partitions, inputs, batch) in [(1, 1, 1, 70), (2, 3, 1, 200), (3, 5, 1, 333), (2, 2, 1, 2_000)] {
        assert_eq!(run(threads, partitions, inputs, batch), expected, "{threads} {partitions} {inputs} {batch}");
    }
}

#[test]
fn a_sum_beyond_its_range_stops_the_job_and_names_the_operator() {
    let test = TestJob::new();
    let sums = test
        .script([vec![(1_u8, i64::MAX), (1, 1), (2, 5)]])
        .event_time(|_| Timestamp::EPOCH, Watermark::bounded(seconds(0)))
        .window(Tumbling::of(seconds(5)))
        .sum()
        .named("totals");
    let sums = test.record(sums.map(|row| row.value));
    test.run().unwrap();
    let error = test.finish().unwrap_err();
    let mut told = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        told = format!("{told}: {error}");
        source = error.source();
    }
    assert!(told.contains("totals") && told.contains("a sum is beyond the range of `i64`"), "{told}");
    assert!(sums.batches().concat().is_empty());
}

#[test]
fn the_largest_values_of_a_key_come_with_their_window() {
    let test = TestJob::new();
    let bids = test
        .script([vec![("a", 2.5), ("b", 9.0), ("a", f64::NAN), ("a", 3.5), ("a", 1.0)]])
        .event_time(|_| Timestamp::EPOCH, Watermark::bounded(seconds(0)))
        .map(|(item, bid)| (item.to_owned(), bid));
    let top = test.record(bids.clone().window(Session::gap(seconds(5))).top(2).map(|row| (row.key, row.value)));
    let least = bids.clone().window(Tumbling::of(seconds(5))).top_by(1, |bid| -bid);
    let least = test.record(least.map(|row| (row.key, row.value)));
    let most = test.record(bids.clone().window(Tumbling::of(seconds(5))).max().map(|row| (row.key, row.value)));
    let different = bids.map(|(item, bid)| (item, bid.to_bits())).window(Tumbling::of(seconds(5))).distinct();
    let different = test.record(different.map(|row| (row.key, row.value)));
    test.run().unwrap();
    test.finish().unwrap();
    let row = |key: &str, values: &[f64]| (key.to_owned(), values.to_vec());
    let sorted = |mut rows: Vec<(String, Vec<f64>)>| {
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    };
    assert_eq!(sorted(top.batches().concat()), [row("a", &[3.5, 2.5]), row("b", &[9.0])]);
    assert_eq!(sorted(least.batches().concat()), [row("a", &[1.0]), row("b", &[9.0])]);
    let mut most = most.batches().concat();
    most.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(most, [("a".to_owned(), 3.5), ("b".to_owned(), 9.0)]);
    assert_eq!(different.sorted().concat(), [("a".to_owned(), 4), ("b".to_owned(), 1)]);
}
