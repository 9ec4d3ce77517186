//! Formats whose objects are merged.

use firesteel_connect::{Epoch, Sink, SinkContext, Source, WriteTask};
use firesteel_connect_object_store::{Bucket, Compaction};
use serde::{Deserialize, Serialize};

use super::common::all;
use super::{Checkpoint, job, memory};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    value: Option<f64>,
    number: u64,
}

fn readings(epoch: u64) -> Vec<Reading> {
    let reading = |n: u64| Reading {
        sensor: format!("sensor, \"{}\"\n", n % 3),
        value: (!n.is_multiple_of(3)).then_some(n as f64 / 7.0),
        number: epoch * 1_000 + n,
    };
    (0..20).map(reading).collect()
}

fn due(epochs: u64) -> Vec<Reading> {
    (1..=epochs).flat_map(readings).collect()
}

fn sorted(mut readings: Vec<Reading>) -> Vec<Reading> {
    readings.sort_by_key(|reading| reading.number);
    readings
}

fn check<S: Sink<Reading>, R: Source<Item = Reading>>(make: impl Fn(&Bucket) -> S, read: impl Fn(&Bucket) -> R) {
    let (_, bucket) = memory();
    let write = |from: u64, to: u64| {
        let sink = make(&bucket);
        sink.start(&SinkContext::default()).unwrap();
        for epoch in from..=to {
            let pending = sink.write(WriteTask::new(Epoch(epoch), 0), readings(epoch).into_iter()).unwrap();
            sink.commit(Epoch(epoch), &mut vec![pending]).unwrap();
        }
    };
    write(1, 4);
    let mut follower = job(read(&bucket), Checkpoint::default());
    follower.batch(7);
    let (kept, mut found) = follower.stop();
    let report = Compaction::of(&bucket, "out", 1 << 20).run().unwrap();
    assert_eq!((report.merged, report.into, report.left.len()), (4, 1, 0), "{report}");
    assert_eq!(all(&read(&bucket)), due(4), "in their order");
    write(5, 6);
    let mut follower = job(read(&bucket), kept);
    follower.batch(5);
    Compaction::of(&bucket, "out", 1 << 20).run().unwrap();
    follower.all();
    found.append(&mut follower.stop().1);
    assert_eq!(sorted(found), due(6));
    assert_eq!(all(&read(&bucket)), due(6));
    assert_eq!(super::parts(&bucket).len(), 1);
}

#[test]
fn json() {
    use firesteel_connect_object_store::{ObjectSink, Objects};
    let read = |bucket: &Bucket| Objects::json::<Reading>(bucket, "out").follow();
    check(|bucket| ObjectSink::json::<Reading>(bucket, "out"), read);
    check(|bucket| ObjectSink::json::<Reading>(bucket, "out").gzip(), read);
}

#[cfg(feature = "csv")]
#[test]
fn csv() {
    use firesteel_connect_object_store::{ObjectSink, Objects};
    let read = |bucket: &Bucket| Objects::csv::<Reading>(bucket, "out").follow();
    check(|bucket| ObjectSink::csv::<Reading>(bucket, "out"), read);
    check(|bucket| ObjectSink::csv::<Reading>(bucket, "out").gzip(), read);
}

#[cfg(feature = "avro")]
#[test]
fn avro() {
    use firesteel_connect_object_store::{ObjectSink, Objects};
    let read = |bucket: &Bucket| Objects::avro::<Reading>(bucket, "out").follow();
    check(|bucket| ObjectSink::avro::<Reading>(bucket, "out"), read);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet() {
    use firesteel_connect_object_store::{ObjectSink, Objects};
    let read = |bucket: &Bucket| Objects::parquet::<Reading>(bucket, "out").follow();
    check(|bucket| ObjectSink::parquet::<Reading>(bucket, "out"), read);
}
