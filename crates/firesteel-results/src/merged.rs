//! Small files that became one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use firesteel_connect::Scope;

use crate::manifest::Entry;
use crate::name::PartName;

/// Where a file stands in the one that it was merged into. All are positions as readers count them: bytes of text, or rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Where its first record stands in the merged file.
    pub at: u64,
    /// How much of the merged file is its.
    pub length: u64,
    /// Where its first record stands in the file itself: after a header.
    pub begin: u64,
}

impl Stretch {
    /// Where a position in the file is in the merged one.
    #[must_use]
    pub fn merged(self, position: u64) -> u64 {
        self.at + position.max(self.begin) - self.begin
    }

    /// Where a position in the merged file was in the file.
    #[must_use]
    pub fn own(self, position: u64) -> u64 {
        self.begin + position.max(self.at) - self.at
    }

    /// The position after the last record of the file.
    #[must_use]
    pub fn end(self) -> u64 {
        self.begin + self.length
    }
}

/// A file that was merged into another one. Its `Display` is its line in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its path below the folder of the results.
    pub name: String,
    /// 1, or one more than that of the merged file which was merged again and which this one is a part of: the nearest one before it that
    /// has less.
    pub depth: u32,
    /// How many bytes it had.
    pub bytes: u64,
    /// Hashes of what it began and ended with.
    pub print: [u64; 2],
    /// Where it stands.
    pub stretch: Stretch,
}

impl Part {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let rest = line.trim_start_matches('<');
        let depth = u32::try_from(line.len() - rest.len()).ok()?;
        let mut fields = rest.strip_prefix(' ')?.splitn(7, ' ');
        let mut number = |radix| u64::from_str_radix(fields.next()?, radix).ok();
        let stretch = Stretch { at: number(10)?, length: number(10)?, begin: number(10)? };
        let (bytes, print) = (number(10)?, [number(16)?, number(16)?]);
        Some(Self { name: fields.next()?.to_owned(), depth, bytes, print, stretch })
    }

    /// The lines of a file that is merged: its own, and those of its parts.
    #[must_use]
    pub fn all_of(entry: &Entry, print: [u64; 2], stretch: Stretch) -> Vec<Self> {
        let own = Self { name: entry.name.clone(), depth: 1, bytes: entry.bytes, print, stretch };
        let below = entry.parts.iter().map(|part| {
            let stretch = Stretch { at: stretch.merged(part.stretch.at), ..part.stretch };
            Self { depth: part.depth + 1, stretch, ..part.clone() }
        });
        std::iter::once(own).chain(below).collect()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, depth, bytes, print: [head, tail], stretch: Stretch { at, length, begin } } = self;
        for _ in 0..*depth {
            f.write_str("<")?;
        }
        write!(f, " {at} {length} {begin} {bytes} {head:016x} {tail:016x} {name}")
    }
}

/// As which files somebody reads a merged one who knows some of its parts, by their places in the list: those that are known, and of what
/// is between them as few as possible. `None` where no part is known, so that it is read as it is.
#[must_use]
pub fn apart(parts: &[Part], is_known: &[bool]) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    is_known.contains(&true).then(|| pick(parts, is_known, 0..parts.len(), &mut found))?;
    Some(found)
}

fn pick(parts: &[Part], is_known: &[bool], within: std::ops::Range<usize>, found: &mut Vec<usize>) {
    let mut at = within.start;
    while at < within.end {
        let depth = parts[at].depth;
        let below = parts[at + 1..within.end].iter().position(|part| part.depth <= depth);
        let next = below.map_or(within.end, |below| at + 1 + below);
        if !is_known[at] && is_known[at + 1..next].contains(&true) {
            pick(parts, is_known, at + 1..next, found);
        } else {
            found.push(at);
        }
        at = next;
    }
}

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

    #[test]
    fn a_merged_file_is_read_by_the_parts_that_are_known_and_as_few_others_as_possible() {
        let stretch = Stretch { at: 0, length: 1, begin: 0 };
        let part = |depth| Part { name: String::new(), depth, bytes: 1, print: [0; 2], stretch };
        let parts: Vec<Part> = [1, 2, 2, 3, 3, 1, 1].map(part).into();
        let read = |known: &[usize]| {
            let is_known: Vec<bool> = (0..parts.len()).map(|place| known.contains(&place)).collect();
            apart(&parts, &is_known)
        };
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[5]), Some(vec![0, 5, 6]));
        assert_eq!(read(&[0]), Some(vec![0, 5, 6]));
        assert_eq!(read(&[3]), Some(vec![1, 3, 4, 5, 6]));
        assert_eq!(read(&[2, 6]), Some(vec![1, 2, 5, 6]));
    }

    #[test]
    fn positions_come_back() {
        let stretch = Stretch { at: 100, length: 50, begin: 8 };
        for (own, merged) in [(8, 100), (9, 101), (58, 150)] {
            assert_eq!((stretch.merged(own), stretch.own(merged)), (merged, own));
        }
        assert_eq!((stretch.merged(0), stretch.merged(3), stretch.end()), (100, 100, 58));
        let inner = Entry { parts: Part::all_of(&entry("a", 5), [1, 2], stretch), ..entry("b", 60) };
        let outer = Part::all_of(&inner, [3, 4], Stretch { at: 1_008, length: 200, begin: 8 });
        assert_eq!(
            outer.iter().map(|part| (part.depth, part.stretch.at)).collect::<Vec<_>>(),
            [(1, 1_008), (2, 1_100)]
        );
    }
}
