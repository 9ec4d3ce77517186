//! A table of keys and values that remembers the order in which keys came.

use crate::shuffle::index::Index;

/// The entries that a list makes room for when the first comes, instead of growing from four.
pub(super) const FIRST_ROOM: usize = 16;

/// Keys with their hash and a value each, in the order of first appearance.
///
/// The hash is computed by the caller, once, and carried along. Iteration order depends on nothing but the order of
/// insertions, which is what makes a repeated computation yield the same output.
pub struct KeyedTable<K, C> {
    index: Index,
    entries: Vec<(u64, K, C)>,
}

impl<K: Eq, C> KeyedTable<K, C> {
    /// An empty table with room for this many keys.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        Self { index: Index::with_capacity(keys), entries: Vec::with_capacity(keys) }
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds `value` to the key's entry with `update`, or makes the entry with `create`. Returns whether it is new.
    #[inline(always)]
    pub fn upsert<V>(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        create: impl FnOnce(V) -> C,
        update: impl FnOnce(&mut C, V),
    ) -> bool {
        let entries = &self.entries;
        match self.index.find(hash, |at| entries[at].1 == key) {
            Some(at) => {
                update(&mut self.entries[at].2, value);
                false
            }
            None => {
                self.push(hash, key, create(value));
                true
            }
        }
    }

    #[inline(never)]
    fn push(&mut self, hash: u64, key: K, created: C) {
        let entries = &self.entries;
        self.index.insert(hash, entries.len(), |at| entries[at].0);
        if self.entries.capacity() == 0 {
            self.entries.reserve(FIRST_ROOM);
        }
        self.entries.push((hash, key, created));
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, hash: u64, key: &K) -> Option<&C> {
        let found = self.index.find(hash, |at| self.entries[at].1 == *key);
        found.map(|at| &self.entries[at].2)
    }

    /// The entries, in the order of first appearance: hash, key and value of each.
    pub fn entries(&self) -> &[(u64, K, C)] {
        &self.entries
    }

    /// The values, in place.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.entries.iter_mut().map(|entry| &mut entry.2)
    }

    /// Takes all entries out and keeps the room.
    pub fn take(&mut self) -> Vec<(u64, K, C)> {
        self.index.clear();
        let room = self.entries.capacity();
        std::mem::replace(&mut self.entries, Vec::with_capacity(room.min(1024)))
    }

    /// Takes all entries out one by one, in the order of first appearance, and keeps the room.
    pub fn drain(&mut self) -> impl Iterator<Item = (u64, K, C)> {
        self.index.clear();
        self.entries.drain(..)
    }

    /// All entries, in the order of first appearance.
    #[must_use]
    pub fn into_entries(self) -> Vec<(u64, K, C)> {
        self.entries
    }
}

impl<K: Eq, C> Default for KeyedTable<K, C> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}
