//! A dense table of slots with an index: what all typed tables are built on.
//!
//! Slots stand in the order in which keys came, so that they can be written, taken back and counted front to back. The
//! index holds eight bytes a key, a part of the hash included, so that most of it is in the cache and no slot is
//! looked at that does not match.

use hashbrown::HashTable;

/// A key, its value, and the attempt that last changed it.
pub(crate) struct Slot<K, T> {
    pub(crate) stamp: u64,
    pub(crate) key: K,
    pub(crate) value: T,
}

/// Slots and where to find them.
pub(crate) struct Slots<K, T> {
    slots: Vec<Slot<K, T>>,
    index: HashTable<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    tag: u32,
    at: u32,
}

/// Mixes a hash whose upper bits are all alike, since they have chosen the key group. One multiplication to 128 bits,
/// folded, as in wyhash.
#[inline]
const fn tag_of(hash: u64) -> u32 {
    let product = hash as u128 * 0x9E37_79B9_7F4A_7C15;
    ((product as u64 ^ (product >> 64) as u64) >> 32) as u32
}

/// What the index goes by: the tag alone, so that the index can grow without the keys.
#[inline]
const fn spread(tag: u32) -> u64 {
    (tag as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl<K, T> Slots<K, T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), index: HashTable::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(crate) fn at(&self, at: usize) -> &Slot<K, T> {
        &self.slots[at]
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, at: usize) -> &mut Slot<K, T> {
        &mut self.slots[at]
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Slot<K, T>> {
        self.slots.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Slot<K, T>> {
        self.slots.iter_mut()
    }

    /// Adds a slot for a key that has none.
    ///
    /// # Panics
    ///
    /// At 2³² keys in one key group, which take a hundred gigabytes and more.
    pub(crate) fn push(&mut self, hash: u64, key: K, value: T, stamp: u64) -> usize {
        let at = self.slots.len();
        let place = Place {
            tag: tag_of(hash),
            at: u32::try_from(at).expect("one key group holds fewer than 2^32 keys in memory"),
        };
        self.slots.push(Slot { stamp, key, value });
        self.index.insert_unique(spread(place.tag), place, |place| spread(place.tag));
        at
    }

    /// Drops all slots from `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        if length < self.slots.len() {
            self.slots.truncate(length);
            self.index.retain(|place| (place.at as usize) < length);
        }
    }

    /// Where a key with this hash probably is, found without looking at a key.
    #[inline]
    pub(crate) fn candidate(&self, hash: u64) -> Option<usize> {
        let tag = tag_of(hash);
        self.index.find(spread(tag), |place| place.tag == tag).map(|place| place.at as usize)
    }

    /// Drops the slots that `keep` does not want, and gives back memory that is not needed for the rest. `moved` then
    /// tells for each old position the new one, or `u32::MAX`.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize, &mut Slot<K, T>) -> bool) -> Moved {
        let mut moved = Vec::with_capacity(self.slots.len());
        let (mut at, mut kept) = (0, 0);
        self.slots.retain_mut(|slot| {
            let keeps = keep(at, slot);
            moved.push(if keeps { kept } else { u32::MAX });
            at += 1;
            kept += u32::from(keeps);
            keeps
        });
        self.index.retain(|place| {
            place.at = moved[place.at as usize];
            place.at != u32::MAX
        });
        let room = self.slots.len() + self.slots.len() / 4;
        self.slots.shrink_to(room);
        self.index.shrink_to(room, |place| spread(place.tag));
        Moved(moved)
    }

    /// Bytes that are allocated, without what keys and values own.
    pub(crate) fn allocated(&self) -> u64 {
        (self.slots.capacity() * size_of::<Slot<K, T>>() + self.index.allocation_size()) as u64
    }
}

impl<K: Eq, T> Slots<K, T> {
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<usize> {
        let tag = tag_of(hash);
        let matches = |place: &Place| place.tag == tag && self.slots[place.at as usize].key == *key;
        self.index.find(spread(tag), matches).map(|place| place.at as usize)
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
    fn keys_of_one_group_spread_over_the_index() {
        // The upper seven bits are alike, as they are in one of 128 key groups.
        let tags: std::collections::HashSet<u32> =
            (0..10_000u64).map(|i| tag_of(5 << 57 | i.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 7)).collect();
        assert!(tags.len() > 9_990, "{}", tags.len());
    }

    #[test]
    fn slots_are_found_where_they_moved_to() {
        let mut slots = Slots::new();
        for key in 0..100u64 {
            assert_eq!(slots.push(key, key, key * 2, 0), key as usize);
        }
        let moved = slots.retain(|_, slot| slot.key % 3 == 0);
        assert_eq!(slots.len(), 34);
        assert_eq!((moved.to(99), moved.kept_of(10)), (33, 4));
        for key in 0..100u64 {
            let found = slots.find(key, &key).map(|at| slots.at(at).value);
            assert_eq!(found, (key % 3 == 0).then_some(key * 2));
        }
        slots.truncate(2);
        assert_eq!((slots.find(3, &3), slots.find(6, &6)), (Some(1), None));
        assert_eq!(slots.candidate(3), Some(1));
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
