//! A job that reads a source, as far as a source sees one; and what chance may make of its life.

#![allow(dead_code, reason = "not all tests use all of it")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use firesteel_connect::{
    Class, ConnectError, Counters, ReadRange, Resumed, Source, SourceContext, SourceReader, SplitId, SplitNote,
};
use firesteel_window::Timestamp;

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
    /// How many seconds pass between two looks.
    seconds: i64,
    /// How often a task is tried.
    attempts: u32,
}

impl<S: Source> Follower<S> {
    pub(crate) fn start(source: S, kept: Checkpoint) -> Self {
        Self::counting(source, kept, &Counters::default())
    }

    /// One whose source counts here.
    pub(crate) fn counting(source: S, kept: Checkpoint, counters: &Counters) -> Self {
        let note = |(split, position): (&SplitId, &u64)| {
            Resumed::at(split.clone(), *position).noted(kept.notes.get(split).cloned())
        };
        let resumed: Vec<Resumed> = kept.positions.iter().map(note).collect();
        let context = SourceContext::default().with_counters(counters.clone());
        source.start(&context.resumed_at(resumed)).unwrap();
        Self::of(source, kept)
    }

    /// One whose source has been started.
    pub(crate) fn of(source: S, kept: Checkpoint) -> Self {
        Self { source, kept, ends: BTreeMap::new(), read: vec![], now: 100, seconds: 1, attempts: 1 }
    }

    /// Looks once in this many seconds.
    pub(crate) fn every(self, seconds: i64) -> Self {
        Self { seconds, ..self }
    }

    /// Repeats tasks as a job does, up to this many attempts, where trying again can help.
    pub(crate) fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// The splits of which there is more, with where to begin.
    pub(crate) fn due(&mut self) -> Vec<ReadRange> {
        self.now += self.seconds;
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

    pub(crate) fn take(&mut self, range: &ReadRange) {
        for attempt in 1.. {
            let mut read = vec![];
            let taken =
                self.source.open(range).and_then(|mut reader| match reader.for_each(|record| read.push(record)) {
                    // What was read until then counts.
                    Ok(()) | Err(ConnectError::Later { .. }) => Ok(reader.position()),
                    Err(error) => Err(error),
                });
            let taken = match taken {
                Err(ConnectError::Later { .. }) => Ok(range.from),
                taken => taken,
            };
            match taken {
                Ok(position) => {
                    self.read.append(&mut read);
                    self.kept.positions.insert(range.split.clone(), position);
                    return;
                }
                Err(error) => assert!(attempt < self.attempts && error.class() == Class::Retryable, "{error}"),
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

/// A sequence of numbers that is the same each time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Whatever chance does to results while jobs read them: `write` writes this many epochs more and says how many there are, `compact` merges
/// files below this many bytes, and the job reads a part, repeats it, stops and starts. All that was read, and how many epochs there are.
pub(crate) fn by_chance<S: Source<Item: PartialEq + Debug>>(
    chance: &mut Chance,
    history: &str,
    start: impl Fn(Checkpoint) -> Follower<S>,
    mut write: impl FnMut(u64) -> u64,
    compact: impl Fn(u64),
) -> (Vec<S::Item>, u64) {
    let (mut read, mut written) = (vec![], write(2));
    let mut follower = start(Checkpoint::default());
    for _ in 0..25 {
        match chance.below(6) {
            0 => written = write(1 + chance.below(4)),
            1 => compact(1 << (3 + chance.below(8))),
            2 | 3 => _ = follower.batch(1 + chance.below(4)),
            4 => {
                // What was read and not committed is read again, in the same ranges.
                let due = follower.due();
                let before = follower.read.len();
                due.iter().for_each(|range| follower.take(&range.clone().max_records(2)));
                let first = follower.read.split_off(before);
                let positions = follower.kept.positions.clone();
                if chance.below(2) == 0 {
                    compact(1 << 12);
                }
                for range in &due {
                    follower.take(&ReadRange::exact(range.split.clone(), range.from, positions[&range.split]));
                }
                assert_eq!(follower.read[before..], first, "{history}");
                follower.commit();
            }
            _ => {
                let (kept, mut more) = follower.stop();
                read.append(&mut more);
                follower = start(kept);
            }
        }
    }
    let (kept, mut more) = follower.stop();
    read.append(&mut more);
    // One that does not follow reads what came after its start in its next run.
    let mut follower = start(kept);
    follower.all();
    read.append(&mut follower.stop().1);
    (read, written)
}
