//! What a tiny job costs: two stages over 100 records, the graph built anew each time, as a micro-batch does.
//!
//! `cargo run --release -p firesteel-scheduler --example overhead`

use std::hint::black_box;

use firesteel_core::{Actions, Clock, Context, JobOptions, PairOps, RddOps, Result, Settings, SystemClock};
use firesteel_scheduler::Scheduler;
use firesteel_window::Sum;

fn batch(context: &Context, partitions: usize) -> Result<usize> {
    let records = (0..partitions as u64).map(|part| (part * 50..(part + 1) * 50).collect()).collect();
    let counts = context.from_partitions::<u64>(records).map(|n| (n % 10, 1)).aggregate_by_key(Sum);
    Ok(counts.collect()?.len())
}

/// The median time of a call, in microseconds, over many rounds.
fn measure(name: &str, mut call: impl FnMut() -> Result<usize>) -> Result<()> {
    const CALLS: u32 = 200;
    let clock = SystemClock::new();
    let mut rounds = Vec::new();
    for _ in 0..200 {
        let started = clock.monotonic();
        for _ in 0..CALLS {
            black_box(call()?);
        }
        rounds.push(clock.monotonic() - started);
    }
    rounds.sort();
    println!("{name:40} {:8.2} µs", rounds[rounds.len() / 2].as_micros() as f64 / f64::from(CALLS));
    Ok(())
}

fn main() -> Result<()> {
    let scheduler = Scheduler::builder().threads(2).build()?;
    let context = scheduler.context(Settings::default());
    let moving = context.with_options(JobOptions { single_use: true, ..JobOptions::default() });
    measure("two stages, 2 partitions", || batch(&context, 2))?;
    measure("two stages, 2 partitions, single use", || batch(&moving, 2))?;
    measure("two stages, 1 partition into 2", || batch(&context, 1))?;
    let records = context.from_partitions(vec![(0..50u64).collect(), (50..100).collect()]);
    measure("one stage, 2 partitions, graph kept", || records.count().map(|count| count as usize))?;
    let nothing = context.from_partitions(vec![Vec::<u64>::new()]);
    measure("one empty task, graph kept", || nothing.count().map(|count| count as usize))?;
    let spread = Scheduler::builder().threads(2).adaptive(firesteel_scheduler::Adaptive::off()).build()?;
    let context = spread.context(Settings::default());
    measure("two stages, 2 partitions, on executors", || batch(&context, 2))?;
    Ok(())
}
