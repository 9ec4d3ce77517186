//! What sliding windows cost, however many of them overlap: a count for each key in windows that begin every second.
//!
//! `cargo run --release -p firesteel-streaming --example overlap -- 1000 600` runs windows of 1 s to 1 h over 1,000 keys, each with a
//! record a second for 600 seconds, and prints rows and times. Every key has a row in each window, so that the rows are nearly as
//! many whatever the size.

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger};
use firesteel_window::{Session, Sliding, Timestamp, Watermark, seconds};

fn main() -> firesteel_streaming::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (keys, time) = (arguments.next().unwrap_or(1_000), arguments.next().unwrap_or(600));
    let records: Vec<(u64, i64)> = (0..keys * time).map(|n| (n % keys, (n / keys) as i64)).collect();
    for size in [1, 10, 60, 600, 3_600] {
        let job = StreamingContext::builder("overlap").limits(BatchLimits::default().records(keys * 10)).build()?;
        let counts = Collector::new();
        job.read(MemorySource::new(records.clone()))
            .event_time(|record| Timestamp::from_secs(record.1), Watermark::bounded(seconds(0)))
            .key_by(|record| record.0)
            .window(Sliding::of(seconds(size)).every(seconds(1)))
            .count()
            .filter(|row| row.value == 0)
            .write(counts.clone());
        let mut run = job.begin()?;
        let (mut micros, mut left) = (0, Some(1));
        while left != Some(0) {
            let progress = run.next_batch()?;
            micros += progress.durations.process_us;
            left = progress.inputs[0].left;
        }
        let rows = keys * time;
        println!("{size:>5} s every second: {rows} records, {:.0} ns each", micros as f64 * 1e3 / rows as f64);
    }
    let job = StreamingContext::builder("sessions").limits(BatchLimits::default().records(keys * 10)).build()?;
    job.read(MemorySource::new(records))
        .event_time(|record| Timestamp::from_secs(record.1), Watermark::bounded(seconds(0)))
        .key_by(|record| record.0)
        .window(Session::gap(seconds(5)))
        .count()
        .write(Collector::new());
    let summary = job.run_to_summary(Trigger::AvailableNow)?;
    println!(
        "sessions: {} records, {:.0} ns each",
        keys * time,
        summary.elapsed_us as f64 * 1e3 / (keys * time) as f64
    );
    Ok(())
}
