//! Small files that became one.

use std::fmt;

use twox_hash::XxHash3_64;

/// How many bytes at the beginning and at the end a part is known by.
pub const PRINTED: u64 = 4 << 10;

/// The hash that a part is known by, of such bytes or of a tag.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

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
    /// A hash of what the store called its content, where it was an object.
    pub tag: Option<u64>,
    /// Where it stands.
    pub stretch: Stretch,
}

impl Part {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let rest = line.trim_start_matches('<');
        let depth = u32::try_from(line.len() - rest.len()).ok()?;
        let mut fields = rest.strip_prefix(' ')?.splitn(7, ' ');
        let mut number = || fields.next()?.parse().ok();
        let stretch = Stretch { at: number()?, length: number()?, begin: number()? };
        let bytes = number()?;
        let hash = |text| u64::from_str_radix(text, 16).ok();
        let (head, tail) = (hash(fields.next()?)?, fields.next()?);
        let (tail, tag) = tail.split_once(':').map_or((tail, None), |(tail, tag)| (tail, Some(tag)));
        let tag = tag.map_or(Some(None), |tag| hash(tag).map(Some))?;
        Some(Self { name: fields.next()?.to_owned(), depth, bytes, print: [head, hash(tail)?], tag, stretch })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, depth, bytes, print: [head, tail], tag, stretch: Stretch { at, length, begin } } = self;
        for _ in 0..*depth {
            f.write_str("<")?;
        }
        write!(f, " {at} {length} {begin} {bytes} {head:016x} {tail:016x}")?;
        tag.iter().try_for_each(|tag| write!(f, ":{tag:016x}"))?;
        write!(f, " {name}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_file_is_read_by_the_parts_that_are_known_and_as_few_others_as_possible() {
        let stretch = Stretch { at: 0, length: 1, begin: 0 };
        let part = |depth| Part { name: String::new(), depth, bytes: 1, print: [0; 2], tag: None, stretch };
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
    }
}
