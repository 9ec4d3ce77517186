//! What several tests use.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
#![allow(dead_code, reason = "not all tests use all of it")]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use firesteel_connect::{
    Class, Discovery, ReadRange, Result, Resumed, Source, SourceContext, SourceReader, SplitId, SplitNote,
};
use firesteel_connect_object_store::Bucket;
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::object_store::{ObjectStoreExt, PutPayload};
use firesteel_window::Timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;

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

/// What a job keeps of a source from run to run.
#[derive(Debug, Default, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) positions: BTreeMap<SplitId, u64>,
    pub(crate) notes: BTreeMap<SplitId, SplitNote>,
}

/// A job that reads, up to some records of each split at a time, and commits.
pub(crate) struct Follower<S: Source> {
    pub(crate) source: S,
    pub(crate) kept: Checkpoint,
    ends: BTreeMap<SplitId, Option<u64>>,
    pub(crate) read: Vec<S::Item>,
    pub(crate) now: i64,
}

impl<S: Source> Follower<S> {
    pub(crate) fn start(source: S, kept: Checkpoint) -> Self {
        let note = |(split, position): (&SplitId, &u64)| {
            Resumed::at(split.clone(), *position).noted(kept.notes.get(split).cloned())
        };
        let resumed: Vec<Resumed> = kept.positions.iter().map(note).collect();
        source.start(&SourceContext::default().resumed_at(resumed)).unwrap();
        Self { source, kept, ends: BTreeMap::new(), read: vec![], now: 100 }
    }

    /// The splits of which there is more, with where to begin.
    pub(crate) fn due(&mut self) -> Vec<ReadRange> {
        self.now += 60;
        let found = self.source.discover(at(self.now)).unwrap();
        if found.is_all {
            self.ends.clear();
        }
        found.gone.iter().for_each(|split| _ = self.ends.remove(split));
        self.ends.extend(found.splits.into_iter().map(|split| (split.id, split.available)));
        // What is not named any more is forgotten.
        let Checkpoint { positions, notes } = &mut self.kept;
        positions.retain(|split, _| self.ends.contains_key(split));
        notes.retain(|split, _| self.ends.contains_key(split));
        let mut due = vec![];
        for (split, end) in &self.ends {
            let at = *positions.entry(split.clone()).or_insert(0);
            if end.is_none_or(|end| end > at) {
                due.push(ReadRange::starting_at(split.clone(), at));
            }
        }
        due
    }

    pub(crate) fn take(&mut self, range: &ReadRange) {
        // As a task that fails is repeated.
        for attempt in 1.. {
            let mut read = vec![];
            let taken = self.source.open(range).and_then(|mut reader| {
                reader.for_each(|record| read.push(record))?;
                Ok(reader.position())
            });
            match taken {
                Ok(position) => {
                    self.read.append(&mut read);
                    self.kept.positions.insert(range.split.clone(), position);
                    return;
                }
                Err(error) => {
                    assert!(attempt < 4 && error.class() == Class::Retryable, "{error}");
                }
            }
        }
    }

    /// One batch: up to this many records of each split.
    pub(crate) fn batch(&mut self, most: u64) -> usize {
        let (due, before) = (self.due(), self.read.len());
        due.into_iter().for_each(|range| self.take(&range.max_records(most)));
        self.commit();
        self.read.len() - before
    }

    pub(crate) fn commit(&mut self) {
        let moved: Vec<(SplitId, u64)> = self.kept.positions.iter().map(|(split, at)| (split.clone(), *at)).collect();
        self.kept.notes.extend(self.source.notes(&moved).unwrap());
        self.source.committed(&moved).unwrap();
    }

    pub(crate) fn all(&mut self) {
        while self.batch(u64::MAX) > 0 {}
    }

    pub(crate) fn stop(self) -> (Checkpoint, Vec<S::Item>) {
        self.source.stop();
        (self.kept, self.read)
    }
}
