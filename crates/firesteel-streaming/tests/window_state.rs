//! Open windows are state like any other: within a budget, on every backend, in progress records, over restarts.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::Kept;
use firesteel_budget::{Memory, Part, mib};
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_state::StateBackend;
use firesteel_streaming::{
    BatchLimits, BatchProgress, Checkpoint, StateProgress, StreamingContext, StreamingListener, Trigger, WindowResult,
};
use firesteel_window::{Timestamp, Tumbling, Watermark, hours, seconds};
use parking_lot::Mutex;

/// Keeps the progress of all batches.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<BatchProgress>>>);

impl StreamingListener for Heard {
    fn on_batch(&self, progress: &BatchProgress) {
        self.0.lock().push(progress.clone());
    }
}

impl Heard {
    fn states(&self) -> Vec<StateProgress> {
        self.0.lock().iter().map(|progress| progress.states[0].clone()).collect()
    }
}

/// A user's click at a second.
type Click = (u32, i64);

type Row = (i64, u32, String);

fn rows(results: &Collector<WindowResult<u32, Vec<u32>>>) -> Vec<Row> {
    let text = |all: &[u32]| all.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let mut rows: Vec<_> =
        results.records().iter().map(|row| (row.window.start().as_secs(), row.key, text(&row.value))).collect();
    rows.sort();
    rows
}

/// What each user has clicked in each ten seconds: the numbers of the clicks, in their order.
fn expected(clicks: &[Click]) -> Vec<Row> {
    let mut windows: BTreeMap<(i64, u32), Vec<String>> = BTreeMap::new();
    for (number, (user, at)) in clicks.iter().enumerate() {
        windows.entry((at / 10 * 10, *user)).or_default().push(number.to_string());
    }
    windows.into_iter().map(|((window, user), all)| (window, user, all.join(" "))).collect()
}

struct Job<'a> {
    checkpoint: Checkpoint,
    memory: Memory,
    threads: usize,
    delay: i64,
    batch: u64,
    heard: &'a Heard,
}

impl Job<'_> {
    /// Lists the clicks of each user in each ten seconds, in their order.
    fn context(&self, clicks: &[Click], results: &Collector<WindowResult<u32, Vec<u32>>>) -> StreamingContext {
        let numbered: Vec<(u32, Click)> = (0..).zip(clicks.iter().copied()).collect();
        let job = StreamingContext::builder("windows")
            .threads(self.threads)
            .limits(BatchLimits::default().records(self.batch))
            .memory(self.memory.clone())
            .checkpoint(self.checkpoint.clone())
            .listener(self.heard.clone())
            .build()
            .unwrap();
        job.read(MemorySource::new(numbered))
            .named("clicks")
            .event_time(|click| Timestamp::from_secs(click.1.1), Watermark::bounded(seconds(self.delay)))
            .map(|(number, (user, _))| (user, number))
            .window(Tumbling::of(seconds(10)))
            .fold(Vec::new(), |all, number| all.push(number), |all: &mut Vec<u32>, more| all.extend(more))
            .named("per ten seconds")
            .write(results.clone());
        job
    }
}

/// Scattered numbers, the same in every run.
fn scattered(n: u32) -> u32 {
    let mixed = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) as u32
}

#[test]
fn many_keys_in_open_windows_stay_within_the_memory_for_state() {
    // 60,000 users click twice in each of three windows, which stay open for long.
    let users = 60_000;
    let clicks: Vec<Click> =
        (0..3 * 2 * users).map(|n| (scattered(n) % users, i64::from(n / (2 * users)) * 10)).collect();
    let (folder, results, heard) = (tempfile::tempdir().unwrap(), Collector::new(), Heard::default());
    let backend = Kept::default();
    let memory = Memory::default().state(mib(4));
    let checkpoint = Checkpoint::in_folder(folder.path()).interval(hours(1)).backend(backend.clone());
    let job = Job { checkpoint, memory: memory.clone(), threads: 2, delay: 25, batch: 5_000, heard: &heard };
    job.context(&clicks, &results).run(Trigger::AvailableNow).unwrap();

    assert!(
        rows(&results) == expected(&clicks),
        "windows that were put away and fetched again lost or doubled something"
    );
    let heard = heard.0.lock();
    let ended = heard.iter().filter(|progress| progress.ends_epoch).count();
    assert!(ended > 5, "epochs of an hour end early when memory is short: {ended} of {} batches", heard.len());
    let peak = heard.iter().map(|progress| progress.states[0].memory_bytes).max().unwrap();
    // What one batch adds may come on top.
    assert!((mib(2)..mib(6)).contains(&peak), "{peak} bytes");
    let last = heard.last().unwrap();
    assert_eq!((last.states[0].keys, last.windows), (0, 3), "in the end all windows have fired");
    assert!(heard.iter().map(|progress| progress.states[0].keys).max().unwrap() > 2 * u64::from(users));
    assert!(backend.0.metrics().keys_found > 1_000, "keys came back from the backend");
    drop(heard);
    assert_eq!(memory.part(Part::State).used(), 0);
}

/// Runs a job that is ended after this many batches, and started again, until all is read.
fn in_pieces(clicks: &[Click], job: impl Fn() -> Job<'static>, batches: usize) -> Vec<Row> {
    let results = Collector::new();
    let mut left = Some(1);
    while left != Some(0) {
        let mut run = job().context(clicks, &results).begin().unwrap();
        for _ in 0..batches {
            left = run.next_batch().unwrap().inputs[0].left;
        }
    }
    job().context(clicks, &results).run(Trigger::AvailableNow).unwrap();
    rows(&results)
}

#[test]
fn windows_that_are_put_away_after_each_batch_come_back_for_records_for_their_end_and_after_restarts() {
    // Out of order by up to 30 seconds: many windows are open, and each gets records again and again.
    let click = |n: u32| (scattered(n) % 40, i64::from(n / 8) + i64::from(scattered(n + 7_000) % 30));
    let clicks: Vec<Click> = (0..1_600).map(click).collect();
    for (threads, batches) in [(1, 1_000), (2, 3)] {
        for state in [0, u64::MAX] {
            let (folder, heard) = (tempfile::tempdir().unwrap(), Box::leak(Box::new(Heard::default())));
            let backend = Kept::default();
            let heard: &'static Heard = heard;
            let job = || Job {
                checkpoint: Checkpoint::in_folder(folder.path()).every_batch().backend(backend.clone()),
                memory: Memory::default().state(state),
                threads,
                delay: 30,
                batch: 64,
                heard,
            };
            let found = in_pieces(&clicks, job, batches);
            assert!(found == expected(&clicks), "{threads} threads, {state} bytes");
            let states = heard.states();
            if state == 0 {
                assert!(states.iter().all(|state| state.keys < 2_000), "{states:?}");
                let metrics = backend.0.metrics();
                assert!(
                    metrics.keys_found > 100,
                    "keys are read again when records for them come: {threads} {metrics:?}"
                );
            }
            assert_eq!(states.last().unwrap().keys, 0);
        }
    }
}

#[test]
fn a_late_record_is_late_though_its_window_has_long_left_memory() {
    let clicks = [(1, 3), (2, 4), (1, 15), (1, 26), (2, 5), (1, 8), (3, 27)];
    let (folder, results, heard) = (tempfile::tempdir().unwrap(), Collector::new(), Heard::default());
    let checkpoint = Checkpoint::in_folder(folder.path()).every_batch().backend(Kept::default());
    let job = Job { checkpoint, memory: Memory::default().state(0), threads: 1, delay: 0, batch: 1, heard: &heard };
    let summary = job.context(&clicks, &results).run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!(summary.late, 2);
    let expected = [(0, 1, "0"), (0, 2, "1"), (10, 1, "2"), (20, 1, "3"), (20, 3, "6")];
    assert_eq!(rows(&results), expected.map(|(window, user, all)| (window, user, all.to_owned())));
}

#[test]
fn progress_tells_how_many_keys_are_in_open_windows_and_what_they_take() {
    let (source, heard) = (QueueSource::new(1), Heard::default());
    let job = StreamingContext::builder("windows").threads(1).listener(heard.clone()).build().unwrap();
    job.read(source.clone())
        .event_time(|click: &Click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(0)))
        .key_by(|click| click.0)
        .window(Tumbling::of(seconds(10)))
        .count()
        .named("per ten seconds")
        .write(Collector::new());
    let mut run = job.begin().unwrap();
    for batch in [vec![(1, 1), (2, 2), (1, 3)], vec![(2, 4), (3, 5)], vec![(1, 12)], vec![(1, 13), (1, 33)]] {
        source.handle().push(batch).unwrap();
        run.next_batch().unwrap();
    }
    let states = heard.states();
    assert_eq!(&*states[0].operator, "per ten seconds");
    let numbers: Vec<_> = states.iter().map(|state| (state.keys, state.updated, state.removed)).collect();
    assert_eq!(numbers, [(2, 2, 0), (3, 2, 0), (1, 1, 3), (1, 2, 1)]);
    assert!(states.iter().all(|state| (100..10_000).contains(&state.memory_bytes)), "{states:?}");
}
