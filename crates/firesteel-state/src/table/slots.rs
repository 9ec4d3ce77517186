//! A dense table of slots with an [index](super::index): what all typed tables are built on.
//!
//! Slots stand in the order in which keys came, so that they can be written, rolled back and counted front to back.

use std::hint::black_box;

use super::index::{Index, tag_of};
use super::pieces::Pieces;

/// A key, its value, and the attempt that last changed it.
// In this order: whoever touches the stamp has the beginning of the slot in the cache.
#[repr(C)]
pub(crate) struct Slot<K, T> {
    pub(crate) stamp: u64,
    pub(crate) key: K,
    pub(crate) value: T,
}

/// Slots and where to find them.
// In this order: what a search looks at stands together.
#[repr(C)]
pub(crate) struct Slots<K, T> {
    slots: Pieces<Slot<K, T>>,
    index: Index,
    /// The tag of each slot, from which the index can be made again without the keys.
    tags: Pieces<u32>,
}

/// Up to this many slots are looked at one by one: there is no index.
const FEW: usize = 4;

/// A table of this many bytes fits into the cache of one core, beside what is done with it.
const CACHED: usize = 768 << 10;
/// A cache line that is read in its turn costs a small part of one that is read at random.
const LINES_IN_TURN: usize = 8;

impl<K, T> Slots<K, T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Pieces::new(), index: Index::new(), tags: Pieces::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many slots there is room for.
    pub(crate) fn room(&self) -> usize {
        self.slots.room()
    }

    #[inline]
    pub(crate) fn at(&self, at: usize) -> &Slot<K, T> {
        self.slots.at(at)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, at: usize) -> &mut Slot<K, T> {
        self.slots.at_mut(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot<K, T>> {
        self.slots.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot<K, T>> {
        self.slots.iter_mut()
    }

    /// Adds a slot for a key that has none.
    ///
    /// # Panics
    ///
    /// At 2³⁰ keys in one key group, which take tens of gigabytes.
    pub(crate) fn push(&mut self, hash: u64, key: K, value: T, stamp: u64) -> usize {
        let at = self.slots.len();
        assert!(at < Index::MAX, "one key group holds fewer than 2^30 keys in memory");
        let tag = tag_of(hash);
        if at >= FEW {
            if at == FEW || !self.index.has_room(at + 1) {
                self.index.grow(&self.tags, self.index.room().max(at + 1));
            }
            self.index.insert(tag, at);
        }
        self.tags.push(tag);
        self.slots.push(Slot { stamp, key, value });
        at
    }

    /// Makes room for this many keys in all. They may be new, or those that are there may be among them.
    pub(crate) fn make_room_for(&mut self, keys: usize) {
        if keys <= FEW || keys <= self.slots.len() || keys >= Index::MAX {
            return;
        }
        if !self.index.has_room(keys) {
            self.index.grow(&self.tags, keys);
        }
        self.slots.make_room_for(keys);
        self.tags.make_room_for(keys);
    }

    /// Makes room in the index of an empty table for this many slots.
    pub(crate) fn reserve(&mut self, count: usize) {
        if count > 0 && count < Index::MAX {
            self.index.grow(&Pieces::new(), count);
        }
    }

    /// Brings into the cache where the search for keys with these hashes begins.
    #[inline]
    pub(crate) fn touch(&self, hashes: impl Iterator<Item = u64>) {
        black_box(hashes.fold(0, |seen, hash| seen ^ self.index.touch(tag_of(hash))));
    }

    /// Drops all slots, and keeps their room.
    pub(crate) fn clear(&mut self) {
        self.slots.truncate(0);
        self.tags.truncate(0);
    }

    /// Drops all slots from `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        while self.tags.len() > length.max(FEW)
            && let Some(tag) = self.tags.pop()
        {
            self.index.pop(tag, self.tags.len());
        }
        self.tags.truncate(length);
        self.slots.truncate(length);
    }

    /// Where keys with these hashes probably are, found without looking at a key; `u32::MAX` where there is none. The
    /// searches do not wait for each other, and what they find is in the cache afterwards.
    #[inline]
    pub(crate) fn candidates<const N: usize>(&self, hashes: impl Iterator<Item = u64>, warm: bool) -> [u32; N] {
        let mut found = [u32::MAX; N];
        if self.slots.len() <= FEW {
            return found;
        }
        let mut count = 0;
        for (tag, hash) in found.iter_mut().zip(hashes) {
            *tag = tag_of(hash);
            count += 1;
        }
        self.index.find_all(&mut found[..count], warm);
        if !warm {
            self.touch_slots(&found[..count]);
        }
        found
    }

    /// Brings the slots at these places into the cache.
    fn touch_slots(&self, places: &[u32]) {
        let mut seen = 0;
        for at in places {
            // The slot's beginning, and its end, which is where the next begins.
            let at = *at as usize;
            for at in [at, at.wrapping_add(1)] {
                if let Some(slot) = self.slots.get(at) {
                    seen ^= slot.stamp;
                }
            }
        }
        black_box(seen);
    }

    /// Brings the whole table into the cache if that is the cheapest way to find `searches` keys. Whether it did.
    pub(crate) fn warm_up(&self, searches: usize) -> bool {
        let bytes = self.slots.len() * size_of::<Slot<K, T>>() + self.index.allocated();
        let pays = bytes <= CACHED && bytes / 64 <= searches * LINES_IN_TURN;
        if pays {
            black_box(self.index.touch_all());
            black_box(self.slots.iter().fold(0, |seen, slot| seen ^ slot.stamp));
        }
        pays
    }

    /// Drops the slots that `keep` does not want, and gives back memory that is not needed for the rest. `moved` then
    /// tells for each old position the new one, or `u32::MAX`.
    pub(crate) fn retain(&mut self, keep: &mut dyn FnMut(usize, &mut Slot<K, T>) -> bool) -> Moved {
        let mut moved = Vec::with_capacity(self.slots.len());
        let (mut at, mut kept) = (0, 0);
        self.slots.retain_mut(|slot| {
            let keeps = keep(at, slot);
            moved.push(if keeps { kept } else { u32::MAX });
            at += 1;
            kept += u32::from(keeps);
            keeps
        });
        keep_tags(&mut self.tags, &mut self.index, &moved);
        Moved(moved)
    }

    /// Bytes that are allocated, without what keys and values own.
    pub(crate) fn allocated(&self) -> u64 {
        (self.slots.allocated() + self.tags.allocated() + self.index.allocated()) as u64
    }
}

impl<K: Eq, T> Slots<K, T> {
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<usize> {
        if self.slots.len() <= FEW {
            return self.find_few(key);
        }
        self.index.find(tag_of(hash), |at| self.slots.at(at).key == *key)
    }

    #[inline]
    fn find_few(&self, key: &K) -> Option<usize> {
        (0..self.slots.len()).find(|at| self.slots.at(*at).key == *key)
    }

    /// The slot of a key, added with this value if there is none.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub(crate) fn find_or_push(&mut self, hash: u64, key: K, value: impl FnOnce() -> T, stamp: u64) -> usize {
        let at = self.slots.len();
        if at <= FEW || !self.index.has_room(at + 1) {
            return self.find(hash, &key).unwrap_or_else(|| self.push(hash, key, value(), stamp));
        }
        let tag = tag_of(hash);
        let slots = &self.slots;
        if let Some(found) = self.index.find_or_insert(tag, at, |at| slots.at(at).key == key) {
            return found;
        }
        self.tags.push(tag);
        self.slots.push(Slot { stamp, key, value: value() });
        at
    }
}

impl<K: Eq, T> Slots<K, T> {
    /// Adds a slot for a key that has none; `None` then. The place of one that has a slot, and the value that is not
    /// added.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    #[inline(always)]
    pub(crate) fn add(&mut self, hash: u64, key: K, value: T, stamp: u64) -> Option<(usize, T)> {
        let at = self.slots.len();
        if at <= FEW || !self.index.has_room(at + 1) {
            return match self.find(hash, &key) {
                Some(found) => Some((found, value)),
                None => {
                    self.push(hash, key, value, stamp);
                    None
                }
            };
        }
        let tag = tag_of(hash);
        let slots = &self.slots;
        if let Some(found) = self.index.find_or_insert(tag, at, |at| slots.at(at).key == key) {
            return Some((found, value));
        }
        self.tags.push(tag);
        self.slots.push(Slot { stamp, key, value });
        None
    }
}

/// Keeps the tags of the slots that were kept, and makes the index anew.
fn keep_tags(tags: &mut Pieces<u32>, index: &mut Index, moved: &[u32]) {
    let mut keeps = moved.iter().map(|to| *to != u32::MAX);
    tags.retain_mut(|_| keeps.next().unwrap_or_default());
    if tags.len() <= FEW {
        index.clear();
    } else {
        index.grow(tags, tags.len());
    }
}

/// Where slots went.
pub(crate) struct Moved(Vec<u32>);

impl Moved {
    /// The new position of a slot that was kept.
    pub(crate) fn to(&self, at: u32) -> u32 {
        let to = self.0[at as usize];
        debug_assert_ne!(to, u32::MAX, "a slot that is still needed was dropped");
        to
    }

    /// How many of the first `count` slots were kept.
    pub(crate) fn kept_of(&self, count: usize) -> usize {
        self.0[..count].iter().filter(|&&to| to != u32::MAX).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_where_they_moved_to() {
        let mut slots = Slots::new();
        for key in 0..100u64 {
            assert_eq!(slots.push(key, key, key * 2, 0), key as usize);
        }
        let moved = slots.retain(&mut |_, slot| slot.key % 3 == 0);
        assert_eq!(slots.len(), 34);
        assert_eq!((moved.to(99), moved.kept_of(10)), (33, 4));
        for key in 0..100u64 {
            let found = slots.find(key, &key).map(|at| slots.at(at).value);
            assert_eq!(found, (key % 3 == 0).then_some(key * 2));
        }
        slots.truncate(2);
        assert_eq!((slots.find(3, &3), slots.find(6, &6)), (Some(1), None));
        for warm in [false, true] {
            assert_eq!(slots.candidates([3, 99].into_iter(), warm), [u32::MAX; 3], "few are not searched ahead");
        }
        for key in 100..110 {
            slots.push(key, key, 0, 0);
        }
        for warm in [false, true] {
            assert_eq!(slots.candidates([3, 99, 109].into_iter(), warm), [1, u32::MAX, 11]);
        }
    }

    #[test]
    fn keys_with_the_same_hash_are_kept_apart() {
        let mut slots = Slots::new();
        slots.push(7, "a", 1, 0);
        slots.push(7, "b", 2, 0);
        assert_eq!(slots.find(7, &"a"), Some(0));
        assert_eq!(slots.find(7, &"b"), Some(1));
        assert_eq!(slots.find(7, &"c"), None);
    }
}
