//! The rows of one version of a table.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use firesteel_core::hash::BuildKeyHasher;

/// Rows by key.
#[derive(Debug)]
pub(crate) struct Rows<K, V>(HashMap<K, V, BuildKeyHasher>);

impl<K: Eq + Hash, V> Rows<K, V> {
    /// The rows, of which no two have the same key.
    pub(super) fn collect(rows: impl IntoIterator<Item = (K, V)>) -> Result<Self, String> {
        let rows = rows.into_iter();
        let mut by_key = HashMap::with_capacity_and_hasher(rows.size_hint().0, BuildKeyHasher);
        for (number, (key, value)) in (1_u64..).zip(rows) {
            match by_key.entry(key) {
                Entry::Vacant(entry) => _ = entry.insert(value),
                Entry::Occupied(_) => {
                    return Err(format!(
                        "its row {number} has the key of a row before it, and one of them would be lost: make one row of them, or                          leave out one, before"
                    ));
                }
            }
        }
        Ok(Self(by_key))
    }

    /// No rows.
    pub(super) fn none() -> Self {
        Self(HashMap::with_hasher(BuildKeyHasher))
    }

    /// The value of a key.
    #[inline]
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }
}

impl<K, V> Rows<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.0.iter()
    }
}
