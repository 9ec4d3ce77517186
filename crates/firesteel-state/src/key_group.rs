//! Key groups: the units in which state is placed, moved and restored.
//!
//! A key belongs to one of a fixed number of groups, chosen by the upper bits of its hash. A worker owns a contiguous
//! range of groups; with another number of workers, ranges are cut elsewhere, and no key changes its group.
//!
//! ```
//! use firesteel_state::{KeyGroup, KeyGroups};
//!
//! let groups = KeyGroups::default();
//! assert_eq!(groups.count(), 128);
//! // Of 128 groups, the top seven bits of the hash tell which.
//! assert_eq!(groups.group_of(0xFFFF_FFFF_0000_0000), KeyGroup(127));
//! let workers = groups.split(3);
//! assert_eq!(workers.iter().map(|range| range.len()).collect::<Vec<_>>(), [42, 43, 43]);
//! ```
//!
//! No hash is computed here: the caller has one for each key, equal on every machine and in every release.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Result, StateError};

/// The number of a key group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyGroup(pub u16);

impl fmt::Display for KeyGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many key groups a job has. Fixed with its first checkpoint: another number places keys elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct KeyGroups(u16);

impl KeyGroups {
    /// The most groups there can be, as in Flink: 32,768.
    pub const MAX: u16 = 1 << 15;

    /// This many groups.
    ///
    /// # Errors
    /// [`StateError::KeyGroups`] unless `count` is between 1 and [`MAX`](Self::MAX).
    pub fn new(count: u16) -> Result<Self> {
        if (1..=Self::MAX).contains(&count) {
            Ok(Self(count))
        } else {
            Err(StateError::KeyGroups { reason: format!("there can be 1 to {} key groups, not {count}", Self::MAX) })
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.0
    }

    /// The group of the keys with this hash: `hash * count / 2^64`.
    #[inline]
    #[must_use]
    pub const fn group_of(self, hash: u64) -> KeyGroup {
        KeyGroup(((hash as u128 * self.0 as u128) >> 64) as u16)
    }

    /// All groups.
    #[must_use]
    pub const fn all(self) -> KeyGroupRange {
        KeyGroupRange { start: 0, end: self.0 }
    }

    /// The groups cut into `parts` contiguous ranges, the longest one group longer than the shortest. Ranges are empty
    /// where there are more parts than groups.
    #[must_use]
    pub fn split(self, parts: usize) -> Vec<KeyGroupRange> {
        let bound = |part: usize| (part * usize::from(self.0) / parts) as u16;
        (0..parts).map(|part| KeyGroupRange { start: bound(part), end: bound(part + 1) }).collect()
    }
}

impl Default for KeyGroups {
    /// 128 groups.
    fn default() -> Self {
        Self(128)
    }
}

impl TryFrom<u16> for KeyGroups {
    type Error = StateError;

    fn try_from(count: u16) -> Result<Self> {
        Self::new(count)
    }
}

impl From<KeyGroups> for u16 {
    fn from(groups: KeyGroups) -> Self {
        groups.0
    }
}

/// A contiguous range of key groups, `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyGroupRange {
    start: u16,
    end: u16,
}

impl KeyGroupRange {
    /// The groups from `start` to before `end`; none if `end` is not after `start`.
    #[must_use]
    pub const fn new(start: u16, end: u16) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }

    /// The first group's number.
    #[must_use]
    pub const fn start(self) -> u16 {
        self.start
    }

    /// The number after that of the last group.
    #[must_use]
    pub const fn end(self) -> u16 {
        self.end
    }

    /// How many groups it holds.
    #[must_use]
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it holds no group.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether the group is among them.
    #[must_use]
    pub const fn contains(self, group: KeyGroup) -> bool {
        self.start <= group.0 && group.0 < self.end
    }

    /// The groups that are in both ranges.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// Both ranges as one, if they have no group in common and one begins where the other ends.
    #[must_use]
    pub const fn joined(self, other: Self) -> Option<Self> {
        if other.is_empty() {
            Some(self)
        } else if self.is_empty() {
            Some(other)
        } else if self.end == other.start {
            Some(Self { start: self.start, end: other.end })
        } else if other.end == self.start {
            Some(Self { start: other.start, end: self.end })
        } else {
            None
        }
    }

    /// What is left without a range at either end of it.
    #[must_use]
    pub const fn without(self, other: Self) -> Option<Self> {
        if other.is_empty() {
            Some(self)
        } else if self.start == other.start && other.end <= self.end {
            Some(Self { start: other.end, end: self.end })
        } else if self.end == other.end && self.start <= other.start {
            Some(Self { start: self.start, end: other.start })
        } else {
            None
        }
    }

    /// Where a group stands among them; a number that is not below [`len`](Self::len) if it is none of them.
    #[inline(always)]
    #[must_use]
    pub const fn place_of(self, group: KeyGroup) -> usize {
        (group.0 as usize).wrapping_sub(self.start as usize)
    }

    /// The groups in ascending order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = KeyGroup> + ExactSizeIterator {
        Range { start: self.start, end: self.end }.map(KeyGroup)
    }
}

impl fmt::Display for KeyGroupRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_job_has_at_least_one_group_and_at_most_32768() {
        assert!(KeyGroups::new(0).is_err());
        assert!(KeyGroups::new(KeyGroups::MAX).is_ok());
        assert!(KeyGroups::new(KeyGroups::MAX + 1).is_err());
        assert!(postcard::from_bytes::<KeyGroups>(&[0]).is_err());
    }

    proptest! {
        #[test]
        fn every_hash_has_a_group_and_every_group_one_range(
            count in 1..=KeyGroups::MAX, parts in 1..300usize, hash: u64
        ) {
            let groups = KeyGroups::new(count).unwrap();
            let group = groups.group_of(hash);
            prop_assert!(groups.all().contains(group));
            let ranges = groups.split(parts);
            prop_assert_eq!(ranges.iter().filter(|range| range.contains(group)).count(), 1);
            prop_assert_eq!(ranges.iter().map(|range| range.len()).sum::<usize>(), usize::from(count));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end() == pair[1].start()));
            let lengths = ranges.iter().map(|range| range.len());
            prop_assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
        }

        #[test]
        fn groups_follow_the_order_of_hashes(count in 1..=KeyGroups::MAX, a: u64, b: u64) {
            let groups = KeyGroups::new(count).unwrap();
            prop_assert_eq!(groups.group_of(a.min(b)) <= groups.group_of(a.max(b)), true);
        }
    }
}
