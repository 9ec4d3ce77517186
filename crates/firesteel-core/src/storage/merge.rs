//! Sorting more than memory holds: sorted runs on disk, merged.

use std::cmp::Ordering;

use crate::data::Exchange;
use crate::storage::{Reservation, Run, RunReader, SpillMemory, estimate_bytes};
use crate::task::TaskContext;

/// How records are sorted.
pub(crate) trait SortOrder<T> {
    /// Compares two records.
    fn compare(&self, a: &T, b: &T) -> Ordering;

    /// Sorts records; equal ones keep their order.
    fn sort(&self, records: &mut [T]) {
        records.sort_by(|a, b| self.compare(a, b));
    }
}

impl<T, O: SortOrder<T>> SortOrder<T> for &O {
    fn compare(&self, a: &T, b: &T) -> Ordering {
        (**self).compare(a, b)
    }
    fn sort(&self, records: &mut [T]) {
        (**self).sort(records);
    }
}

/// Sorted runs, oldest first. They are merged into larger ones as they become many, so that a merge never needs more
/// open files than a process may have, and no record is rewritten more than a few times.
pub(crate) struct Runs {
    /// Runs merged this many times, the most often merged and oldest first.
    levels: Vec<Vec<Run>>,
}

/// Runs that are merged at once.
const FAN_IN: usize = 64;

impl Default for Runs {
    fn default() -> Self {
        Self { levels: vec![Vec::new()] }
    }
}

impl Runs {
    pub(crate) fn is_empty(&self) -> bool {
        self.levels.iter().all(Vec::is_empty)
    }

    /// Adds a run whose records are sorted and come after those of all earlier runs where they are equal.
    pub(crate) fn push<T: Exchange>(
        &mut self,
        run: Run,
        memory: &SpillMemory,
        order: &impl SortOrder<T>,
        task: &TaskContext,
    ) {
        let mut run = run;
        for level in (0..self.levels.len()).rev() {
            self.levels[level].push(run);
            if self.levels[level].len() < FAN_IN {
                return;
            }
            let full = std::mem::take(&mut self.levels[level]);
            run = write_run::<T>(memory, &mut Merge::new(full, order, task), task);
        }
        self.levels.insert(0, vec![run]);
    }

    /// All records, sorted; equal ones in the order in which they were added.
    pub(crate) fn merge<T: Exchange, O: SortOrder<T>>(self, order: O, task: &TaskContext) -> Merge<'_, T, O> {
        Merge::new(self.levels.into_iter().flatten().collect(), order, task)
    }
}

/// Writes a run from records that are made on the way; failing to fails the task.
pub(crate) fn write_run<T: Exchange>(
    memory: &SpillMemory,
    records: &mut dyn Iterator<Item = T>,
    task: &TaskContext,
) -> Run {
    let run = Run::write::<T>(memory, records).unwrap_or_else(|error| task.fail_with(error, true));
    task.count_spilled(run.bytes());
    run
}

/// Opens a run; an unreadable one fails the task.
pub(crate) fn open_run(run: &Run, task: &TaskContext) -> RunReader {
    run.read().unwrap_or_else(|error| task.fail_with(error, true))
}

/// The next record of a run; an unreadable one fails the task.
pub(crate) fn next_record<T: Exchange>(reader: &mut RunReader, task: &TaskContext) -> Option<T> {
    reader.next().map(|read| read.unwrap_or_else(|error| task.fail_with(error, true)))
}

/// Merges sorted runs. An unreadable one fails the task.
pub(crate) struct Merge<'t, T, O> {
    readers: Vec<RunReader>,
    fronts: Vec<Option<T>>,
    /// A binary heap of the runs that have a front; the smallest front first, among equals the earlier run.
    heap: Vec<usize>,
    order: O,
    task: &'t TaskContext,
}

impl<'t, T: Exchange, O: SortOrder<T>> Merge<'t, T, O> {
    fn new(runs: Vec<Run>, order: O, task: &'t TaskContext) -> Self {
        let readers = runs.iter().map(|run| open_run(run, task)).collect();
        let mut merge = Self { fronts: Vec::new(), heap: Vec::new(), readers, order, task };
        for run in 0..merge.readers.len() {
            let front = merge.advance(run);
            if front.is_some() {
                merge.heap.push(run);
            }
            merge.fronts.push(front);
        }
        for at in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(at);
        }
        merge
    }

    fn advance(&mut self, run: usize) -> Option<T> {
        next_record(&mut self.readers[run], self.task)
    }

    /// The record that comes next.
    pub(crate) fn peek(&self) -> Option<&T> {
        self.fronts[*self.heap.first()?].as_ref()
    }

    fn comes_first(&self, a: usize, b: usize) -> bool {
        match (&self.fronts[a], &self.fronts[b]) {
            (Some(front), Some(other)) => self.order.compare(front, other).then(a.cmp(&b)).is_lt(),
            (front, _) => front.is_some(),
        }
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut first = at;
            for child in [left, right] {
                if child < self.heap.len() && self.comes_first(self.heap[child], self.heap[first]) {
                    first = child;
                }
            }
            if first == at {
                return;
            }
            self.heap.swap(at, first);
            at = first;
        }
    }
}

impl<T: Exchange, O: SortOrder<T>> Iterator for Merge<'_, T, O> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let run = *self.heap.first()?;
        let next = self.advance(run);
        if next.is_none() {
            self.heap.swap_remove(0);
        }
        let record = std::mem::replace(&mut self.fronts[run], next);
        self.sift_down(0);
        record
    }
}

/// Sorts records, on disk where memory does not suffice.
pub(crate) struct Sorter<'t, T, O> {
    memory: SpillMemory,
    order: O,
    records: Vec<T>,
    reservation: Reservation,
    runs: Runs,
    check_at: usize,
    task: &'t TaskContext,
}

impl<'t, T: Exchange, O: SortOrder<T>> Sorter<'t, T, O> {
    pub(crate) fn new(memory: &SpillMemory, order: O, task: &'t TaskContext) -> Self {
        let reservation = memory.reserve_nothing();
        let (records, runs, check_at) = (Vec::new(), Runs::default(), SpillMemory::FIRST_CHECK);
        Self { memory: memory.clone(), order, records, reservation, runs, check_at, task }
    }

    #[inline]
    pub(crate) fn push(&mut self, record: T) {
        self.records.push(record);
        if self.records.len() >= self.check_at {
            self.check();
        }
    }

    #[cold]
    fn check(&mut self) {
        self.task.check_cancelled();
        if self.reservation.grow(estimate_bytes(&self.records)) {
            self.check_at = SpillMemory::next_check(self.records.len());
            return;
        }
        self.spill();
        self.check_at = SpillMemory::FIRST_CHECK;
    }

    fn spill(&mut self) {
        self.order.sort(&mut self.records);
        let run = write_run(&self.memory, &mut self.records.drain(..), self.task);
        self.runs.push(run, &self.memory, &self.order, self.task);
        self.records = Vec::new();
        self.reservation.release();
    }

    /// The sorted records; equal ones in the order in which they were added.
    pub(crate) fn finish(mut self) -> Sorted<'t, T, O> {
        if self.runs.is_empty() {
            self.order.sort(&mut self.records);
            return Sorted::InMemory(self.records.into_iter(), self.reservation);
        }
        if !self.records.is_empty() {
            self.spill();
        }
        Sorted::OnDisk(self.runs.merge(self.order, self.task))
    }
}

/// What a [`Sorter`] has sorted.
pub(crate) enum Sorted<'t, T, O> {
    InMemory(std::vec::IntoIter<T>, #[allow(dead_code, reason = "held while the records are")] Reservation),
    OnDisk(Merge<'t, T, O>),
}

impl<T: Exchange, O: SortOrder<T>> Iterator for Sorted<'_, T, O> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::InMemory(records, _) => records.next(),
            Self::OnDisk(merge) => merge.next(),
        }
    }
}
