//! Records whose time is far ahead of the clock.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_core::{Clock, ManualClock};
use firesteel_streaming::StreamingContext;
use firesteel_window::{Timestamp, Tumbling, Watermark, WatermarkStrategy, days, minutes, seconds};

const NOW: Timestamp = Timestamp::from_secs(1_764_460_800);

/// What comes of three batches of honest records, with one that is wrong by years in the second: how many are late, and in how
/// many windows the others were counted before the end.
fn run(watermark: impl WatermarkStrategy + Send + Sync + 'static, wrong: i64, threads: usize) -> (u64, usize) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(NOW));
    let (queue, results) = (QueueSource::new(1).one_at_a_time(), Collector::new());
    let job = StreamingContext::builder("ahead").threads(threads).clock(clock).build().unwrap();
    job.read(queue.clone())
        .event_time(|at: &i64| NOW + seconds(*at), watermark)
        .key_by(|_| 0_u8)
        .window(Tumbling::of(seconds(10)))
        .count()
        .write(results.clone());
    let mut job = job.begin().unwrap();
    let mut late = 0;
    for batch in [vec![1, 5, 12], vec![13, wrong, 25], vec![27, 31, 55]] {
        queue.handle().push(batch).unwrap();
        late += job.next_batch().unwrap().late;
    }
    (late, results.records().len())
}

#[test]
fn one_record_from_the_future_closes_every_window_unless_that_is_bounded() {
    let years = days(36_500).as_micros() / 1_000_000;
    for threads in [1, 2] {
        let plain = Watermark::bounded(seconds(2));
        assert_eq!(run(plain, 26, threads), (0, 4), "as it should be");
        let (late, _) = run(plain, years, threads);
        assert_eq!(late, 3, "all that is honest is late from then on");
        assert_eq!(run(plain.ahead_at_most(minutes(5)), years, threads), (0, 4));
        // The clock itself is no limit to what is near it.
        assert_eq!(run(plain.ahead_at_most(minutes(5)), 290, threads).0, 3);
        assert_eq!(run(plain.ahead_at_most(minutes(5)), 330, threads), (0, 4));
    }
}
