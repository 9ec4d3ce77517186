//! How an attempt at a batch has changed what is stored.

use std::ops::AddAssign;

/// Entries (values, and the entries of lists and maps) that one attempt at a batch has changed. Timers are not counted.
///
/// Counted is what is seen in memory: where an entry that only a backend holds is overwritten unseen, it counts as new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// Entries that came to be. One that came and went counts here and as removed.
    pub inserted: u64,
    /// Entries that were written and are there in the end, new ones included; each counts once.
    pub updated: u64,
    /// Entries that ceased to be.
    pub removed: u64,
}

impl Changes {
    /// Takes note of a write to one entry: whether it is the attempt's first, and whether the entry was there before
    /// and is there now.
    #[inline]
    pub(crate) fn note(&mut self, first: bool, before: bool, after: bool) {
        let (before, after) = (u64::from(before), u64::from(after));
        self.inserted += after & !before;
        self.removed += before & !after;
        self.updated += after;
        if !first {
            // It was counted by the write before this one, if that left it there.
            self.updated = self.updated.saturating_sub(before);
        }
    }
}

impl AddAssign for Changes {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.removed += other.removed;
    }
}
