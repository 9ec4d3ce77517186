//! Where a key's slot is: four bytes a cell, eight cells a bucket, half a cache line for most searches.
//!
//! A cell holds the place of a slot in as many bits as all places need, and above them a part of the hash, so that
//! hardly ever a slot is looked at that does not match. Small tables have large tags. Cells fill front to back, and a
//! bucket that is full overflows into the next. Nothing is ever removed but what was added last, or everything: then
//! no search needs a mark where something was.
//!
//! The index does not know hashes of what is in it; who grows it hands them in.

use std::hint::black_box;

use super::pieces::Pieces;

/// Cells of a bucket.
const WIDTH: usize = 8;

/// Set in every [tag](tag_of): an empty cell, which is zero, matches none.
const PRESENT: u32 = 1 << 31;

#[derive(Clone)]
#[repr(align(32))]
struct Bucket([u32; WIDTH]);

/// Places by tag.
pub(crate) struct Index {
    /// None, or a power of two.
    buckets: Vec<Bucket>,
    /// The bits of a cell that hold the place, which is counted from one.
    place: u32,
}

/// Mixes a hash whose upper bits are all alike, since they have chosen the key group. One multiplication to 128 bits,
/// folded, as in wyhash.
#[inline]
pub(crate) const fn tag_of(hash: u64) -> u32 {
    let product = hash as u128 * 0x9E37_79B9_7F4A_7C15;
    ((product as u64 ^ (product >> 64) as u64) >> 32) as u32 | PRESENT
}

impl Index {
    /// The most places, since a cell must hold one and [`PRESENT`].
    pub(crate) const MAX: usize = 1 << 30;

    pub(crate) const fn new() -> Self {
        Self { buckets: Vec::new(), place: 0 }
    }

    /// For how many places there is room without making searches slow.
    pub(crate) fn room(&self) -> usize {
        self.buckets.len() * (WIDTH * 3 / 4)
    }

    /// Whether there is room for this many places.
    pub(crate) fn has_room(&self, places: usize) -> bool {
        places <= self.room()
    }

    /// Starts over, with room for `room` places at least and with places for `tags`, from zero on, which are not more.
    pub(crate) fn rebuild<'a>(&mut self, tags: impl Iterator<Item = &'a u32>, room: usize) {
        let count = room.div_ceil(WIDTH * 3 / 4).next_power_of_two();
        if self.buckets.len() == count {
            self.buckets.fill(Bucket([0; WIDTH]));
        } else {
            // What was there is given back first: both are never there at once, and nothing is copied.
            self.buckets = Vec::new();
            self.buckets = vec![Bucket([0; WIDTH]); count];
        }
        self.place = (count * WIDTH) as u32 - 1;
        for (at, tag) in tags.enumerate() {
            self.insert(*tag, at);
        }
    }

    /// Gives back all memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        // The lower bits choose the bucket, the upper ones are in the cell.
        tag as usize & (self.buckets.len() - 1)
    }

    #[inline]
    fn next(&self, bucket: usize) -> usize {
        (bucket + 1) & (self.buckets.len() - 1)
    }

    /// Adds the next place. There must be [room](Self::has_room).
    pub(crate) fn insert(&mut self, tag: u32, at: usize) {
        let mut bucket = self.home(tag);
        loop {
            if let Some(cell) = self.buckets[bucket].0.iter_mut().find(|cell| **cell == 0) {
                *cell = tag & !self.place | (at + 1) as u32;
                return;
            }
            bucket = self.next(bucket);
        }
    }

    /// Removes the place that was added last of those that are left.
    pub(crate) fn pop(&mut self, tag: u32, at: usize) {
        let mut bucket = self.home(tag);
        loop {
            let place = self.place;
            let own = |cell: &&mut u32| **cell & place == (at + 1) as u32;
            if let Some(cell) = self.buckets[bucket].0.iter_mut().find(own) {
                *cell = 0;
                return;
            }
            debug_assert_ne!(self.buckets[bucket].0[WIDTH - 1], 0, "place {at} is not in the index");
            bucket = self.next(bucket);
        }
    }

    /// As [`rebuild`](Self::rebuild), for all tags of a table.
    #[cold]
    pub(crate) fn grow(&mut self, tags: &Pieces<u32>, room: usize) {
        self.rebuild(tags.iter(), room);
    }

    /// Puts in the place of each tag the first place whose tag fits, or `u32::MAX`. `warm`: the index is in the cache.
    pub(crate) fn find_all(&self, tags: &mut [u32], warm: bool) {
        // Loops that only load: the processor has many of the loads under way at once.
        if !warm {
            black_box(tags.iter().fold(0, |seen, tag| seen ^ self.touch(*tag)));
        }
        for tag in tags {
            *tag = self.find(*tag, |_| true).map_or(u32::MAX, |at| at as u32);
        }
    }

    /// One bit for each cell that matches.
    #[inline]
    fn matches(&self, bucket: &Bucket, tag: u32) -> u32 {
        let wanted = tag & !self.place;
        let mut hits = 0;
        for (at, cell) in bucket.0.iter().enumerate() {
            hits |= u32::from(*cell & !self.place == wanted) << at;
        }
        hits
    }

    /// The first place whose tag fits and that `is` the one.
    #[inline]
    pub(crate) fn find(&self, tag: u32, mut is: impl FnMut(usize) -> bool) -> Option<usize> {
        if self.buckets.is_empty() {
            return None;
        }
        let mut at = self.home(tag);
        loop {
            let bucket = &self.buckets[at];
            let mut hits = self.matches(bucket, tag);
            while hits != 0 {
                let place = (bucket.0[hits.trailing_zeros() as usize % WIDTH] & self.place) as usize - 1;
                if is(place) {
                    return Some(place);
                }
                hits &= hits - 1;
            }
            if bucket.0[WIDTH - 1] == 0 {
                return None;
            }
            at = self.next(at);
        }
    }

    /// The first place whose tag fits and that `is` the one. If there is none, `at`, the next place, is added, for which
    /// there must be [room](Self::has_room).
    #[inline]
    pub(crate) fn find_or_insert(&mut self, tag: u32, at: usize, mut is: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut bucket = self.home(tag);
        loop {
            let cells = &self.buckets[bucket];
            let mut hits = self.matches(cells, tag);
            while hits != 0 {
                let place = (cells.0[hits.trailing_zeros() as usize % WIDTH] & self.place) as usize - 1;
                if is(place) {
                    return Some(place);
                }
                hits &= hits - 1;
            }
            let used = cells.0.iter().filter(|cell| **cell != 0).count();
            if used < WIDTH {
                self.buckets[bucket].0[used] = tag & !self.place | (at + 1) as u32;
                return None;
            }
            bucket = self.next(bucket);
        }
    }

    /// Something of the bucket where the search for `tag` begins, so that it is in the cache.
    #[inline]
    pub(crate) fn touch(&self, tag: u32) -> u32 {
        if self.buckets.is_empty() { 0 } else { self.buckets[self.home(tag)].0[0] }
    }

    /// Something of every bucket.
    pub(crate) fn touch_all(&self) -> u32 {
        self.buckets.iter().step_by(2).fold(0, |seen, bucket| seen ^ bucket.0[0])
    }

    /// Bytes that are allocated.
    pub(crate) fn allocated(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_of_one_group_spread_over_the_index() {
        // The upper seven bits are alike, as they are in one of 128 key groups.
        let tags: std::collections::HashSet<u32> =
            (0..10_000u64).map(|i| tag_of(5 << 57 | i.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 7)).collect();
        assert!(tags.len() > 9_990, "{}", tags.len());
    }

    proptest! {
        /// Tags that collide in their lower bits, in their upper bits and altogether.
        #[test]
        fn every_place_is_found_however_tags_collide(
            tags in vec((0..4u32, 0..3u32), 0..300), left in 0..300usize, grows: bool, finds: bool
        ) {
            let tags: Vec<u32> = tags.iter().map(|(high, low)| PRESENT | high << 28 | low).collect();
            let mut index = Index::new();
            for (at, tag) in tags.iter().enumerate() {
                if !index.has_room(at + 1) {
                    index.rebuild(tags[..at].iter(), if grows { at * 2 } else { at + 1 });
                }
                if finds {
                    prop_assert_eq!(index.find_or_insert(*tag, at, |_| false), None);
                } else {
                    index.insert(*tag, at);
                }
                prop_assert_eq!(index.find_or_insert(*tag, usize::MAX, |place| place == at), Some(at));
            }
            let left = left.min(tags.len());
            for at in (left..tags.len()).rev() {
                index.pop(tags[at], at);
            }
            for (at, tag) in tags.iter().enumerate() {
                let found = index.find(*tag, |place| place == at);
                prop_assert_eq!(found, (at < left).then_some(at));
            }
            let mut seen = 0;
            prop_assert_eq!(index.find(PRESENT | 3, |_| { seen += 1; false }), None);
            prop_assert!(seen <= left);
        }
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let mut index = Index::new();
        assert_eq!(index.find(PRESENT, |_| true), None);
        assert!(!index.has_room(1));
        index.rebuild([].iter(), 1);
        assert!(index.has_room(6) && !index.has_room(7));
        assert_eq!(index.find(PRESENT, |_| true), None);
        index.clear();
        assert_eq!((index.allocated(), index.touch(PRESENT), index.touch_all()), (0, 0, 0));
    }
}
