//! A map side that combines the values of each key before they travel, and the reduce side that finishes the work.

use std::collections::BinaryHeap;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::hash::hash_key;
use crate::partitioner::Partitioner;
use crate::rdd::{Exchange, Key};
use crate::shuffle::chunk::{self, Chunk};
use crate::shuffle::exchange::MapSide;
use crate::shuffle::outputs::MapOutputs;
use crate::shuffle::route::Buckets;
use crate::shuffle::table::KeyedTable;
use crate::storage::{Memory, Reservation, Run, estimate_bytes};
use crate::task::TaskContext;

/// How values of one key become one accumulator.
pub trait Combine<V>: Send + Sync + 'static {
    /// What the values of a key become.
    type Acc: Exchange;
    /// The accumulator of a first value.
    fn create(&self, value: V) -> Self::Acc;
    /// Adds a further value.
    fn add(&self, acc: &mut Self::Acc, value: V);
    /// Merges the accumulator of another partition, whose values come later.
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc);
}

/// A combined record on its way: the key's hash, the key, its accumulator.
pub type Combined<K, C> = (u64, K, C);

/// Combines within the map partition, then sorts by partition.
pub struct CombineSide<K, V, B, P> {
    combine: Arc<B>,
    partitioner: P,
    memory: Memory,
    kind: PhantomData<fn(K, V)>,
}

impl<K, V, B, P> CombineSide<K, V, B, P> {
    pub(crate) fn new(memory: Memory, combine: Arc<B>, partitioner: P) -> Self {
        Self { combine, partitioner, memory, kind: PhantomData }
    }
}

impl<K: Key, V: 'static, B: Combine<V>, P: Partitioner<K>> MapSide<(K, V)> for CombineSide<K, V, B, P> {
    type Bucket = Chunk<Combined<K, B::Acc>>;

    fn num_reduces(&self) -> usize {
        self.partitioner.num_partitions()
    }

    fn write(&self, records: impl Iterator<Item = (K, V)>, task: &TaskContext) -> Vec<Self::Bucket> {
        let mut buckets = Buckets::new(self.num_reduces(), &self.memory);
        let mut table = KeyedTable::<K, B::Acc>::default();
        let mut reservation = self.memory.reserve_nothing();
        let mut check_at = 4096;
        let combine = &*self.combine;
        let mut spill = |table: &mut KeyedTable<K, B::Acc>| {
            for (hash, key, acc) in table.take() {
                buckets.push(self.partitioner.partition(&key, hash), (hash, key, acc), task);
            }
        };
        task.drain(records, |(key, value)| {
            let hash = hash_key(&key);
            let new =
                table.upsert(hash, key, value, |value| combine.create(value), |acc, value| combine.add(acc, value));
            if new && table.len() >= check_at {
                task.check_cancelled();
                let ahead = table.len() + table.len() / 2;
                if reservation.resize(estimate_bytes(ahead, table.entries().iter())) {
                    check_at = ahead;
                } else {
                    spill(&mut table);
                    reservation.resize(0);
                    check_at = 4096;
                }
            }
        });
        spill(&mut table);
        drop(reservation);
        buckets.finish()
    }

    fn len(&self, bucket: &Self::Bucket) -> u64 {
        bucket.len()
    }
}

/// Merges the accumulators of one reduce partition, on disk where memory does not suffice.
pub struct CombineReader<'t, K, C, M> {
    memory: Memory,
    merge: M,
    table: KeyedTable<K, C>,
    reservation: Reservation,
    runs: Vec<Run<Combined<K, C>>>,
    check_at: usize,
    task: &'t TaskContext,
}

impl<'t, K: Key, C: Exchange, M: Fn(&mut C, C)> CombineReader<'t, K, C, M> {
    pub(crate) fn new(memory: &Memory, task: &'t TaskContext, merge: M) -> Self {
        let reservation = memory.reserve_nothing();
        let table = KeyedTable::default();
        Self { memory: memory.clone(), merge, table, reservation, runs: Vec::new(), check_at: 4096, task }
    }

    /// Merges everything that the map side left for `reduce`, in map order.
    pub(crate) fn read_all(&mut self, outputs: &MapOutputs<Chunk<Combined<K, C>>>, reduce: usize) {
        let task = self.task;
        for map in 0..outputs.num_maps() {
            let fetched = outputs.fetch(map, reduce, task);
            fetched.for_each(task, |(hash, key, acc)| self.push(hash, key, acc));
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, hash: u64, key: K, acc: C) {
        let new = self.table.upsert(hash, key, acc, |acc| acc, |acc, other| (self.merge)(acc, other));
        if new && self.table.len() >= self.check_at {
            self.check();
        }
    }

    #[cold]
    fn check(&mut self) {
        self.task.check_cancelled();
        let ahead = self.table.len() + self.table.len() / 2;
        if self.reservation.resize(estimate_bytes(ahead, self.table.entries().iter())) {
            self.check_at = ahead;
            return;
        }
        let run = self.sorted_run();
        self.runs.push(run);
        self.reservation.resize(0);
        self.check_at = 4096;
    }

    fn sorted_run(&mut self) -> Run<Combined<K, C>> {
        let mut entries = self.table.take();
        entries.sort_by_key(|entry| entry.0);
        chunk::write_run(&self.memory, entries.iter(), self.task)
    }

    /// The merged accumulators: in the order in which keys came, or by hash if the partition went to disk.
    pub(crate) fn finish(mut self) -> impl Iterator<Item = (K, C)> + use<'t, K, C, M> {
        let runs = std::mem::take(&mut self.runs);
        let (in_memory, on_disk) = if runs.is_empty() {
            (self.table.into_entries(), None)
        } else {
            let last = self.sorted_run();
            let runs: Vec<_> = runs.into_iter().chain([last]).collect();
            (Vec::new(), Some(MergedRuns::new(runs, self.merge, self.task)))
        };
        in_memory.into_iter().map(|(_, key, acc)| (key, acc)).chain(on_disk.into_iter().flatten())
    }
}

/// Merges runs that are sorted by hash.
struct MergedRuns<K, C, M> {
    heads: BinaryHeap<Head>,
    readers: Vec<Box<dyn Iterator<Item = Combined<K, C>>>>,
    fronts: Vec<Option<Combined<K, C>>>,
    merge: M,
    ready: std::vec::IntoIter<(K, C)>,
}

/// The smallest hash first; among equals, the earlier run.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head(std::cmp::Reverse<(u64, usize)>);

impl<K: Key, C: Exchange, M: Fn(&mut C, C)> MergedRuns<K, C, M> {
    fn new(runs: Vec<Run<Combined<K, C>>>, merge: M, task: &TaskContext) -> Self {
        let mut readers: Vec<Box<dyn Iterator<Item = Combined<K, C>>>> = Vec::new();
        for run in runs {
            let reader = run.read().unwrap_or_else(|error| task.fail_with(error, true));
            // The reader outlives the borrow of the task; an unreadable record ends the attempt by unwinding as well.
            readers.push(Box::new(reader.map(|record| match record {
                Ok(record) => record,
                Err(error) => std::panic::resume_unwind(Box::new(crate::task::TaskError::Failed {
                    blame: crate::task::Blame::of_cause(error.to_string()),
                    source: error.into(),
                    retryable: true,
                })),
            })));
        }
        let fronts = readers.iter().map(|_| None).collect();
        let mut merged = Self { heads: BinaryHeap::new(), readers, fronts, merge, ready: Vec::new().into_iter() };
        for run in 0..merged.readers.len() {
            merged.advance(run);
        }
        merged
    }

    fn advance(&mut self, run: usize) -> Option<Combined<K, C>> {
        let next = self.readers[run].next();
        if let Some(record) = &next {
            self.heads.push(Head(std::cmp::Reverse((record.0, run))));
        }
        std::mem::replace(&mut self.fronts[run], next)
    }
}

impl<K: Key, C: Exchange, M: Fn(&mut C, C)> Iterator for MergedRuns<K, C, M> {
    type Item = (K, C);

    fn next(&mut self) -> Option<(K, C)> {
        loop {
            if let Some(entry) = self.ready.next() {
                return Some(entry);
            }
            let Head(std::cmp::Reverse((hash, _))) = self.heads.peek()?;
            let hash = *hash;
            // All entries of one hash: nearly always one key.
            let mut same: KeyedTable<K, C> = KeyedTable::default();
            while let Some(Head(std::cmp::Reverse((next, run)))) = self.heads.peek() {
                if *next != hash {
                    break;
                }
                let run = *run;
                self.heads.pop();
                if let Some((hash, key, acc)) = self.advance(run) {
                    same.upsert(hash, key, acc, |acc| acc, |acc, other| (self.merge)(acc, other));
                }
            }
            let entries: Vec<_> = same.into_entries().into_iter().map(|(_, key, acc)| (key, acc)).collect();
            self.ready = entries.into_iter();
        }
    }
}
