//! Results whose small objects were merged, as readers find them: before, afterwards and in between.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod follower;
mod formats;
mod processes;
mod random;
#[allow(dead_code, reason = "not all of it is used here")]
mod store;

use std::sync::Arc;

use common::{Checkpoint, job};
use firesteel_connect::{CheckpointId, Epoch, Result, Sink, SinkContext, WriteTask};
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::{Bucket, Compaction, ObjectSink, Objects};
use firesteel_formats::{Json, Lines, WriteLines};

type Record = (u64, u64);
type Numbers = ObjectSink<WriteLines<Json<Record>>>;
type Reading = Objects<Lines<Json<Record>>>;

fn records(epoch: u64) -> Vec<Record> {
    (0..4).map(|n| (epoch, n)).collect()
}

fn due(epochs: std::ops::RangeInclusive<u64>) -> Vec<Record> {
    epochs.flat_map(records).collect()
}

fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_unstable();
    records
}

fn memory() -> (Arc<InMemory>, Bucket) {
    let store = Arc::new(InMemory::new());
    let bucket = Bucket::new(Arc::clone(&store) as Arc<_>).unwrap();
    (store, bucket)
}

fn sink(bucket: &Bucket) -> Numbers {
    ObjectSink::json::<Record>(bucket, "out")
}

fn reading(bucket: &Bucket) -> Reading {
    Objects::json::<Record>(bucket, "out")
}

fn context() -> SinkContext {
    SinkContext::default().with_checkpoint(CheckpointId::from_bits(3))
}

/// Commits the epochs up to this one that are not committed, with records in two partitions.
fn write(sink: &impl Sink<Record>, to: u64) -> Result<()> {
    sink.start(&context())?;
    let last = sink.last_committed()?.map_or(0, |mark| mark.epoch.0);
    (last + 1..=to).try_for_each(|epoch| commit(sink, epoch))?;
    sink.stop()
}

fn commit(sink: &impl Sink<Record>, epoch: u64) -> Result<()> {
    let (some, others) = records(epoch).into_iter().partition::<Vec<_>, _>(|(_, n)| n % 2 == 0);
    let write = |(partition, records): (usize, Vec<Record>)| {
        sink.write(WriteTask::new(Epoch(epoch), partition), records.into_iter())
    };
    let mut pending = [some, others].into_iter().enumerate().map(write).collect::<Result<_>>()?;
    match sink.commit(Epoch(epoch), &mut pending) {
        Err(firesteel_connect::ConnectError::OutcomeUnknown { .. }) if sink.outcome(Epoch(epoch))? => Ok(()),
        committed => committed,
    }
}

fn compact(bucket: &Bucket) -> Result<firesteel_connect_object_store::CompactionReport> {
    Compaction::of(bucket, "out", 1 << 20).run()
}

/// The objects under the prefix that are parts.
fn parts(bucket: &Bucket) -> Vec<String> {
    let objects = bucket.list("out").unwrap().objects.into_iter().map(|object| object.location.to_string());
    objects.filter(|key| key.contains("part-")).map(|key| key["out/".len()..].to_owned()).collect()
}
