//! A bucket of records in memory, with what did not fit on disk.

use crate::rdd::Exchange;
use crate::shuffle::Fetched;
use crate::storage::{Memory, Reservation, Run, RunWriter};
use crate::task::TaskContext;

/// Records for one reduce partition: first those on disk, then those in memory.
pub struct Chunk<T> {
    spilled: Vec<Run<T>>,
    records: Vec<T>,
    /// Held for as long as the records are.
    _memory: Option<Reservation>,
}

impl<T: Exchange> Chunk<T> {
    pub(crate) fn new(spilled: Vec<Run<T>>, records: Vec<T>, memory: Option<Reservation>) -> Self {
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
    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Owned(chunk) => chunk.len(),
            Self::Shared(chunk) => chunk.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands out the records in the order in which they were written; moves them if nobody else needs them.
    pub fn for_each(self, task: &TaskContext, mut each: impl FnMut(T)) {
        task.count_shuffle_read(self.len());
        match self {
            Self::Owned(chunk) => {
                read_runs(&chunk.spilled, task).for_each(&mut each);
                chunk.records.into_iter().for_each(each);
            }
            Self::Shared(chunk) => {
                read_runs(&chunk.spilled, task).for_each(&mut each);
                chunk.records.iter().cloned().for_each(each);
            }
        }
    }

    /// The records in the order in which they were written.
    pub fn into_records(self, task: &TaskContext) -> impl Iterator<Item = T> + '_ {
        task.count_shuffle_read(self.len());
        let (owned, shared) = match self {
            Self::Owned(chunk) => (Some(chunk), None),
            Self::Shared(chunk) => (None, Some(chunk)),
        };
        let runs: Vec<Run<T>> =
            owned.as_ref().or(shared.as_deref()).map_or_else(Vec::new, |chunk| chunk.spilled.clone());
        let from_disk =
            runs.into_iter().flat_map(move |run| read_runs(std::slice::from_ref(&run), task).collect::<Vec<_>>());
        let moved = owned.map(|chunk| chunk.records).into_iter().flatten();
        let cloned =
            shared.into_iter().flat_map(|chunk| (0..chunk.records.len()).map(move |at| chunk.records[at].clone()));
        from_disk.chain(moved).chain(cloned)
    }
}

/// The records of the runs; an unreadable file fails the task.
pub(crate) fn read_runs<'a, T: Exchange>(runs: &'a [Run<T>], task: &'a TaskContext) -> impl Iterator<Item = T> + 'a {
    runs.iter().flat_map(move |run| {
        let reader = run.read().unwrap_or_else(|error| task.fail_with(error, true));
        reader.map(move |record| record.unwrap_or_else(|error| task.fail_with(error, true)))
    })
}

/// Writes records to disk; failing to fails the task.
pub(crate) fn write_run<'a, T: Exchange>(
    memory: &Memory,
    records: impl Iterator<Item = &'a T>,
    task: &TaskContext,
) -> Run<T> {
    let written = RunWriter::create(memory).and_then(|mut writer| {
        for record in records {
            writer.push(record)?;
        }
        writer.finish()
    });
    let run = written.unwrap_or_else(|error| task.fail_with(error, true));
    task.count_spilled(run.bytes());
    run
}
