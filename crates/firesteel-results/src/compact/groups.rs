//! Which small files are to be merged.

use std::borrow::Cow;
use std::collections::HashMap;

use firesteel_connect::Scope;

use crate::manifest::Entry;
use crate::name::PartName;

/// Which files are to be merged, and which are left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// The places of files that become one, each two at least and in their order.
    pub groups: Vec<Vec<usize>>,
    /// Those of files that are large enough.
    pub large: Vec<usize>,
    /// Those of files that have no neighbor to become one with.
    pub alone: Vec<usize>,
    /// Those of files that no sink of ours has named.
    pub foreign: Vec<usize>,
}

/// Files that may become one have all of this in common.
type Kind = (String, Scope, bool, Cow<'static, str>, bool);

/// Groups files of `wanted` bytes at most, of one folder, format and compression, that follow each other. With three quarters of these
/// bytes a file is large enough. `is_worth` is asked whether to merge files of these sizes: one that grows by merging little to it again
/// and again would be written as often.
#[must_use]
pub fn groups<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    wanted: u64,
    is_worth: impl Fn(&[u64]) -> bool,
) -> Grouping {
    let mut found = Grouping::default();
    let mut open: HashMap<Kind, (Vec<usize>, Vec<u64>)> = HashMap::new();
    let close = |found: &mut Grouping, (mut places, sizes): (Vec<usize>, Vec<u64>)| {
        // What is too large to be written again for the sake of what follows it is left.
        let from = (0..places.len()).find(|from| sizes.len() - from > 1 && is_worth(&sizes[*from..]));
        let group = places.split_off(from.unwrap_or(places.len()));
        found.alone.append(&mut places);
        if !group.is_empty() {
            found.groups.push(group);
        }
    };
    for (place, entry) in entries.into_iter().enumerate() {
        let Some(name) = PartName::parse(&entry.name) else {
            found.foreign.push(place);
            continue;
        };
        let group = open.entry((name.folder, name.scope, name.run.is_some(), name.extension, name.gzip)).or_default();
        let is_large = entry.bytes.saturating_mul(4) >= wanted.saturating_mul(3);
        let sum: u64 = group.1.iter().sum();
        if is_large || sum.saturating_add(entry.bytes) > wanted {
            close(&mut found, std::mem::take(group));
        }
        if is_large {
            found.large.push(place);
        } else {
            group.0.push(place);
            group.1.push(entry.bytes);
        }
    }
    open.into_values().for_each(|group| close(&mut found, group));
    found.groups.sort();
    found.alone.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, bytes: u64) -> Entry {
        Entry::new(name.into(), bytes, 1)
    }

    #[test]
    fn neighbors_of_one_kind_become_one_up_to_the_wanted_size() {
        let entries = [
            entry("part-0000000001-00000.txt", 30),
            entry("a=1/part-0000000001-00000_0001.txt", 30),
            entry("part-0000000002-00000.txt", 30),
            entry("part-0000000002-00001.csv", 30),
            entry("part-0000000002-00002.txt.gz", 30),
            entry("a=1/part-0000000003-00000.txt", 20),
            entry("part-0000000003-00000.txt", 45),
            entry("part-0000000004-00000.txt", 40),
            entry("part-0000000005-00000.txt", 80),
            entry("part-0000000006-00000.txt", 1),
            entry("notes", 1),
        ];
        let found = groups(&entries, 100, |_| true);
        assert_eq!(found.groups, [vec![0, 2], vec![1, 5], vec![6, 7]]);
        assert_eq!((found.large, found.alone, found.foreign), (vec![8], vec![3, 4, 9], vec![10]));
        let found = groups(&entries, 100, |sizes| sizes.iter().sum::<u64>() > 80);
        assert_eq!(found.groups, [vec![6, 7]]);
        assert_eq!(found.alone, [0, 1, 2, 3, 4, 5, 9]);
        let grown = [30, 10, 6, 5].map(|bytes| entry("part-0000000001-00000.txt", bytes));
        let is_worth = |sizes: &[u64]| sizes.iter().sum::<u64>() >= 2 * sizes.iter().max().unwrap_or(&0);
        assert_eq!(groups(&grown, 100, is_worth).groups, [vec![1, 2, 3]], "the first has more than all that follow it");
    }
}
