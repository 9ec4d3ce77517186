//! A map for few entries, which also copes with many.

use std::collections::HashMap;

use smallvec::SmallVec;

/// Entries up to which looking through all of them is fastest.
const FEW: usize = 24;

/// Values by number, in the order of insertion.
pub(crate) struct SmallMap<V> {
    entries: SmallVec<[(u64, V); 8]>,
    /// Positions in `entries`; empty as long as there are few.
    index: HashMap<u64, usize>,
}

impl<V> Default for SmallMap<V> {
    fn default() -> Self {
        Self { entries: SmallVec::new(), index: HashMap::new() }
    }
}

impl<V> SmallMap<V> {
    fn position(&self, key: u64) -> Option<usize> {
        if self.index.is_empty() {
            self.entries.iter().position(|entry| entry.0 == key)
        } else {
            self.index.get(&key).copied()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        self.position(key).map(|at| &mut self.entries[at].1)
    }

    /// Adds a value under a key that is not there yet.
    pub(crate) fn insert(&mut self, key: u64, value: V) {
        debug_assert!(self.position(key).is_none(), "keys are inserted once");
        self.entries.push((key, value));
        if self.entries.len() > FEW {
            if self.index.is_empty() {
                self.index = self.entries.iter().enumerate().map(|(at, entry)| (entry.0, at)).collect();
            } else {
                self.index.insert(key, self.entries.len() - 1);
            }
        }
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_entries_are_found_alike() {
        let mut map = SmallMap::default();
        for key in 0..200u64 {
            assert!(map.get_mut(key * 7).is_none());
            map.insert(key * 7, key);
            assert_eq!(map.get_mut(0), Some(&mut 0));
            assert_eq!(map.get_mut(key * 7), Some(&mut key.clone()));
        }
        assert_eq!(map.values().copied().collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    }
}
