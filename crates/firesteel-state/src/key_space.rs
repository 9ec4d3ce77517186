//! Where keys are: from a hash to its key group, and from there to the part of a job that has the group.
//!
//! This is the only place that maps one to the other. A [`KeySpace`] says how many key groups a job has, and which range
//! of them is the job's **own**: all of them, unless several jobs share the keys. Within its own range, a job gives each
//! of its tasks a **part**; what is kept by key group in its tasks is found by the group's **place** in the range.
//!
//! ```
//! use firesteel_state::{KeyGroup, KeyGroupRange, KeyGroups, KeySpace};
//!
//! let groups = KeyGroups::new(8)?;
//! let all = KeySpace::whole(groups);
//! assert_eq!(all.group_of(u64::MAX), KeyGroup(7));
//! assert_eq!(all.place_of(u64::MAX), Some(7));
//! assert_eq!(all.part(1, 3), KeyGroupRange::new(2, 5));
//!
//! let lower_half = KeySpace::part_of(groups, KeyGroupRange::new(0, 4), 1)?;
//! assert_eq!(lower_half.place_of(u64::MAX), None);
//! # Ok::<(), firesteel_state::StateError>(())
//! ```

use std::fmt;

use crate::error::{Result, StateError};
use crate::key_group::{KeyGroup, KeyGroupRange, KeyGroups};

/// The key groups of a job, and the range of them that it owns in a [term](Self::term).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpace {
    groups: KeyGroups,
    owned: KeyGroupRange,
    term: u64,
}

impl KeySpace {
    /// All key groups are the job's own.
    #[must_use]
    pub const fn whole(groups: KeyGroups) -> Self {
        Self { groups, owned: groups.all(), term: 0 }
    }

    /// A range of them is, in this term.
    ///
    /// # Errors
    /// [`StateError::KeyGroups`] when the range has groups that there are not.
    pub fn part_of(groups: KeyGroups, owned: KeyGroupRange, term: u64) -> Result<Self> {
        if owned.end() > groups.count() {
            let reason = format!("key groups {owned} cannot be owned: there are {}", groups.count());
            return Err(StateError::KeyGroups { reason });
        }
        Ok(Self { groups, owned, term })
    }

    /// How many key groups there are.
    #[must_use]
    pub const fn groups(&self) -> KeyGroups {
        self.groups
    }

    /// The range that is the job's own.
    #[must_use]
    pub const fn owned(&self) -> KeyGroupRange {
        self.owned
    }

    /// The term in which it is: a counter that each gain raises. What was written in an earlier one says nothing of the
    /// groups that have been gained since.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// How many key groups are the job's own.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.owned.len()
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.owned.is_empty()
    }

    /// The key group of the keys with this hash.
    #[inline(always)]
    #[must_use]
    pub const fn group_of(&self, hash: u64) -> KeyGroup {
        self.groups.group_of(hash)
    }

    /// The place of a hash's key group in the range, or a number that is not below [`len`](Self::len): looking that up in
    /// a list of that length is the test for what is the job's own.
    #[inline(always)]
    #[must_use]
    pub const fn index_of(&self, hash: u64) -> usize {
        self.owned.place_of(self.group_of(hash))
    }

    /// The place of a hash's key group in the range, if it is in it.
    #[inline]
    #[must_use]
    pub fn place_of(&self, hash: u64) -> Option<usize> {
        Some(self.index_of(hash)).filter(|place| *place < self.len())
    }

    /// Whether the key group of the keys with this hash is the job's own.
    #[inline]
    #[must_use]
    pub const fn owns(&self, hash: u64) -> bool {
        self.owned.contains(self.group_of(hash))
    }

    /// How many parts the range can be cut into, if this many are wanted: none is without a group, unless all are.
    #[must_use]
    pub fn parts(&self, wanted: usize) -> usize {
        wanted.min(self.len()).max(1)
    }

    /// The key groups of one of `parts` parts: the range is cut evenly.
    #[must_use]
    pub fn part(&self, part: usize, parts: usize) -> KeyGroupRange {
        // Both ends are within the range.
        let bound = |part: usize| self.owned.start() + (part * self.len() / parts) as u16;
        KeyGroupRange::new(bound(part), bound(part + 1))
    }

    /// For each place in the range, the part that has it.
    #[must_use]
    pub fn placement(&self, parts: usize) -> Vec<u16> {
        let mut placement = Vec::with_capacity(self.len());
        for part in 0..parts {
            // There are no more parts than key groups, but for one without a group.
            placement.resize(placement.len() + self.part(part, parts).len(), part as u16);
        }
        placement
    }

    /// With a range gained, which has to be next to the one that is there: one term later.
    ///
    /// # Errors
    /// [`StateError::KeyGroups`] when there are no such groups, some of them are owned already, or the ranges are apart.
    pub fn gaining(&self, range: KeyGroupRange) -> Result<Self> {
        self.gaining_after(range, 0)
    }

    /// The same, from who has had the range in this term: in a later one than either.
    ///
    /// # Errors
    /// As [`gaining`](Self::gaining).
    pub fn gaining_after(&self, range: KeyGroupRange, term: u64) -> Result<Self> {
        let joined = self.owned.joined(range).ok_or_else(|| StateError::KeyGroups {
            reason: format!("key groups {range} cannot be gained by who owns {}: ranges have to meet", self.owned),
        })?;
        Self::part_of(self.groups, joined, self.term.max(term) + 1)
    }

    /// With a range of its own released, from either end, in the same term.
    ///
    /// # Errors
    /// [`StateError::KeyGroups`] when not all of the range is owned, or it is in the middle.
    pub fn releasing(&self, range: KeyGroupRange) -> Result<Self> {
        let owned = self.owned.without(range).ok_or_else(|| StateError::KeyGroups {
            reason: format!("key groups {range} cannot be released by who owns {}: only one end of it can", self.owned),
        })?;
        Ok(Self { owned, ..*self })
    }
}

impl fmt::Display for KeySpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key groups {} of {}, in term {}", self.owned, self.groups.count(), self.term)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The numbers of key groups that jobs are tried at.
    const NUMBERS: [u16; 5] = [1, 8, 128, 1_024, 32_768];

    #[test]
    fn every_key_group_has_one_part_whatever_their_numbers() {
        for count in NUMBERS {
            let space = KeySpace::whole(KeyGroups::new(count).unwrap());
            for wanted in [1, 2, 3, 7, 8, 100, usize::from(count)] {
                let parts = space.parts(wanted);
                let placement = space.placement(parts);
                assert_eq!((placement.len(), placement.is_sorted()), (usize::from(count), true));
                for (group, part) in space.owned().iter().zip(&placement) {
                    assert!(space.part((*part).into(), parts).contains(group), "{group} of {count} in {parts} parts");
                }
            }
        }
    }

    #[test]
    fn of_a_power_of_two_the_upper_bits_tell_the_group() {
        for (bits, count) in [(0, 1), (3, 8), (7, 128), (10, 1_024), (15, 32_768)] {
            let space = KeySpace::whole(KeyGroups::new(count).unwrap());
            for hash in [0, 1, u64::MAX / 3, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX] {
                let upper = hash.checked_shr(64 - bits).unwrap_or(0);
                assert_eq!(u64::from(space.group_of(hash).0), upper, "{hash} of {count}");
            }
        }
    }

    #[test]
    fn ranges_are_gained_and_released_at_their_ends_and_each_gain_is_a_term() {
        let groups = KeyGroups::new(8).unwrap();
        let space = KeySpace::part_of(groups, KeyGroupRange::new(2, 4), 5).unwrap();
        let grown = space.gaining(KeyGroupRange::new(4, 7)).unwrap();
        assert_eq!((grown.owned(), grown.term()), (KeyGroupRange::new(2, 7), 6));
        let shrunk = grown.releasing(KeyGroupRange::new(2, 3)).unwrap();
        assert_eq!((shrunk.owned(), shrunk.term()), (KeyGroupRange::new(3, 7), 6));
        let nothing = shrunk.releasing(shrunk.owned()).unwrap();
        assert!(nothing.is_empty() && nothing.parts(4) == 1 && nothing.part(0, 1).is_empty());
        let elsewhere = nothing.gaining(KeyGroupRange::new(0, 2)).unwrap();
        assert_eq!((elsewhere.owned(), elsewhere.term()), (KeyGroupRange::new(0, 2), 7));
        assert_eq!(space.gaining_after(KeyGroupRange::new(4, 5), 9).unwrap().term(), 10);
        for (start, end) in [(3, 5), (5, 6), (7, 9), (0, 1)] {
            assert!(space.gaining(KeyGroupRange::new(start, end)).is_err(), "{start}..{end}");
        }
        for (start, end) in [(3, 6), (1, 3), (6, 8)] {
            assert!(grown.releasing(KeyGroupRange::new(start, end)).is_err(), "{start}..{end}");
        }
        assert!(KeySpace::part_of(groups, KeyGroupRange::new(2, 9), 0).is_err());
    }

    proptest! {
        #[test]
        fn what_is_owned_has_a_place_and_nothing_else_has(
            count in 1..=KeyGroups::MAX, start: u16, end: u16, hash: u64
        ) {
            let groups = KeyGroups::new(count).unwrap();
            let owned = KeyGroupRange::new(start % count, end % (count + 1));
            let space = KeySpace::part_of(groups, owned, 0).unwrap();
            let place = space.place_of(hash);
            prop_assert_eq!(place.is_some(), space.owns(hash));
            prop_assert_eq!(place.is_some(), space.index_of(hash) < space.len());
            if let Some(place) = place {
                prop_assert_eq!(owned.iter().nth(place), Some(space.group_of(hash)));
            }
        }
    }
}
