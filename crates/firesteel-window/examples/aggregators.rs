//! What aggregators take for each value.
//!
//! ```text
//! cargo run --release -p firesteel-window --example aggregators
//! ```
//!
//! Each is the lower decile of many runs over the same values: what it takes when no other program is in the way.

#![allow(clippy::disallowed_methods, reason = "it measures the time that passes")]

use std::hint::black_box;
use std::time::Instant;

use firesteel_window::{
    Aggregator, ApproxDistinct, ApproxQuantiles, CountWindow, Counted, Distinct, Max, MaxBy, Mean, Quantiles, Stats,
    Sum, TopN,
};

const VALUES: u32 = 100_000;
const RUNS: usize = 100;

/// Numbers that are spread over their range, the same in every run.
fn scattered(n: u32) -> u32 {
    let mixed = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) as u32
}

fn measure(name: &str, mut run: impl FnMut()) {
    let mut took: Vec<_> = (0..RUNS)
        .map(|_| {
            let begin = Instant::now();
            run();
            begin.elapsed()
        })
        .collect();
    took.sort_unstable();
    println!("{name:40} {:8.1} ns a value", took[RUNS / 10].as_nanos() as f64 / f64::from(VALUES));
}

fn all<In: Copy, A: Aggregator<In>>(name: &str, aggregator: &A, values: &[In]) {
    measure(name, || {
        let mut acc = aggregator.create();
        for value in values {
            aggregator.add(&mut acc, *value);
        }
        black_box(aggregator.finish_owned(acc));
    });
}

fn main() {
    let numbers: Vec<u32> = (0..VALUES).map(scattered).collect();
    let few: Vec<u32> = numbers.iter().map(|n| n % 100).collect();
    let latencies: Vec<f64> = numbers.iter().map(|n| 1e9 / (f64::from(*n) + 1e5)).collect();
    all("sum", &Sum, &numbers);
    all("mean of floating-point numbers", &Mean, &latencies);
    all("max", &Max, &numbers);
    all("max of floating-point numbers", &Max, &latencies);
    all("max by", &MaxBy::new(|n: &u32| n % 1_000), &numbers);
    all("stats", &Stats, &latencies);
    all("top 10", &TopN::new(10), &numbers);
    all("top 10 by", &TopN::by(10, |n: &u32| n % 1_000), &numbers);
    all("top 1,000", &TopN::new(1_000), &numbers);
    all("distinct, 100 values", &Distinct, &few);
    all("distinct, 100,000 values", &Distinct, &numbers);
    all("distinct, nearly, 100 values", &ApproxDistinct::new(), &few);
    all("distinct, nearly, 100,000 values", &ApproxDistinct::new(), &numbers);
    all("quantiles", &Quantiles::new([0.5, 0.99]), &latencies);
    all("quantiles, nearly", &ApproxQuantiles::new([0.5, 0.99]), &latencies);
    for (size, slide) in [(100, 100), (100, 10), (1_000, 1)] {
        let windows = CountWindow::of(size).every(slide);
        measure(&windows.to_string(), || {
            let mut counted = Counted::new();
            for number in &numbers {
                black_box(counted.add(windows, &Sum, *number));
            }
        });
    }
}
