//! Results whose small files were merged, as readers find them: before, afterwards and in between.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod follower;
mod formats;
mod hostile;
mod origins;
mod random;

use std::collections::BTreeMap;
use std::path::Path;

use firesteel_connect::{
    CheckpointId, Epoch, ReadRange, Resumed, Sink, SinkContext, Source, SourceContext, SourceReader, SplitId,
    SplitNote, WriteTask,
};
use firesteel_window::Timestamp;

/// Writes epochs `[from, to]` of one file each.
fn write<S: Sink<T>, T>(sink: &S, epochs: std::ops::RangeInclusive<u64>, records: impl Fn(u64) -> Vec<T>) {
    sink.start(&SinkContext::default().with_checkpoint(CheckpointId::from_bits(3))).unwrap();
    for epoch in epochs {
        let pending = sink.write(WriteTask::new(Epoch(epoch), 0), records(epoch).into_iter()).unwrap();
        sink.commit(Epoch(epoch), &mut vec![pending]).unwrap();
    }
    sink.stop().unwrap();
}

/// What a job keeps of a source from run to run.
#[derive(Debug, Default, Clone)]
struct Checkpoint {
    positions: BTreeMap<SplitId, u64>,
    notes: BTreeMap<SplitId, SplitNote>,
}

/// A job that reads, up to some records of each split at a time, and commits.
struct Follower<S: Source> {
    source: S,
    kept: Checkpoint,
    ends: BTreeMap<SplitId, Option<u64>>,
    read: Vec<S::Item>,
    now: i64,
}

impl<S: Source> Follower<S> {
    fn start(source: S, kept: Checkpoint) -> Self {
        let note = |(split, position): (&SplitId, &u64)| {
            Resumed::at(split.clone(), *position).noted(kept.notes.get(split).cloned())
        };
        let resumed: Vec<Resumed> = kept.positions.iter().map(note).collect();
        source.start(&SourceContext::default().resumed_at(resumed)).unwrap();
        Self { source, kept, ends: BTreeMap::new(), read: vec![], now: 100 }
    }

    /// The splits of which there is more, with where to begin.
    fn due(&mut self) -> Vec<ReadRange> {
        self.now += 1;
        let found = self.source.discover(Timestamp::from_secs(self.now)).unwrap();
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

    fn take(&mut self, range: &ReadRange) {
        let mut reader = self.source.open(range).unwrap();
        let mut read = vec![];
        reader.for_each(|record| read.push(record)).unwrap();
        self.read.append(&mut read);
        self.kept.positions.insert(range.split.clone(), reader.position());
    }

    /// One batch: up to this many records of each split.
    fn batch(&mut self, most: u64) -> usize {
        let (due, before) = (self.due(), self.read.len());
        due.into_iter().for_each(|range| self.take(&range.max_records(most)));
        self.commit();
        self.read.len() - before
    }

    fn commit(&mut self) {
        let moved: Vec<(SplitId, u64)> = self.kept.positions.iter().map(|(split, at)| (split.clone(), *at)).collect();
        self.kept.notes.extend(self.source.notes(&moved).unwrap());
        self.source.committed(&moved).unwrap();
    }

    fn all(&mut self) {
        while self.batch(u64::MAX) > 0 {}
    }

    fn stop(self) -> (Checkpoint, Vec<S::Item>) {
        self.source.stop();
        (self.kept, self.read)
    }
}

fn parts(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with("part-")).count()
}
