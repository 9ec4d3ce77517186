//! Sliding windows and sessions as state: within a budget, over restarts and failed attempts, at what cost, and before other
//! windows.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Clumsy, Kept};
use firesteel_budget::Memory;
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_streaming::{BatchLimits, Checkpoint, StreamingContext, Trigger, WindowKind, WindowResult};
use firesteel_testkit::TestJob;
use firesteel_window::{
    Count, Session, Sessions, Sliding, Timestamp, Tumbling, Watermark, Window, WindowAssigner, hours, seconds,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// A user's click at a second.
type Click = (u32, i64);

/// A window's start and end, a user, and the numbers of the user's clicks in it.
type Row = (i64, i64, u32, Vec<u32>);

/// Scattered numbers, the same in every run.
fn scattered(n: u32) -> u32 {
    let mixed = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) as u32
}

fn row(window: Window, user: u32, mut all: Vec<u32>) -> Row {
    all.sort_unstable();
    (window.start().as_secs(), window.end().as_secs(), user, all)
}

/// Lists the clicks of each user in each window; the job is ended after some batches, and started again, until all is read.
fn in_pieces<W: WindowKind<u32>>(
    clicks: &[Click],
    windows: &W,
    threads: usize,
    state: u64,
    batches: usize,
) -> Vec<Row> {
    let numbered: Vec<(u32, Click)> = (0..).zip(clicks.iter().copied()).collect();
    let (folder, backend, results) = (tempfile::tempdir().unwrap(), Kept::default(), Collector::new());
    let job = || {
        let checkpoint = Checkpoint::in_folder(folder.path()).every_batch().backend(backend.clone());
        let job = StreamingContext::builder("windows")
            .threads(threads)
            .limits(BatchLimits::default().records(64))
            .memory(Memory::default().state(state))
            .checkpoint(checkpoint)
            .build()
            .unwrap();
        job.read(MemorySource::new(numbered.clone()))
            .named("clicks")
            .event_time(|click| Timestamp::from_secs(click.1.1), Watermark::bounded(seconds(30)))
            .map(|(number, (user, _))| (user, number))
            .window(windows.clone())
            .fold(Vec::new(), |all, number| all.push(number), |all: &mut Vec<u32>, more| all.extend(more))
            .named("windows")
            .map(|row| (row.window, row.key, row.value))
            .write(results.clone());
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
    job().run(Trigger::AvailableNow).unwrap();
    let mut rows: Vec<Row> = results.records().into_iter().map(|(window, user, all)| row(window, user, all)).collect();
    rows.sort();
    rows
}

/// Out of order by up to 30 seconds: much is open, and gets records again and again.
fn clicks(users: u32) -> Vec<Click> {
    (0..1_200).map(|n| (scattered(n) % users, i64::from(n / 8) + i64::from(scattered(n + 7_000) % 30))).collect()
}

#[test]
fn sliding_windows_that_are_put_away_after_each_batch_are_those_of_all_clicks() {
    let clicks = clicks(20);
    for windows in [Sliding::of(seconds(10)).every(seconds(3)), Sliding::of(seconds(2)).every(seconds(5))] {
        let mut expected: BTreeMap<(Window, u32), Vec<u32>> = BTreeMap::new();
        for (number, (user, at)) in (0..).zip(&clicks) {
            windows.assign(Timestamp::from_secs(*at), &mut |window| {
                expected.entry((window, *user)).or_default().push(number);
            });
        }
        let mut expected: Vec<Row> = expected.into_iter().map(|((window, user), all)| row(window, user, all)).collect();
        expected.sort();
        for (threads, batches) in [(1, 1_000), (2, 3)] {
            for state in [0, u64::MAX] {
                let found = in_pieces(&clicks, &windows, threads, state, batches);
                assert!(found == expected, "{windows}, {threads} threads, {state} bytes");
            }
        }
    }
}

#[test]
fn sessions_that_are_put_away_after_each_batch_are_those_of_all_clicks() {
    let clicks = clicks(60);
    let windows = Session::gap(seconds(4));
    let mut of_users: BTreeMap<u32, Sessions<Vec<u32>>> = BTreeMap::new();
    for (number, (user, at)) in (0..).zip(&clicks) {
        let window = windows.window_of(Timestamp::from_secs(*at));
        of_users.entry(*user).or_default().add(window, vec![number], |all, more| all.extend(more));
    }
    let rows = |(user, sessions): (u32, Sessions<Vec<u32>>)| {
        sessions.into_iter().map(move |(window, all)| row(window, user, all)).collect::<Vec<_>>()
    };
    let mut expected: Vec<Row> = of_users.into_iter().flat_map(rows).collect();
    expected.sort();
    assert!(expected.iter().any(|row| row.3.len() > 3) && expected.len() > 300);
    for (threads, batches) in [(1, 1_000), (2, 3)] {
        for state in [0, u64::MAX] {
            let found = in_pieces(&clicks, &windows, threads, state, batches);
            assert!(found == expected, "{threads} threads, {state} bytes");
        }
    }
}

/// A key that counts how often it is cloned.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Counted(u32);

static CLONES: AtomicU64 = AtomicU64::new(0);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// A key of the open windows is cloned when something is made of it. 20,000 users click once, and have gone; then one clicks
/// every second.
fn clones_of_those_that_have_gone<W: WindowKind<Counted>>(windows: W) {
    let test = TestJob::new();
    let many = (0..20_000).map(|user| (user, 0)).collect();
    let one_by_one = (100..130).map(|second| vec![(7, second)]);
    let rows = test.record(
        test.script([many].into_iter().chain(one_by_one))
            .event_time(|click: &Click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
            .key_by(|click| Counted(click.0))
            .window(windows)
            .count(),
    );
    test.batch().unwrap();
    test.batch().unwrap();
    let before = CLONES.load(Ordering::Relaxed);
    for _ in 0..29 {
        test.batch().unwrap();
    }
    let cloned = CLONES.load(Ordering::Relaxed) - before;
    assert!(cloned < 29 * 10, "{cloned} keys were looked at in 29 batches of one record");
    test.finish().unwrap();
    assert!(rows.batches().iter().flatten().count() >= 20_001);
}

#[test]
fn who_has_gone_costs_nothing_when_the_watermark_moves() {
    clones_of_those_that_have_gone(Sliding::of(seconds(4)).every(seconds(1)));
    clones_of_those_that_have_gone(Session::gap(seconds(4)));
}

#[test]
fn an_hour_by_the_second_merges_a_few_times_for_each_window() {
    let (test, merges) = (TestJob::new(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&merges);
    let rows = test.record(
        test.script((0..100).map(|batch| (0..60).map(|second| batch * 60 + second).collect()))
            .event_time(|second: &i64| Timestamp::from_secs(*second), Watermark::bounded(seconds(0)))
            .key_by(|_| 0_u8)
            .window(Sliding::of(hours(1)).every(seconds(1)))
            .fold(
                0_u64,
                |count, _| *count += 1,
                move |count, more| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    *count += more;
                },
            ),
    );
    test.run().unwrap();
    test.finish().unwrap();
    let rows: Vec<_> = rows.batches().concat();
    assert_eq!(rows.len(), 6_000 + 3_599);
    assert_eq!(rows.iter().map(|row| row.value).max(), Some(3_600));
    let merges = merges.load(Ordering::Relaxed);
    assert!(merges < 4 * 9_599, "{merges} merges for 9,599 windows of 3,600 slices");
}

/// Counts, before another window that counts these rows.
fn chained<W: WindowKind<u32>>(windows: W, threads: usize, clumsy: Clumsy) -> (Vec<(i64, u32, u64)>, [u64; 2]) {
    let results = Collector::new();
    let limits = BatchLimits::default().records(100);
    let job = StreamingContext::builder("chained").threads(threads).partitions(3).limits(limits).build().unwrap();
    let after = clumsy.clone();
    job.read(MemorySource::new(clicks(7)))
        .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(30)))
        .key_by(|click| click.0)
        .window(windows)
        .count()
        .inspect(move |row: &WindowResult<u32, u64>| {
            // A task has four attempts.
            if row.key == 3 && row.window.start().as_secs() % 7 == 0 {
                clumsy.handle(format!("{} of {}", row.key, row.window));
            }
        })
        .key_by(|row| row.key)
        .window(Tumbling::of(seconds(20)))
        .aggregate(Count)
        .inspect(move |row| {
            if row.key == 5 && row.window.start().as_secs() % 60 == 0 {
                after.handle(format!("tumbling {} of {}", row.key, row.window));
            }
        })
        .map(|row| (row.window.start().as_secs(), row.key, row.value))
        .write(results.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    let mut rows = results.records();
    rows.sort_unstable();
    (rows, [summary.late, summary.windows])
}

#[test]
fn windows_follow_windows_and_attempts_that_fail_change_nothing() {
    fn check<W: WindowKind<u32>>(windows: &W) {
        let expected = chained(windows.clone(), 1, Clumsy::default());
        assert_eq!(expected.1[0], 0, "no result is late for the windows after it");
        assert!(expected.0.len() > 20);
        for threads in [1, 3] {
            assert_eq!(chained(windows.clone(), threads, Clumsy::default()), expected);
            let dropped = Arc::new(Mutex::default());
            assert_eq!(chained(windows.clone(), threads, Clumsy(Some(Arc::clone(&dropped)))), expected);
            assert!(!dropped.lock().is_empty(), "some attempts have failed");
        }
    }
    check(&Sliding::of(seconds(7)).every(seconds(2)));
    check(&Session::gap(seconds(2)));
}

/// Clicks from two sources, of which one is slow and ends. What closes with that was open until then.
fn after_an_input_that_ends<W: WindowKind<u32>>(windows: W) -> (u64, Vec<(i64, u64)>) {
    let test = TestJob::new();
    let [slow, fast] = [QueueSource::new(1), QueueSource::new(1)];
    let clicks = test.context().read(slow.clone()).union(test.context().read(fast.clone()));
    let rows = test.record(
        clicks
            .event_time(|click: &Click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
            .key_by(|click| click.0)
            .window(windows)
            .count()
            .key_by(|row| row.key)
            .window(Tumbling::of(seconds(10)))
            .aggregate(Count)
            .map(|row| (row.window.start().as_secs(), row.value)),
    );
    slow.handle().push(vec![(1, 2)]).unwrap();
    fast.handle().push(vec![(1, 4), (1, 100)]).unwrap();
    let mut late = test.batch().unwrap().late;
    slow.handle().close();
    fast.handle().push(vec![(1, 101)]).unwrap();
    late += test.batch().unwrap().late;
    late += test.finish().unwrap().late;
    (late, rows.batches().concat())
}

#[test]
fn what_closes_because_an_input_has_ended_is_in_time_for_the_next_windows() {
    assert_eq!(after_an_input_that_ends(Tumbling::of(seconds(10))), (0, vec![(0, 1), (100, 1)]));
    assert_eq!(after_an_input_that_ends(Sliding::of(seconds(10)).every(seconds(5))), (0, vec![(0, 2), (100, 2)]));
    assert_eq!(after_an_input_that_ends(Session::gap(seconds(5))), (0, vec![(0, 1), (100, 1)]));
}
