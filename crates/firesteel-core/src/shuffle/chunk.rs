//! A bucket of records in memory, with what did not fit on disk.

use crate::data::Exchange;
use crate::shuffle::Fetched;
use crate::storage::{Reservation, Run, RunReader, Shared, next_record, open_run};
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
    #[inline]
    pub fn for_each(self, task: &TaskContext, mut each: impl FnMut(T)) {
        task.count_shuffle_read(self.len());
        let mut on_disk = OnDisk::new(self.chunk().spilled.clone(), task);
        while let Some(record) = on_disk.next() {
            each(record);
        }
        match self {
            Self::Owned(chunk) => chunk.records.into_iter().for_each(each),
            Self::Shared(chunk) => chunk.records.iter().cloned().for_each(each),
        }
    }

    /// The records in the order in which they were written.
    pub fn into_records(self, task: &TaskContext) -> impl Iterator<Item = T> + '_ {
        task.count_shuffle_read(self.len());
        let on_disk = OnDisk::new(self.chunk().spilled.clone(), task);
        let in_memory = match self {
            Self::Owned(chunk) => InMemory::Moved { records: chunk.records.into_iter(), _memory: chunk._memory },
            Self::Shared(chunk) => InMemory::Cloned(Shared::new(chunk)),
        };
        ChunkRecords { on_disk, in_memory }
    }
}

/// The records of a chunk. Each is asked for by itself: what follows is instantiated once, not once for every way in
/// which a record may be kept.
struct ChunkRecords<'t, T> {
    on_disk: OnDisk<'t>,
    in_memory: InMemory<T>,
}

/// The part of a chunk that is on disk, being read.
struct OnDisk<'t> {
    runs: std::vec::IntoIter<Run>,
    reader: Option<RunReader>,
    task: &'t TaskContext,
}

/// The part of a chunk that is in memory, being handed out.
enum InMemory<T> {
    Moved { records: std::vec::IntoIter<T>, _memory: Reservation },
    Cloned(Shared<T, Chunk<T>>),
}

impl<'t> OnDisk<'t> {
    fn new(runs: Vec<Run>, task: &'t TaskContext) -> Self {
        Self { runs: runs.into_iter(), reader: None, task }
    }

    fn is_over(&self) -> bool {
        self.reader.is_none() && self.runs.as_slice().is_empty()
    }

    /// The next record; an unreadable file fails the task.
    #[inline(never)]
    fn next<T: Exchange>(&mut self) -> Option<T> {
        loop {
            if let Some(reader) = &mut self.reader
                && let Some(record) = next_record(reader, self.task)
            {
                return Some(record);
            }
            self.reader = None;
            self.reader = Some(open_run(&self.runs.next()?, self.task));
        }
    }
}

impl<T: Exchange> Iterator for ChunkRecords<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if !self.on_disk.is_over()
            && let Some(record) = self.on_disk.next()
        {
            return Some(record);
        }
        match &mut self.in_memory {
            InMemory::Moved { records, .. } => records.next(),
            InMemory::Cloned(records) => records.next(),
        }
    }
}
