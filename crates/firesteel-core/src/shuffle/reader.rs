//! The reduce side of a keyed shuffle: one accumulator per key, made on disk where memory does not suffice.

use std::cmp::Ordering;

use crate::data::{Exchange, Key};
use crate::shuffle::growing::GrowingTable;
use crate::shuffle::{Chunk, KeyedTable, MapOutputs};
use crate::storage::{Merge, Reservation, Runs, SortOrder, Sorted, Sorter, SpillMemory, write_run};
use crate::task::TaskContext;

/// An accumulator on disk: the key's hash, its age (the number of keys that came before it), the key, the accumulator.
type Spilled<K, C> = (u64, u64, K, C);

/// Gathers the accumulators of one reduce partition.
///
/// What it yields is in the order in which keys first came, whether or not it went to disk on the way: how much memory
/// other tasks use must not show in the output.
pub struct CombineReader<'t, K, C, M> {
    memory: SpillMemory,
    merge: M,
    table: GrowingTable<K, C>,
    runs: Runs,
    /// Keys that have gone to disk, each as often as it did.
    age: u64,
    task: &'t TaskContext,
}

impl<'t, K: Key, C: Exchange, M: Fn(&mut C, C)> CombineReader<'t, K, C, M> {
    /// `merge` merges a later accumulator into an earlier one.
    pub(crate) fn new(memory: &SpillMemory, task: &'t TaskContext, merge: M) -> Self {
        let (table, runs) = (GrowingTable::new(memory), Runs::default());
        Self { memory: memory.clone(), merge, table, runs, age: 0, task }
    }

    /// Merges everything that a combining map side left for `reduce`, in map order.
    pub(crate) fn read_all(&mut self, outputs: &MapOutputs<Chunk<(u64, K, C)>>, reduce: usize) {
        let task = self.task;
        for map in 0..outputs.num_maps() {
            let fetched = outputs.fetch(map, reduce, task);
            fetched.for_each(task, |(hash, key, acc)| {
                let full = self.table.upsert(hash, key, acc, |acc| acc, |acc, other| (self.merge)(acc, other));
                if full {
                    self.check();
                }
            });
        }
    }

    /// Adds one value to the key's accumulator.
    #[inline]
    pub(crate) fn push<V>(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        create: impl FnOnce(V) -> C,
        add: impl FnOnce(&mut C, V),
    ) {
        if self.table.upsert(hash, key, value, create, add) {
            self.check();
        }
    }

    /// The same where the accumulator of a first value is the default with that value `first` put in.
    #[inline]
    pub(crate) fn push_default<V>(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        first: impl FnOnce(&mut C, V),
        add: impl FnOnce(&mut C, V),
    ) where
        C: Default,
    {
        let create = |value| {
            let mut acc = C::default();
            first(&mut acc, value);
            acc
        };
        self.push(hash, key, value, create, add);
    }

    #[cold]
    fn check(&mut self) {
        if !self.table.check(self.task) {
            self.spill();
        }
    }

    fn spill(&mut self) {
        let entries = self.table.take();
        let before = self.age;
        self.age += entries.len() as u64;
        let aged = (before..).zip(entries).map(|(age, (hash, key, acc))| (hash, age, key, acc));
        let mut aged: Vec<Spilled<K, C>> = aged.collect();
        ByHash.sort(&mut aged);
        let run = write_run(&self.memory, &mut aged.into_iter(), self.task);
        self.runs.push::<Spilled<K, C>>(run, &self.memory, &ByHash, self.task);
    }

    /// The accumulators, in the order in which their keys first came.
    pub(crate) fn finish(mut self) -> Gathered<'t, K, C> {
        if self.runs.is_empty() {
            let (entries, memory) = self.table.into_parts();
            return Gathered::InMemory { entries: entries.into_iter(), _memory: memory };
        }
        if !self.table.is_empty() {
            self.spill();
        }
        let mut by_age = Sorter::new(&self.memory, ByAge, self.task);
        merge_keys(self.runs.merge(ByHash, self.task), &self.merge, |entry| by_age.push(entry));
        Gathered::OnDisk(by_age.finish())
    }
}

/// What a [`CombineReader`] has gathered.
///
/// A type of its own, not a chain of adaptors: every program instantiates it with all that follows.
pub(crate) enum Gathered<'t, K, C> {
    InMemory { entries: std::vec::IntoIter<(u64, K, C)>, _memory: Reservation },
    OnDisk(Sorted<'t, (u64, K, C), ByAge>),
}

impl<K: Key, C: Exchange> Iterator for Gathered<'_, K, C> {
    type Item = (K, C);

    #[inline]
    fn next(&mut self) -> Option<(K, C)> {
        let (_, key, acc) = match self {
            Self::InMemory { entries, .. } => entries.next()?,
            Self::OnDisk(entries) => entries.next()?,
        };
        Some((key, acc))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::InMemory { entries, .. } => entries.size_hint(),
            Self::OnDisk(_) => (0, None),
        }
    }
}

/// Merges the accumulators of equal keys, which follow each other as far as their hashes are equal.
fn merge_keys<K: Key, C: Exchange>(
    mut sorted: Merge<'_, Spilled<K, C>, ByHash>,
    merge: &impl Fn(&mut C, C),
    mut each: impl FnMut((u64, K, C)),
) {
    while let Some((hash, age, key, acc)) = sorted.next() {
        if sorted.peek().is_none_or(|next| next.0 != hash) {
            each((age, key, acc));
            continue;
        }
        // All of one hash: nearly always one key.
        let mut same: KeyedTable<K, (u64, C)> = KeyedTable::default();
        same.upsert(hash, key, (age, acc), |first| first, |_, _| {});
        while sorted.peek().is_some_and(|next| next.0 == hash) {
            let Some((_, age, key, acc)) = sorted.next() else { break };
            same.upsert(hash, key, (age, acc), |first| first, |first, (_, later)| merge(&mut first.1, later));
        }
        same.into_entries().into_iter().for_each(|(_, key, (age, acc))| each((age, key, acc)));
    }
}

#[derive(Clone, Copy)]
struct ByHash;

impl<K, C> SortOrder<Spilled<K, C>> for ByHash {
    fn compare(&self, a: &Spilled<K, C>, b: &Spilled<K, C>) -> Ordering {
        a.0.cmp(&b.0)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct ByAge;

impl<K, C> SortOrder<(u64, K, C)> for ByAge {
    fn compare(&self, a: &(u64, K, C), b: &(u64, K, C)) -> Ordering {
        a.0.cmp(&b.0)
    }
}
