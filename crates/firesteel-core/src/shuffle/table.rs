//! A table of keys and values that remembers the order in which keys came.

use hashbrown::HashTable;

/// Keys with their hash and a value each, in the order of first appearance.
///
/// The hash is computed by the caller, once, and carried along. Iteration order depends on nothing but the order of
/// insertions, which is what makes a repeated computation yield the same output.
pub struct KeyedTable<K, C> {
    index: HashTable<u32>,
    entries: Vec<(u64, K, C)>,
}

impl<K: Eq, C> KeyedTable<K, C> {
    /// An empty table with room for so many keys.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        Self { index: HashTable::with_capacity(keys), entries: Vec::with_capacity(keys) }
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
    #[inline]
    pub fn upsert<V>(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        create: impl FnOnce(V) -> C,
        update: impl FnOnce(&mut C, V),
    ) -> bool {
        let entries = &mut self.entries;
        let found = self.index.find(hash, |at| {
            let entry = &entries[*at as usize];
            entry.0 == hash && entry.1 == key
        });
        if let Some(at) = found {
            update(&mut entries[*at as usize].2, value);
            return false;
        }
        let created = create(value);
        let at = u32::try_from(entries.len()).expect("a partition holds fewer than four billion distinct keys");
        self.index.insert_unique(hash, at, |at| entries[*at as usize].0);
        entries.push((hash, key, created));
        true
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, hash: u64, key: &K) -> Option<&C> {
        let found = self.index.find(hash, |at| self.entries[*at as usize].1 == *key);
        found.map(|at| &self.entries[*at as usize].2)
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
