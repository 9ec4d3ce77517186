//! Which slots of a dense table changed in the open epoch.

use super::reuse;
use super::slots::Moved;

/// Below this, it is known which they are, however small the table is.
const FEW: usize = 64;

/// The slots that changed in the open epoch.
#[derive(Default)]
pub(super) struct Changed {
    /// Which they are, as long as they are few.
    list: Vec<u32>,
    /// How many they are, and how many they were when the attempt began.
    count: usize,
    base: usize,
    /// Whether they are so many that an epoch looks at all slots: then the list is not kept.
    many: bool,
}

/// If one in this many slots changed, an epoch looks at all of them.
const DENSE: usize = 16;

impl Changed {
    /// Takes note of one of this many slots.
    #[inline]
    pub(super) fn note(&mut self, at: usize, slots: usize) {
        self.count += 1;
        if !self.many {
            self.list.push(at as u32);
            self.many = self.list.len() > FEW.max(slots / DENSE);
        }
    }

    pub(super) fn begin(&mut self) {
        self.base = self.count;
    }

    pub(super) fn roll_back(&mut self) {
        // All of them were in the list, unless there are many.
        self.list.truncate(self.base);
        self.count = self.base;
    }

    pub(super) fn end_epoch(&mut self) {
        reuse(&mut self.list);
        (self.count, self.base, self.many) = (0, 0, false);
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Which they are; `None` if they are so many that all slots are to be looked at.
    pub(super) fn list(&self) -> Option<&[u32]> {
        if self.many { None } else { Some(&self.list) }
    }

    /// Takes note of where slots have gone.
    pub(super) fn renumber(&mut self, moved: &Moved) {
        if self.many {
            self.list.clear();
        }
        for at in &mut self.list {
            *at = moved.to(*at);
        }
    }

    /// Bytes that are allocated.
    pub(super) fn allocated(&self) -> usize {
        self.list.capacity() * size_of::<u32>()
    }
}
