//! Windows that fire early, on time and late: what stands in the end, whatever fails and however the work is spread.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::sync::Arc;

use common::Clumsy;
use firesteel_connect_memory::{Collector, LatestRows, MemorySource};
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger, WindowKind};
use firesteel_window::{Duration, Early, Firing, Session, Sliding, Timestamp, Tumbling, Watermark, Window, seconds};
use parking_lot::Mutex;

type Click = (u32, i64);

/// Clicks of ten users, which come up to forty seconds late.
fn clicks() -> Vec<Click> {
    let mixed = |n: u64| (n ^ 0x5DEE_CE66).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    (0..6_000).map(|n| ((mixed(n) % 10) as u32, n as i64 / 12 - (mixed(n + 7) % 41) as i64)).collect()
}

fn context(threads: usize) -> StreamingContext {
    let limits = BatchLimits::default().records(40);
    StreamingContext::builder("changing").threads(threads).partitions(3).limits(limits).build().unwrap()
}

/// The rows of windows that fire once, where nothing is late.
fn once<W: WindowKind<u32>>(windows: W) -> Vec<(Window, u32, u64)> {
    let (job, rows) = (context(1), Collector::new());
    job.read(MemorySource::new(clicks()))
        .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(100)))
        .key_by(|click| click.0)
        .window(windows)
        .count()
        .map(|row| (row.window, row.key, row.value))
        .write(rows.clone());
    assert_eq!(job.run_to_summary(Trigger::AvailableNow).unwrap().late, 0);
    let mut rows = rows.records();
    rows.sort_unstable();
    rows
}

/// What stands in the end, what came on time, and how often windows fired of each kind.
type Ended = (Vec<(Window, u32, u64)>, Vec<(Window, u32, u64)>, [usize; 3]);

/// The same of windows that fire again, where the watermark waits for nothing.
fn again<W: WindowKind<u32>>(windows: W, early: Option<Early>, threads: usize, clumsy: Clumsy) -> Ended {
    let (job, newest) = (context(threads), LatestRows::new());
    let (on_time, firings) = (Collector::new(), Collector::new());
    let changing = job
        .read(MemorySource::new(clicks()))
        .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(1)))
        .key_by(|click| click.0)
        .window(windows)
        .allow_late(seconds(100));
    let changing = if let Some(early) = early { changing.trigger(early) } else { changing };
    let changes = changing.count().map_values(move |count| {
        // A task has four attempts.
        if count % 5 == 0 && count < 16 {
            clumsy.handle(count.to_string());
        }
        count
    });
    changes.clone().changelog().map(|change| change.firing).write(firings.clone());
    changes.clone().on_time().map(|row| (row.window, row.key, row.value)).write(on_time.clone());
    changes.write(newest.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!(summary.late, 0, "all is within the allowance");
    let mut on_time = on_time.records();
    on_time.sort_unstable();
    let firings = firings.records();
    let count = |kind| firings.iter().filter(|firing| **firing == kind).count();
    (newest.rows(), on_time, [Firing::Early, Firing::OnTime, Firing::Late].map(count))
}

fn check<W: WindowKind<u32>>(windows: &W) {
    let expected = once(windows.clone());
    for early in [None, Some(Early::every_records(3)), Some(Early::every(Duration::micros(1)))] {
        let (rows, on_time, firings) = again(windows.clone(), early, 1, Clumsy::default());
        assert_eq!(rows, expected, "{early:?}");
        assert!(firings[1] > 100 && firings[2] > 100 && (firings[0] > 10) == early.is_some(), "{firings:?}");
        for threads in [1, 3] {
            let dropped = Arc::new(Mutex::default());
            let ended = again(windows.clone(), early, threads, Clumsy(Some(Arc::clone(&dropped))));
            assert_eq!((&ended.0, &ended.1), (&expected, &on_time), "{early:?}, {threads} threads");
            assert!(!dropped.lock().is_empty(), "some attempts have failed");
        }
        let spread = again(windows.clone(), early, 3, Clumsy::default());
        assert_eq!((&spread.0, &spread.1), (&expected, &on_time), "{early:?}");
    }
}

#[test]
fn what_stands_in_the_end_is_what_one_firing_gives() {
    check(&Tumbling::of(seconds(7)));
    check(&Sliding::of(seconds(7)).every(seconds(2)));
    check(&Session::gap(seconds(2)));
}
