//! A job that is started again writes after what its sinks have, never over it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_streaming::{StreamingContext, Trigger};

fn run(results: &Collector<u32>, other: Option<&Collector<u32>>) {
    let job = StreamingContext::builder("again").threads(1).build().unwrap();
    let numbers = job.read(MemorySource::new(vec![1u32, 2, 3]));
    if let Some(other) = other {
        numbers.clone().write(other.clone());
    }
    numbers.write(results.clone());
    job.run(Trigger::AvailableNow).unwrap();
}

#[test]
fn a_second_run_into_the_same_sink_is_not_taken_for_the_first() {
    let results = Collector::new();
    run(&results, None);
    run(&results, None);
    assert_eq!(results.records(), [1, 2, 3, 1, 2, 3]);
    let epochs: Vec<_> = results.batches().into_iter().map(|(epoch, _)| epoch.0).collect();
    assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
}

#[test]
fn the_sink_that_is_furthest_decides() {
    let (old, new) = (Collector::new(), Collector::new());
    run(&old, None);
    run(&new, Some(&old));
    assert_eq!((old.records().len(), new.records().len()), (6, 3));
}
