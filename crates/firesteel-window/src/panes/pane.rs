//! The pane of one window, with the undo log of one attempt. When attempts begin and end is decided above.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use crate::window::Window;

/// One window's accumulators: a dense table in the order in which keys came, and an index into it.
///
/// The table is what is read when the window fires, front to back; the index holds four bytes per key, so that more of
/// it fits in the cache than of a map that stores keys and values itself.
pub(super) struct Pane<K, A> {
    window: Window,
    entries: Vec<Entry<K, A>>,
    index: HashTable<u32>,
    /// The attempt that last changed this pane; `base` and `undo` belong to it.
    attempt: u64,
    /// How many entries there were when that attempt first came here.
    base: usize,
    /// Positions below `base` that the attempt has changed, each once, with what they held before.
    undo: Vec<(u32, A)>,
    /// How many entries there were when changes were last asked for.
    saved: usize,
    /// Positions below `saved` that have been changed since; one may stand here once for each batch.
    changed: Vec<u32>,
}

struct Entry<K, A> {
    hash: u64,
    /// The attempt for which an old value lies in the undo log.
    logged: u64,
    key: K,
    acc: A,
}

/// Mixes a hash whose high or low bits may all be alike, since they have chosen the key group, into one whose bits all
/// vary: the index uses the highest seven and the lowest ones. One multiplication to 128 bits, folded, as in wyhash.
#[inline]
const fn spread(hash: u64) -> u64 {
    let product = hash as u128 * 0x9E37_79B9_7F4A_7C15;
    product as u64 ^ (product >> 64) as u64
}

impl<K, A> Pane<K, A> {
    pub(super) const fn new(window: Window) -> Self {
        Self {
            window,
            entries: Vec::new(),
            index: HashTable::new(),
            attempt: 0,
            base: 0,
            undo: Vec::new(),
            saved: 0,
            changed: Vec::new(),
        }
    }

    /// This pane without contents, for its buffers.
    pub(super) fn recycled(mut self) -> Self {
        self.entries.clear();
        self.index.clear();
        self.undo.clear();
        self.changed.clear();
        self
    }

    /// A recycled pane for another window.
    pub(super) fn reused_for(self, window: Window) -> Self {
        Self { window, attempt: 0, base: 0, saved: 0, ..self }
    }

    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Whether the buffers are worth keeping for a window of about the same size.
    pub(super) fn is_well_used(&self) -> bool {
        self.entries.len() >= self.capacity() / 4
    }

    #[inline]
    pub(super) fn window(&self) -> Window {
        self.window
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Window, &K, &A)> {
        self.entries.iter().map(|entry| (self.window, &entry.key, &entry.acc))
    }

    /// Prepares for changes by `attempt`; whether they are its first ones here.
    #[inline]
    pub(super) fn begin(&mut self, attempt: u64) -> bool {
        if self.attempt == attempt {
            return false;
        }
        self.attempt = attempt;
        self.base = self.entries.len();
        debug_assert!(self.undo.is_empty(), "the last attempt was kept or rolled back");
        true
    }

    /// Makes the changes of the last attempt final.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Whether changes have been asked for since the window was opened.
    pub(super) fn is_saved(&self) -> bool {
        self.saved > 0
    }

    /// Counts everything here as told.
    pub(super) fn set_saved(&mut self) {
        self.saved = self.entries.len();
        self.changed.clear();
    }

    /// The keys that were there when changes were last asked for.
    pub(super) fn saved_keys(&self) -> impl Iterator<Item = &K> {
        self.entries[..self.saved].iter().map(|entry| &entry.key)
    }

    /// Hands out what has changed since this was last called.
    pub(super) fn save(&mut self, mut each: impl FnMut(&K, &A)) {
        self.changed.sort_unstable();
        self.changed.dedup();
        for at in self.changed.drain(..) {
            let entry = &self.entries[at as usize];
            each(&entry.key, &entry.acc);
        }
        for entry in &self.entries[self.saved..] {
            each(&entry.key, &entry.acc);
        }
        self.saved = self.entries.len();
    }

    /// Rolls back the changes of `attempt`, if it made any. Returns whether the pane existed before it: one that did
    /// not is left as it is, for the caller to drop.
    pub(super) fn roll_back(&mut self, attempt: u64) -> bool {
        if self.attempt != attempt {
            return true;
        }
        if self.base == 0 {
            return false;
        }
        for (at, old) in self.undo.drain(..) {
            self.entries[at as usize].acc = old;
        }
        for (entry, at) in self.entries.drain(self.base..).zip(self.base..) {
            if let Ok(slot) = self.index.find_entry(spread(entry.hash), |&other| other as usize == at) {
                slot.remove();
            }
        }
        true
    }
}

impl<K: Eq, A> Pane<K, A> {
    pub(super) fn get(&self, hash: u64, key: &K) -> Option<&A> {
        let matches = |&at: &u32| self.entries[at as usize].is(hash, key);
        let at = *self.index.find(spread(hash), matches)?;
        Some(&self.entries[at as usize].acc)
    }

    #[inline]
    pub(super) fn merge(&mut self, hash: u64, key: K, acc: A, combine: impl FnOnce(&mut A, A))
    where
        A: Clone,
    {
        let entries = &mut self.entries;
        let slot = self.index.entry(
            spread(hash),
            |&at| entries[at as usize].is(hash, &key),
            |&at| spread(entries[at as usize].hash),
        );
        match slot {
            Slot::Occupied(slot) => {
                let at = *slot.get();
                let entry = &mut entries[at as usize];
                if entry.logged != self.attempt && (at as usize) < self.base {
                    self.undo.push((at, entry.acc.clone()));
                    entry.logged = self.attempt;
                    if (at as usize) < self.saved {
                        self.changed.push(at);
                    }
                }
                combine(&mut entry.acc, acc);
            }
            Slot::Vacant(slot) => {
                let at = u32::try_from(entries.len()).expect("one window holds fewer than 2^32 keys");
                entries.push(Entry { hash, logged: 0, key, acc });
                slot.insert(at);
            }
        }
    }
}

impl<K: Eq, A> Pane<K, A> {
    /// Removes a key, which changes the order of the others.
    pub(super) fn remove(&mut self, hash: u64, key: &K) -> bool {
        let entries = &self.entries;
        let Ok(slot) = self.index.find_entry(spread(hash), |&at| entries[at as usize].is(hash, key)) else {
            return false;
        };
        let (at, _) = slot.remove();
        self.entries.swap_remove(at as usize);
        if let Some(moved) = self.entries.get(at as usize) {
            let last = self.entries.len() as u32;
            if let Some(slot) = self.index.find_mut(spread(moved.hash), |&other| other == last) {
                *slot = at;
            }
        }
        true
    }
}

impl<K: Eq, A> Entry<K, A> {
    #[inline]
    fn is(&self, hash: u64, key: &K) -> bool {
        self.hash == hash && self.key == *key
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn spread_varies_all_bits_the_index_looks_at() {
        let varied = |hashes: &dyn Fn(u64) -> u64, part: &dyn Fn(u64) -> u64| {
            (0..4_096).map(|i| part(spread(hashes(i)))).collect::<HashSet<_>>().len()
        };
        let random = |i: u64| i.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let same_low = |i| random(i) << 7 | 5;
        let same_high = |i| random(i) >> 7 | 5 << 57;
        let high = |h| h >> 57;
        let low = |h| h & 0xFFF;
        for hashes in [&same_low as &dyn Fn(u64) -> u64, &same_high] {
            assert_eq!(varied(hashes, &high), 128);
            // 4,096 values drawn at random out of as many leave about 63 % different ones.
            assert!(varied(hashes, &low) > 2_400, "{}", varied(hashes, &low));
        }
    }
}
