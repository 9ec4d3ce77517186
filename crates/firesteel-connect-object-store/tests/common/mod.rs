//! What several tests use.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
#![allow(dead_code, reason = "not all tests use all of it")]

use std::io::Write;
use std::sync::Arc;

use firesteel_connect::{Discovery, ReadRange, Result, Source, SourceContext, SourceReader, SplitId};
use firesteel_connect_object_store::Bucket;
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::object_store::{ObjectStoreExt, PutPayload};
use firesteel_window::Timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;

pub(crate) use self::followers::{Checkpoint, Follower};

#[path = "../../../firesteel-connect-file/tests/common/follower.rs"]
pub(crate) mod followers;

pub(crate) fn bucket() -> Bucket {
    Bucket::new(Arc::new(InMemory::new())).unwrap()
}

pub(crate) fn put(bucket: &Bucket, key: &str, bytes: impl Into<Vec<u8>>) {
    let (key, payload) = (key.into(), PutPayload::from(bytes.into()));
    bucket.call(|store| async move { store.put(&key, payload).await }).unwrap();
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

pub(crate) fn discover<S: Source>(source: &S, seconds: i64) -> Result<Discovery> {
    source.discover(at(seconds))
}

/// All records of a split from a position on, and the position after them.
pub(crate) fn read<S: Source>(source: &S, split: &SplitId, from: u64) -> Result<(Vec<S::Item>, u64)> {
    let mut records = vec![];
    let mut reader = source.open(&ReadRange::starting_at(split.clone(), from))?;
    reader.for_each(|record| records.push(record))?;
    Ok((records, reader.position()))
}

/// All records that are there.
pub(crate) fn all<S: Source>(source: &S) -> Vec<S::Item> {
    source.start(&SourceContext::default()).unwrap();
    let splits = discover(source, 0).unwrap().splits;
    splits.into_iter().flat_map(|split| read(source, &split.id, 0).unwrap().0).collect()
}

/// A job that reads a source, looks each minute, and repeats what fails.
pub(crate) fn job<S: Source>(source: S, kept: Checkpoint) -> Follower<S> {
    Follower::start(source, kept).every(60).attempts(4)
}
