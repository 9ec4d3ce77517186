//! Event-time windows through the batch loop.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_streaming::{StreamingContext, Trigger, WindowResult};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

fn rows(results: &[WindowResult<u32, u64>]) -> Vec<(u32, i64, u64)> {
    let mut rows: Vec<_> = results.iter().map(|row| (row.key, row.window.start().as_secs(), row.value)).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn a_bounded_source_closes_all_windows() {
    let events: Vec<(u32, i64)> = (0..1000).map(|n| (n % 3, i64::from(n) / 10)).collect();
    let results = Collector::new();
    let job = StreamingContext::builder("windows").threads(2).build().unwrap();
    job.read(MemorySource::new(events.clone()))
        .event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(1)))
        .key_by(|event| event.0)
        .window(Tumbling::of(seconds(10)))
        .count()
        .write(results.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!((summary.rows_in, summary.late, summary.rows_out), (1000, 0, 30));
    assert_eq!(summary.windows, 10, "three keys do not make a window three");
    let mut expected = std::collections::BTreeMap::new();
    for (key, at) in events {
        *expected.entry((key, at / 10 * 10)).or_insert(0u64) += 1;
    }
    let expected: Vec<_> = expected.into_iter().map(|((key, at), count)| (key, at, count)).collect();
    assert_eq!(rows(&results.records()), expected);
}

#[test]
fn a_window_that_cannot_work_is_refused_however_often_the_program_is_asked() {
    let job = StreamingContext::builder("windows").threads(1).build().unwrap();
    job.read(MemorySource::new(vec![1i64]))
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(1)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(0)))
        .count()
        .write(Collector::new());
    let explained = [job.explain().unwrap_err().to_string(), job.explain().unwrap_err().to_string()];
    assert_eq!(explained[0], explained[1]);
    assert_eq!(job.run(Trigger::Once).unwrap_err().to_string(), explained[0]);
}
