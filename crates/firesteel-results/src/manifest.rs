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
//! The parts of a job that runs in several processes have folders of their own in that one: `_committed/3/0000000007`.

use std::fmt;

use firesteel_connect::{CheckpointId, Epoch};

const HEADER: &str = "firesteel files 1";

/// A file of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the folder of the results, with slashes.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// How many records it has.
    pub records: u64,
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
        let body = std::str::from_utf8(bytes).ok()?.strip_prefix(HEADER)?.strip_prefix("\ncheckpoint ")?;
        let (checkpoint, body) = body.split_once('\n')?;
        let (body, count) = body.strip_suffix('\n')?.rsplit_once("end ")?;
        let entry = |line: &str| {
            let (rest, records) = line.rsplit_once(' ')?;
            let (name, bytes) = rest.rsplit_once(' ')?;
            Some(Entry { name: name.to_owned(), bytes: bytes.parse().ok()?, records: records.parse().ok()? })
        };
        let entries: Vec<Entry> = body.lines().map(entry).collect::<Option<_>>()?;
        let is_whole = entries.len() == count.parse::<usize>().ok()?;
        Some(Self { checkpoint: checkpoint.parse().ok()?, entries }).filter(|_| is_whole)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checkpoint, entries } = self;
        writeln!(f, "{HEADER}\ncheckpoint {checkpoint}")?;
        for Entry { name, bytes, records } in entries {
            writeln!(f, "{name} {bytes} {records}")?;
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

/// Which manifests to merge: the first that were merged equally often, where that is `most` of them or more, and what stands for them
/// then. The newest stays one of its own: it is the mark that a commit has just made durable.
fn due(current: &[Covered], most: usize) -> Option<(Vec<Covered>, Covered)> {
    let deepest = current.iter().map(|covered| covered.merged).max()?;
    (0..=deepest).find_map(|merged| {
        let equals = current[..current.len() - 1].iter().copied().filter(|covered| covered.merged == merged);
        let equals: Vec<Covered> = equals.collect();
        let (first, last) = (equals.first()?.first, equals.last()?.last);
        (equals.len() >= most).then_some((equals, Covered { first, last, merged: merged + 1 }))
    })
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
        let entry = |name: &str, bytes| Entry { name: name.into(), bytes, records: bytes / 5 };
        for entries in [vec![entry("part-a.txt", 10), entry("day=1 2/part-b.txt", 0)], vec![]] {
            let manifest = Manifest { checkpoint: CheckpointId::from_bits(7), entries };
            let text = manifest.to_string();
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
}
