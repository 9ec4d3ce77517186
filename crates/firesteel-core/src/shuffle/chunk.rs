//! A bucket of records in memory, with what did not fit on disk.

use crate::rdd::Exchange;
use crate::shuffle::Fetched;
use crate::storage::{Reservation, Run, Shared, next_record, open_run};
use crate::task::TaskContext;

/// Records for one reduce partition: first those on disk, then those in memory.
pub struct Chunk<T> {
    spilled: Vec<Run>,
    records: Vec<T>,
    /// Held for as long as the records are.
    _memory: Reservation,
}

impl<T> AsRef<[T]> for Chunk<T> {
    /// The part that is in memory.
    fn as_ref(&self) -> &[T] {
        &self.records
    }
}

impl<T: Exchange> Chunk<T> {
    pub(crate) fn new(spilled: Vec<Run>, records: Vec<T>, memory: Reservation) -> Self {
        Self { spilled, records, _memory: memory }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.spilled.iter().map(Run::len).sum::<u64>() + self.records.len() as u64
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Exchange> Fetched<Chunk<T>> {
    fn chunk(&self) -> &Chunk<T> {
        match self {
            Self::Owned(chunk) => chunk,
            Self::Shared(chunk) => chunk,
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.chunk().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands out the records in the order in which they were written; moves them if nobody else needs them.
    pub fn for_each(self, task: &TaskContext, mut each: impl FnMut(T)) {
        task.count_shuffle_read(self.len());
        read_runs(self.chunk().spilled.clone(), task).for_each(&mut each);
        match self {
            Self::Owned(chunk) => chunk.records.into_iter().for_each(each),
            Self::Shared(chunk) => chunk.records.iter().cloned().for_each(each),
        }
    }

    /// The records in the order in which they were written.
    pub fn into_records(self, task: &TaskContext) -> impl Iterator<Item = T> + '_ {
        task.count_shuffle_read(self.len());
        let on_disk = read_runs(self.chunk().spilled.clone(), task);
        let in_memory = match self {
            Self::Owned(chunk) => InMemory::Moved { records: chunk.records.into_iter(), _memory: chunk._memory },
            Self::Shared(chunk) => InMemory::Cloned(Shared::new(chunk)),
        };
        on_disk.chain(in_memory)
    }
}

/// The part of a chunk that is in memory, being handed out.
enum InMemory<T> {
    Moved { records: std::vec::IntoIter<T>, _memory: Reservation },
    Cloned(Shared<T, Chunk<T>>),
}

impl<T: Exchange> Iterator for InMemory<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Moved { records, .. } => records.next(),
            Self::Cloned(records) => records.next(),
        }
    }

    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, each: F) -> B {
        match self {
            Self::Moved { records, .. } => records.fold(start, each),
            Self::Cloned(records) => records.fold(start, each),
        }
    }
}

/// The records of the runs; an unreadable file fails the task.
fn read_runs<T: Exchange>(runs: Vec<Run>, task: &TaskContext) -> impl Iterator<Item = T> + '_ {
    runs.into_iter().flat_map(move |run| {
        let mut reader = open_run(&run, task);
        std::iter::from_fn(move || next_record(&mut reader, task))
    })
}
