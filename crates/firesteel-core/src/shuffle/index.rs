//! Finds entries by hash.

/// An open-addressing index from hashes to positions in a list of entries.
///
/// A slot holds the upper half of a hash and a position, in one word: most probes are decided by one load, without a
/// look at the entry. Slots are probed one after the other. Nothing is ever removed.
pub(crate) struct Index {
    /// The upper half of the hash, and the position plus one in the lower half; 0 is free. A power of two of them.
    slots: Vec<u64>,
    used: usize,
}

/// How many of this many slots are used at most: a quarter as long as they fit into the first-level cache, for then
/// nearly every key stands where it is looked for first and the processor predicts that; half of more.
fn room(slots: usize) -> usize {
    if slots <= 2048 { slots / 4 } else { slots / 2 }
}

/// The slots that an index begins with: room for sixteen entries.
const FIRST: usize = 64;

const UPPER: u64 = 0xffff_ffff_0000_0000;

impl Index {
    pub(crate) fn with_capacity(entries: usize) -> Self {
        let mut size = if entries > 0 { entries.next_power_of_two().max(16) } else { 0 };
        while room(size) < entries {
            size *= 2;
        }
        Self { slots: vec![0; size], used: 0 }
    }

    /// The position of the entry with this hash for which `is_it` holds.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        // The slot is always there: the mask keeps `at` inside, and an index without slots finds nothing.
        while let Some(slot) = self.slots.get(at).copied().filter(|slot| *slot != 0) {
            let entry = (slot as u32 - 1) as usize;
            if (slot ^ hash) & UPPER == 0 && is_it(entry) {
                return Some(entry);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Adds an entry that is not there yet. `hash_of` tells the hash of the entries before it.
    pub(crate) fn insert(&mut self, hash: u64, entry: usize, hash_of: impl Fn(usize) -> u64) {
        if self.used + 1 > room(self.slots.len()) {
            self.grow(hash_of);
        }
        self.place(hash, entry);
        self.used += 1;
    }

    #[inline]
    fn place(&mut self, hash: u64, entry: usize) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        let position = u32::try_from(entry + 1).expect("a table holds fewer than four billion keys");
        self.slots[at] = (hash & UPPER) | u64::from(position);
    }

    #[cold]
    fn grow(&mut self, hash_of: impl Fn(usize) -> u64) {
        let size = (self.slots.len() * 2).max(FIRST);
        self.slots.clear();
        self.slots.resize(size, 0);
        for entry in 0..self.used {
            self.place(hash_of(entry), entry);
        }
    }

    /// Forgets all entries and keeps the room.
    pub(crate) fn clear(&mut self) {
        if self.used > 0 {
            self.slots.fill(0);
            self.used = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash_key;

    #[test]
    fn finds_what_was_inserted_and_nothing_else() {
        let hashes: Vec<u64> = (0..10_000u32).map(|key| hash_key(&key)).collect();
        let mut index = Index::with_capacity(0);
        for (entry, hash) in hashes.iter().enumerate() {
            assert_eq!(index.find(*hash, |at| at == entry), None);
            index.insert(*hash, entry, |at| hashes[at]);
        }
        for (entry, hash) in hashes.iter().enumerate() {
            assert_eq!(index.find(*hash, |at| hashes[at] == *hash), Some(entry));
        }
        assert_eq!(index.find(hash_key("absent"), |_| true), None);
        index.clear();
        assert_eq!(index.find(hashes[7], |_| true), None);
    }

    #[test]
    fn keys_with_one_hash_are_told_apart() {
        let mut index = Index::with_capacity(3);
        (0..100).for_each(|entry| index.insert(42, entry, |_| 42));
        assert_eq!(index.find(42, |at| at == 77), Some(77));
        assert_eq!(index.find(42, |_| false), None);
    }
}
