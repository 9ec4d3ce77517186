//! Where keys are placed: in key groups, and these in partitions.

/// How many key groups there are: the unit in which keys are placed and moved.
pub(crate) const KEY_GROUPS: usize = 128;

/// The key group of a hash: its seven upper bits.
#[inline(always)]
pub(crate) fn key_group(hash: u64) -> usize {
    (hash >> 57) as usize
}

/// The key groups that belong to partition `split` of `partitions`.
pub(crate) fn groups_of(split: usize, partitions: usize) -> std::ops::Range<usize> {
    split * KEY_GROUPS / partitions..(split + 1) * KEY_GROUPS / partitions
}

/// For each key group, the partition it belongs to.
pub(crate) fn placement(partitions: usize) -> [u8; KEY_GROUPS] {
    let mut placement = [0; KEY_GROUPS];
    for split in 0..partitions {
        for group in groups_of(split, partitions) {
            placement[group] = u8::try_from(split).expect("no more partitions than key groups");
        }
    }
    placement
}

#[cfg(test)]
mod tests {
    use firesteel_state::KeyGroups;

    use super::*;

    #[test]
    fn every_key_group_has_one_owner_whatever_the_number_of_partitions() {
        for partitions in 1..=KEY_GROUPS {
            let placement = placement(partitions);
            for (group, owner) in placement.iter().enumerate() {
                assert!(groups_of(usize::from(*owner), partitions).contains(&group));
            }
            assert!(placement.is_sorted());
        }
        for hash in [0, 1, u64::MAX / 3, u64::MAX] {
            assert_eq!(usize::from(KeyGroups::default().group_of(hash).0), key_group(hash));
        }
    }
}
