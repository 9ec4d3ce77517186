//! The suites for everything in the crate.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

use firesteel_connect::conformance;
use firesteel_connect_memory::{Collector, MemorySource, QueueSource, RateRecord, RateSource};
use firesteel_window::{Duration, Timestamp};

#[test]
fn slices() {
    let shared: Arc<[u32]> = (0..100).collect();
    let make = || MemorySource::partitions([Arc::clone(&shared), Arc::from([]), Arc::from([7])]);
    conformance::source(make, &[(0..100).collect(), vec![], vec![7]]);
    let names = || MemorySource::new(vec!["a".to_owned(), "b".to_owned()]);
    conformance::source(names, &[vec!["a".to_owned(), "b".to_owned()]]);
    conformance::source(|| MemorySource::new(Vec::<u8>::new()), &[vec![]]);
    // Records without a size are records too.
    conformance::source(|| MemorySource::new(vec![(); 3]), &[vec![(); 3]]);
}

#[test]
fn a_queue() {
    let make = |keep: bool| {
        let queue = QueueSource::new(3);
        let queue = if keep { queue.keep_committed() } else { queue };
        queue.handle().push((0..10).collect()).unwrap();
        queue.handle().push_partitions(vec![vec![10], vec![], vec![11, 12], vec![13]]).unwrap();
        queue.handle().close();
        queue
    };
    let expected = [vec![0, 1, 2, 10], vec![3, 4, 5], vec![6, 7, 8, 9, 11, 12], vec![13]];
    conformance::source(|| make(false), &expected);
    conformance::source(|| make(true), &expected);
}

#[test]
fn a_queue_that_is_filled_while_it_is_read() {
    let make = || {
        let queue = QueueSource::default();
        let handle = queue.handle();
        let push = move || (0..50).try_for_each(|n| handle.push(vec![n]));
        std::thread::Builder::new().spawn(push).unwrap();
        queue
    };
    conformance::source(make, &[(0..50).collect()]);
}

#[test]
fn a_rate() {
    let start = Timestamp::from_secs(50);
    let now = start + Duration::millis(2_500);
    let record = |value: u64| RateRecord { timestamp: start + Duration::micros(value as i64 * 50_000), value };
    let partition = |first: u64| (first..50).step_by(3).map(record).collect::<Vec<_>>();
    let make = || RateSource::new(20).partitions(3).starting_at(start);
    conformance::source_at(make, now, &[partition(0), partition(1), partition(2)]);
    let limited = || RateSource::new(20).starting_at(start).limit(7);
    conformance::source_at(limited, now, &[(0..7).map(record).collect()]);
}

#[test]
fn a_collector() {
    conformance::sink(Collector::new, |sink| sink.records(), |n| n);
    conformance::sink_restarts(Collector::new, |sink| sink.clone(), |sink| sink.records(), |n| n.to_string());
}
