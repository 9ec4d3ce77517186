//! The manifests of results: which files each committed epoch consists of.
//!
//! `_committed/0000000007` is a text; it appears whole or not at all:
//!
//! ```text
//! firesteel files 1
//! checkpoint 000000000000000000000000000c0ffe
//! part-0000000007-00000.txt 1048 20
//! end 1
//! ```
//!
//! The second line names the checkpoint under which the epoch was committed. A line after it holds a file's path below the folder
//! of the results, its size in bytes and its number of records; the last line counts the files. Epochs without records have no
//! manifest.
//!
//! Manifests of consecutive epochs are merged: `_committed/0000000001-0000000250.1` holds the files of all epochs that had
//! some from 1 to 250, and the checkpoint of the last of them; what it takes the place of is removed afterwards. The number after the
//! dot counts how often its lines were merged, so that merging writes a line a few times at most.
//!
//! Where small files were merged into larger ones, the manifest begins with `firesteel files 2`, and the lines after that of a merged
//! file say what it stands for:
//!
//! ```text
//! part-0000000001to0000000002-00001.txt 2100 40
//! < 0 1000 0 1000 53ad64e0d2a9aee1 9ab2f41c3f2b7f10 part-0000000001-00000.txt
//! < 1000 1100 0 1100 53ad64e0d2a9aee1 2d06800538d394c2 part-0000000002-00000.txt
//! ```
//!
//! They hold where a file stands in the merged one, how long it is there, and where that begins in the file itself (all of them are
//! positions as readers count them: bytes of text or rows), its size in bytes, hashes of its beginning and of its end, and its path. Of an
//! object in a store the hash of its tag comes after that of its end, `9ab2f41c3f2b7f10:0f1e2d3c4b5a6978`, and the manifest begins with
//! `firesteel files 3`. A line with one `<` more belongs to the one before it: a merged file that was merged again.
//!
//! The parts of a job that runs in several processes have folders of their own in that one: `_committed/3/0000000007`.

use std::fmt;

use firesteel_connect::{CheckpointId, Epoch};

use crate::merged::{Part, Stretch};

const HEADER: &str = "firesteel files ";

/// A file of an epoch, or of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the folder of the results, with slashes.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// How many records it has.
    pub records: u64,
    /// The files that it stands for, where several were merged into it.
    pub parts: Vec<Part>,
}

impl Entry {
    /// A file as a task has written it.
    #[must_use]
    pub fn new(name: String, bytes: u64, records: u64) -> Self {
        Self { name, bytes, records, parts: Vec::new() }
    }

    /// What the manifest says of it once it stands here in a merged file: of itself, and of its parts.
    #[must_use]
    pub fn as_parts(&self, print: [u64; 2], tag: Option<u64>, stretch: Stretch) -> Vec<Part> {
        let own = Part { name: self.name.clone(), depth: 1, bytes: self.bytes, print, tag, stretch };
        let below = self.parts.iter().map(|part| {
            let stretch = Stretch { at: stretch.merged(part.stretch.at), ..part.stretch };
            Part { depth: part.depth + 1, stretch, ..part.clone() }
        });
        std::iter::once(own).chain(below).collect()
    }
}

/// The epochs that a manifest tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Covered {
    /// The last of them.
    pub last: Epoch,
    /// The first.
    pub first: Epoch,
    /// How often its lines were merged.
    pub merged: u32,
}

impl Covered {
    /// A single epoch.
    #[must_use]
    pub fn one(epoch: Epoch) -> Self {
        Self { first: epoch, last: epoch, merged: 0 }
    }

    /// The name of the manifest.
    #[must_use]
    pub fn file_name(self) -> String {
        let Self { first, last, merged } = self;
        if merged == 0 { format!("{:010}", last.0) } else { format!("{:010}-{:010}.{merged}", first.0, last.0) }
    }

    /// What a manifest of this name tells of; `None` where it is no manifest's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok().map(Epoch);
        let covered = match name.split_once('-') {
            None => Self::one(number(name)?),
            Some((first, rest)) => {
                let (last, merged) = rest.split_once('.')?;
                Self { first: number(first)?, last: number(last)?, merged: merged.parse().ok()? }
            }
        };
        (covered.file_name() == name && covered.first <= covered.last).then_some(covered)
    }

    /// Whether it tells of the epoch.
    #[must_use]
    pub fn contains(self, epoch: Epoch) -> bool {
        (self.first..=self.last).contains(&epoch)
    }

    /// Whether the other one was merged into this one, or tells of a part of the same: of two processes that merge at the same time, one
    /// may know of fewer epochs.
    #[must_use]
    pub fn takes_the_place_of(self, other: Self) -> bool {
        let is_wider = self.merged == other.merged && self != other;
        (self.merged > other.merged || is_wider) && self.contains(other.first) && self.contains(other.last)
    }
}

/// What a manifest says. Its `Display` is its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Under which checkpoint the last of its epochs was committed.
    pub checkpoint: CheckpointId,
    /// The files.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// What these bytes say; `None` where they are not a whole manifest.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(bytes).ok()?.strip_prefix(HEADER)?;
        let body = body.strip_prefix(['1', '2', '3'])?.strip_prefix("\ncheckpoint ")?;
        let (checkpoint, body) = body.split_once('\n')?;
        let (body, count) = body.strip_suffix('\n')?.rsplit_once("end ")?;
        let entry = |line: &str| {
            let (rest, records) = line.rsplit_once(' ')?;
            let (name, bytes) = rest.rsplit_once(' ')?;
            Some(Entry::new(name.to_owned(), bytes.parse().ok()?, records.parse().ok()?))
        };
        let mut entries: Vec<Entry> = Vec::new();
        for line in body.lines() {
            if line.starts_with('<') {
                entries.last_mut()?.parts.push(Part::parse(line)?);
            } else {
                entries.push(entry(line)?);
            }
        }
        let is_whole = entries.len() == count.parse::<usize>().ok()?;
        Some(Self { checkpoint: checkpoint.parse().ok()?, entries }).filter(|_| is_whole)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checkpoint, entries } = self;
        let mut parts = entries.iter().flat_map(|entry| &entry.parts).peekable();
        let version = if parts.peek().is_none() { 1 } else { 2 + u32::from(parts.any(|part| part.tag.is_some())) };
        writeln!(f, "{HEADER}{version}\ncheckpoint {checkpoint}")?;
        for Entry { name, bytes, records, parts } in entries {
            writeln!(f, "{name} {bytes} {records}")?;
            parts.iter().try_for_each(|part| writeln!(f, "{part}"))?;
        }
        writeln!(f, "end {}", entries.len())
    }
}

/// The manifests of these names that count, in the order of their epochs: without those that were merged into another one.
#[must_use]
pub fn current<N: AsRef<str>>(names: &[N]) -> Vec<Covered> {
    split_merged(names).0
}

/// The manifests of these names that count, and those that were merged into one of them.
#[must_use]
pub fn split_merged<N: AsRef<str>>(names: &[N]) -> (Vec<Covered>, Vec<Covered>) {
    let mut found: Vec<Covered> = names.iter().filter_map(|name| Covered::parse(name.as_ref())).collect();
    found.sort();
    let merged: Vec<Covered> = found.iter().copied().filter(|covered| covered.merged > 0).collect();
    let counts = |covered: &Covered| !merged.iter().any(|merged| merged.takes_the_place_of(*covered));
    found.into_iter().partition(counts)
}

/// How many of them tell of a single epoch.
#[must_use]
pub fn singles(current: &[Covered]) -> usize {
    current.iter().filter(|covered| covered.merged == 0).count()
}

/// With this many times the manifests that are merged at once, the oldest are, however often they were before.
const MANY: usize = 10;

/// Which manifests to merge: neighbors that were merged equally often, where that is `most` of them or more, and what stands for them
/// then. Where there are many that were not, the oldest. The newest stays one of its own: it is the mark that a commit has just made
/// durable.
fn due(current: &[Covered], most: usize) -> Option<(Vec<Covered>, Covered)> {
    let most = most.max(2);
    let older = &current[..current.len().saturating_sub(1)];
    // Of neighbors only: what stands for them takes the place of all that is between them.
    let of_one_depth = older.chunk_by(|one, other| one.merged == other.merged).filter(|equals| equals.len() >= most);
    let least = of_one_depth.min_by_key(|equals| equals[0].merged);
    let merged = least.or_else(|| (older.len() >= MANY * most).then(|| &older[..most]))?;
    let whole = Covered {
        first: merged.first()?.first,
        last: merged.last()?.last,
        merged: merged.iter().map(|covered| covered.merged).max()? + 1,
    };
    Some((merged.to_vec(), whole))
}

/// Merges what has been merged equally often, wherever that is `most` manifests, of those that count; returns those that count then. What was
/// merged is still there: [`split_merged`] tells.
///
/// # Errors
/// The first of `read` and `write`, which a later call makes up for.
pub fn merge<E>(
    mut found: Vec<Covered>,
    most: usize,
    mut read: impl FnMut(Covered) -> Result<Manifest, E>,
    mut write: impl FnMut(Covered, &Manifest) -> Result<(), E>,
) -> Result<Vec<Covered>, E> {
    while let Some((equals, whole)) = due(&found, most) {
        let mut entries = Vec::new();
        let mut checkpoint = None;
        for covered in equals {
            let manifest = read(covered)?;
            entries.extend(manifest.entries);
            checkpoint = Some(manifest.checkpoint);
        }
        if let Some(checkpoint) = checkpoint {
            write(whole, &Manifest { checkpoint, entries })?;
        }
        found.retain(|covered| !whole.takes_the_place_of(*covered));
        found.push(whole);
        found.sort();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_a_torn_one_is_none() {
        let entry = |name: &str, bytes| Entry::new(name.into(), bytes, bytes / 5);
        let part = |name: &str, depth| {
            let stretch = Stretch { at: 7, length: 12, begin: 3 };
            Part { name: name.into(), depth, bytes: 15, print: [u64::MAX, 5], tag: None, stretch }
        };
        let parts = vec![part("day=1 2/part-0.txt", 1), part("part-1.txt", 2), part("part-2.txt", 1)];
        let merged = Entry { parts, ..entry("day=1 2/part-c.txt", 5) };
        let plain = vec![entry("part-a.txt", 10), entry("day=1 2/part-b.txt", 0)];
        let object = Part { tag: Some(9), ..part("part-3.txt", 1) };
        let objects = Entry { parts: vec![object, part("part-4.txt", 1)], ..entry("part-d.txt", 5) };
        for (version, entries) in
            [(1, plain), (1, vec![]), (2, vec![entry("part-a.txt", 10), merged]), (3, vec![objects])]
        {
            let manifest = Manifest { checkpoint: CheckpointId::from_bits(7), entries };
            let text = manifest.to_string();
            assert!(text.starts_with(&format!("firesteel files {version}\n")), "{text}");
            assert_eq!(Manifest::parse(text.as_bytes()), Some(manifest));
            for length in 0..text.len() {
                assert_eq!(Manifest::parse(&text.as_bytes()[..length]), None, "{length}");
            }
        }
    }

    #[test]
    fn names_of_others_are_no_manifests() {
        let names = ["+000000007", "7", "00000000007", "notes", ".0000000009.tmp", "0000000003-0000000004", "3-4.1"];
        assert_eq!(current(&names), []);
        let late = ["0000000001-0000000003.1", "0000000001-0000000002.1", "0000000004"];
        let kept = [Covered { first: Epoch(1), last: Epoch(3), merged: 1 }, Covered::one(Epoch(4))];
        assert_eq!(current(&late), kept, "one that a process has put that was shut out");
        let ours = ["0000000012", "0000000003", "0000000001-0000000003.1"];
        let (merged, last) = (Covered { first: Epoch(1), last: Epoch(3), merged: 1 }, Covered::one(Epoch(12)));
        assert_eq!(split_merged(&ours), (vec![merged, last], vec![Covered::one(Epoch(3))]));
    }

    #[test]
    fn what_was_merged_equally_often_is_merged() {
        let most = 3;
        let mut manifests: Vec<Covered> = vec![];
        for epoch in 1..=1_000 {
            manifests.push(Covered::one(Epoch(epoch)));
            while let Some((equals, whole)) = due(&manifests, most) {
                assert!(equals.len() >= most && equals.iter().all(|covered| whole.takes_the_place_of(*covered)));
                manifests.retain(|covered| !whole.takes_the_place_of(*covered));
                manifests.push(whole);
                manifests.sort();
            }
            assert!(manifests.len() < 3 * 7, "{manifests:?}");
            assert_eq!(manifests.last(), Some(&Covered::one(Epoch(epoch))));
            let covered: u64 = manifests.iter().map(|covered| covered.last.0 - covered.first.0 + 1).sum();
            assert_eq!(covered, epoch);
        }
    }

    #[test]
    fn what_stands_between_manifests_of_one_depth_is_not_swallowed() {
        let covered = |first, last, merged| Covered { first: Epoch(first), last: Epoch(last), merged };
        // As compaction leaves them: deeper ones among others.
        let between = [covered(1, 10, 1), covered(11, 20, 2), covered(21, 30, 1), covered(31, 31, 0)];
        assert_eq!(due(&between, 2), None);
        let mut many: Vec<Covered> = (0..21).map(|n| covered(10 * n + 1, 10 * n + 10, 1 + (n % 2) as u32)).collect();
        let (merged, whole) = due(&many, 2).unwrap();
        assert_eq!((merged.len(), whole), (2, covered(1, 20, 3)));
        many.retain(|covered| !whole.takes_the_place_of(*covered));
        assert_eq!(many.len(), 19);
    }

    #[test]
    fn the_parts_of_a_part_stand_where_it_does() {
        let stretch = Stretch { at: 100, length: 50, begin: 8 };
        let entry = |name: &str, bytes| Entry::new(name.into(), bytes, 1);
        let inner = Entry { parts: entry("a", 5).as_parts([1, 2], None, stretch), ..entry("b", 60) };
        let outer = inner.as_parts([3, 4], Some(7), Stretch { at: 1_008, length: 200, begin: 8 });
        let stands: Vec<(u32, u64)> = outer.iter().map(|part| (part.depth, part.stretch.at)).collect();
        assert_eq!(stands, [(1, 1_008), (2, 1_100)]);
    }
}
