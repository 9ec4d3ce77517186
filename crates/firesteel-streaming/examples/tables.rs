//! What joins with tables cost.
//!
//! `cargo run --release -p firesteel-streaming --example tables` looks ten million records up in a table of a million keys, beside a
//! loop over the same records and a `HashMap`, and joins a million records with a million versions as of event time and in order of
//! arrival. What comes out is compared. The numbers of records, keys and pairs can be given, in this order.

use std::collections::HashMap;
use std::hint::black_box;

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::{Clock, SystemClock};
use firesteel_streaming::{BatchLimits, Stream, StreamingContext, Table, Timed, Trigger};
use firesteel_window::{Duration, Timestamp, Watermark};

fn main() -> firesteel_streaming::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let mut next = |usual| arguments.next().unwrap_or(usual);
    let (records, keys, pairs) = (next(10_000_000), next(1_000_000), next(1_000_000));
    let clock = SystemClock::new();
    let report = |what: &str, records: u64, took: Duration| {
        println!("{what}: {:.1} ns for each of {records}", took.as_micros() as f64 * 1e3 / records as f64);
    };

    // Spread over all keys, in no order.
    let probes: Vec<u64> = (0..records).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % keys).collect();
    let by_key: HashMap<u64, u64> = (0..keys).map(|key| (key, key / 2)).collect();
    let begun = clock.monotonic();
    let expected: u64 = probes.iter().filter_map(|key| by_key.get(black_box(key))).sum();
    report("a loop over a HashMap", records, clock.monotonic().saturating_sub(begun));

    let table = Table::of(by_key);
    for threads in [1, 2] {
        for looks_up in [false, true] {
            let job = StreamingContext::builder("table").threads(threads);
            let job = job.limits(BatchLimits::default().records(1_000_000)).build()?;
            let probes = job.read(MemorySource::new(probes.clone()));
            let found = match looks_up {
                true => probes.join_table(&table, |key| *key).inner(|_, value| *value),
                false => probes,
            };
            let sums = Collector::new();
            found.map_partitions(|values| Box::new(std::iter::once(values.sum::<u64>()))).write(sums.clone());
            let begun = clock.monotonic();
            job.run(Trigger::AvailableNow)?;
            let what = if looks_up { "join_table" } else { "the same without it" };
            report(&format!("{what}, {threads} threads"), records, clock.monotonic().saturating_sub(begun));
            assert!(!looks_up || sums.records().iter().sum::<u64>() == expected, "all records are found");
        }
    }

    // A thousand keys: each record comes half a step after a version of its key.
    let at = |record: &(u64, i64)| Timestamp::from_micros(record.1);
    let versions: Vec<(u64, i64)> = (0..pairs).map(|n| (n % 1_000, n as i64 * 10)).collect();
    let orders: Vec<(u64, i64)> = versions.iter().map(|(key, at)| (*key, at + 5)).collect();
    for as_of in [true, false] {
        let job = StreamingContext::builder("as of").limits(BatchLimits::default().records(100_000)).build()?;
        let side = |records: &[(u64, i64)], name: &str| -> Stream<(u64, (u64, i64)), Timed> {
            let records = job.read(MemorySource::new(records.to_vec())).named(name);
            records.event_time(at, Watermark::bounded(Duration::ZERO)).key_by(|record| record.0)
        };
        let (orders, table) = (side(&orders, "orders"), side(&versions, "versions").as_table());
        let apart = |order: (u64, i64), version: &(u64, i64)| order.1 - version.1;
        let rows = match as_of {
            true => orders.as_of(table).inner(apart),
            false => orders.join_latest(table).inner(apart),
        };
        let (apart, begun) = (Collector::new(), clock.monotonic());
        rows.map(|(_, apart)| apart).write(apart.clone());
        job.run(Trigger::AvailableNow)?;
        let what = if as_of { "as_of" } else { "join_latest" };
        report(&format!("{what}, a record and a version"), pairs, clock.monotonic().saturating_sub(begun));
        let apart = apart.records();
        assert_eq!(apart.len() as u64, pairs, "each record has met a version");
        assert!(!as_of || apart.iter().all(|apart| *apart == 5), "each has met its own");
    }
    Ok(())
}
