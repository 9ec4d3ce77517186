//! What patterns cost: three slow readings of a road in a row, within five minutes.
//!
//! `cargo run --release -p firesteel-streaming --example patterns -- 100000 100` has that many roads with a reading a second each, for as many
//! seconds as are said. The same is looked for by a loop written by hand, by a pattern over the plain records, and by a job on one thread and on
//! two: where records come in order, so that none waits beyond its batch, and where they may be ten seconds late, so that most do. All
//! find as much.

#![allow(clippy::disallowed_methods, reason = "it measures the time that passes")]

use std::collections::HashMap;
use std::time::Instant;

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger};
use firesteel_window::{Outcome, Partials, Pattern, Timestamp, Watermark, minutes, seconds};

/// The road, the second, and how fast traffic is.
type Reading = (u32, u32, u32);

const SLOW: u32 = 30;

fn pattern() -> Pattern<Reading> {
    Pattern::begin("slow", |reading: &Reading| reading.2 < SLOW).times(3).in_a_row().within(minutes(5))
}

/// Speeds of 0 to 99 that are spread over their range, the same in every run.
fn speed(n: u32) -> u32 {
    let mixed = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) as u32 % 100
}

fn readings(roads: u32, time: u32) -> Vec<Reading> {
    (0..time).flat_map(|at| (0..roads).map(move |road| (road, at, speed(at * roads + road)))).collect()
}

/// When the slow readings of a road happened that directly precede.
#[derive(Default)]
struct Road {
    slow: u8,
    times: [u32; 2],
}

fn by_hand(readings: &[Reading]) -> u64 {
    let (mut roads, mut jams) = (HashMap::<u32, Road>::new(), 0);
    for (road, at, speed) in readings {
        let state = roads.entry(*road).or_default();
        if *speed >= SLOW {
            state.slow = 0;
            continue;
        }
        if state.slow == 2 && at - state.times[0] <= 300 {
            jams += 1;
            state.slow = 0;
            continue;
        }
        if state.slow == 2 {
            state.times[0] = state.times[1];
            state.slow = 1;
        }
        state.times[usize::from(state.slow)] = *at;
        state.slow += 1;
    }
    jams
}

fn by_pattern(readings: &[Reading]) -> u64 {
    let (pattern, mut roads, mut jams) = (pattern(), HashMap::<u32, Partials<Reading>>::new(), 0);
    for reading in readings {
        let of_road = roads.entry(reading.0).or_default();
        pattern.push(of_road, Timestamp::from_secs(reading.1.into()), *reading, |outcome| {
            jams += u64::from(matches!(outcome, Outcome::Match(_)));
        });
    }
    jams
}

fn by_job(readings: &[Reading], threads: usize, late: i64, batch: u64) -> firesteel_streaming::Result<(u64, u64)> {
    let limits = BatchLimits::default().records(batch);
    let job = StreamingContext::builder("patterns").threads(threads).limits(limits).build()?;
    let jams = Collector::new();
    job.read(MemorySource::new(readings.to_vec()))
        .event_time(|reading| Timestamp::from_secs(reading.1.into()), Watermark::bounded(seconds(late)))
        .key_by(|reading| reading.0)
        .match_pattern(pattern())
        .matches(|found| found.end())
        .write(jams.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow)?;
    Ok((jams.records().len() as u64, summary.elapsed_us * 1_000))
}

fn main() -> firesteel_streaming::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (roads, time) = (arguments.next().unwrap_or(100_000), arguments.next().unwrap_or(100));
    let readings = readings(roads, time);
    let each = |nanos: u64| nanos as f64 / readings.len() as f64;
    let took = |find: &dyn Fn(&[Reading]) -> u64| {
        let begin = Instant::now();
        let found = find(&readings);
        (found, begin.elapsed().as_nanos() as u64)
    };
    let (expected, nanos) = took(&by_hand);
    println!("{} readings of {roads} roads, {expected} jams", readings.len());
    println!("by hand:                          {:6.1} ns each", each(nanos));
    let (found, nanos) = took(&by_pattern);
    assert_eq!(found, expected);
    println!("by a pattern:                     {:6.1} ns each", each(nanos));
    for (threads, late, batch) in
        [(1, 0, 1_000_000), (2, 0, 1_000_000), (1, 10, 1_000_000), (2, 10, 1_000_000), (2, 0, 100_000)]
    {
        let (found, nanos) = by_job(&readings, threads, late, batch)?;
        assert_eq!(found, expected);
        println!("by a job, {threads} threads, {late:2} s late, {batch:7} a batch: {:6.1} ns each", each(nanos));
    }
    Ok(())
}
