//! The manifests of a folder of results: which files each committed epoch consists of.
//!
//! `_committed/0000000007` is a text file; it appears by a rename, so it is there completely or not at all:
//!
//! ```text
//! firesteel text files 1
//! checkpoint 000000000000000000000000000c0ffe
//! part-0000000007-00000.txt 1048 20
//! end 1
//! ```
//!
//! The second line names the checkpoint under which the epoch was committed. A line after it holds a file's name, its size in
//! bytes and its number of records; the last line counts the files. Epochs without records have no manifest.
//!
//! Manifests of consecutive epochs are merged: `_committed/0000000001-0000000250.1` holds the files of all epochs that had
//! some from 1 to 250, and the checkpoint of the last of them; what it takes the place of is removed afterwards. The number after the
//! dot counts how often its lines were merged, so that merging writes a line a few times at most.
//!
//! The parts of a job that runs in several processes have folders of their own in that one: `_committed/3/0000000007`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use firesteel_connect::{CheckpointId, ConnectError, Epoch, Mark, Result, Scope};
use firesteel_disk::Disk;

use crate::path::file_error;

const HEADER: &str = "firesteel text files 1";

/// A file of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
}

/// The epochs that a manifest tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Covered {
    pub(crate) last: Epoch,
    pub(crate) first: Epoch,
    /// How often its lines were merged.
    pub(crate) merged: u32,
}

impl Covered {
    pub(crate) fn one(epoch: Epoch) -> Self {
        Self { first: epoch, last: epoch, merged: 0 }
    }

    pub(crate) fn file_name(self) -> String {
        let Self { first, last, merged } = self;
        if merged == 0 { format!("{:010}", last.0) } else { format!("{:010}-{:010}.{merged}", first.0, last.0) }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
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

    pub(crate) fn contains(self, epoch: Epoch) -> bool {
        (self.first..=self.last).contains(&epoch)
    }

    fn takes_the_place_of(self, other: Self) -> bool {
        self.merged > other.merged && self.contains(other.first) && self.contains(other.last)
    }
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) checkpoint: CheckpointId,
    pub(crate) entries: Vec<Entry>,
}

/// Where the manifests of a folder of results are, those of the parts of a job in folders of theirs.
pub(crate) fn folder_of(results: &Path) -> PathBuf {
    results.join("_committed")
}

/// Where the manifests of this part of a job are.
pub(crate) fn folder_of_scope(results: &Path, scope: &Scope) -> PathBuf {
    let all = folder_of(results);
    scope.part().map_or_else(|| all.clone(), |part| all.join(part))
}

/// All manifests in the folder, in the order of their epochs. None where there is no such folder.
fn all(disk: &dyn Disk, folder: &Path) -> Result<Vec<Covered>> {
    let names = disk.list(folder).map_err(file_error)?;
    let mut found: Vec<Covered> = names.iter().filter_map(|name| Covered::parse(name)).collect();
    found.sort();
    Ok(found)
}

/// The manifests in the folder that count, in the order of their epochs: without those that were merged into another one.
pub(crate) fn current(disk: &dyn Disk, folder: &Path) -> Result<Vec<Covered>> {
    Ok(split_merged(all(disk, folder)?).0)
}

/// The manifests that count, and those that were merged into one of them.
fn split_merged(found: Vec<Covered>) -> (Vec<Covered>, Vec<Covered>) {
    let merged: Vec<Covered> = found.iter().copied().filter(|covered| covered.merged > 0).collect();
    let counts = |covered: &Covered| !merged.iter().any(|merged| merged.takes_the_place_of(*covered));
    found.into_iter().partition(counts)
}

/// How many of them tell of a single epoch.
pub(crate) fn singles(current: &[Covered]) -> usize {
    current.iter().filter(|covered| covered.merged == 0).count()
}

/// The mark of the newest epoch in the folder.
pub(crate) fn last(disk: &dyn Disk, folder: &Path, current: &[Covered]) -> Result<Option<Mark>> {
    let Some(newest) = current.last() else { return Ok(None) };
    let Manifest { checkpoint, .. } = read(disk, folder, *newest)?;
    Ok(Some(Mark { epoch: newest.last, checkpoint }))
}

pub(crate) fn exists(disk: &dyn Disk, folder: &Path, covered: Covered) -> Result<bool> {
    disk.exists(&folder.join(covered.file_name())).map_err(file_error)
}

/// Writes a manifest: after this call, and not before, what it tells of is committed.
pub(crate) fn write(disk: &dyn Disk, folder: &Path, covered: Covered, manifest: &Manifest) -> Result<()> {
    let name = covered.file_name();
    let Manifest { checkpoint, entries } = manifest;
    let mut text = format!("{HEADER}\ncheckpoint {checkpoint}\n");
    for Entry { name, bytes, records } in entries {
        writeln!(text, "{name} {bytes} {records}").expect("writing to a String does not fail");
    }
    writeln!(text, "end {}", entries.len()).expect("writing to a String does not fail");
    let temporary = folder.join(format!(".{name}.tmp"));
    // One may be left of an attempt that failed.
    disk.remove(&temporary).map_err(file_error)?;
    let put = || {
        let mut file = disk.create(&temporary)?;
        file.append(text.as_bytes())?;
        file.sync()?;
        drop(file);
        firesteel_faults::fail_point!("sink.listed");
        disk.rename(&temporary, &folder.join(name))
    };
    put().map_err(|error| {
        // One that stays behind is hidden, and removed at the next start.
        let _ = disk.remove(&temporary);
        file_error(error)
    })?;
    firesteel_faults::fail_point!("sink.committed");
    sync(disk, folder)
}

/// Makes durable what manifests there are.
pub(crate) fn sync(disk: &dyn Disk, folder: &Path) -> Result<()> {
    disk.sync_folder(folder).map_err(file_error)
}

/// What the manifest says.
pub(crate) fn read(disk: &dyn Disk, folder: &Path, covered: Covered) -> Result<Manifest> {
    let path = folder.join(covered.file_name());
    let bytes = disk.read(&path).map_err(file_error)?;
    std::str::from_utf8(&bytes).ok().and_then(parse).ok_or_else(|| {
        let reason = "the manifest is damaged; restore it, or remove it together with the epoch's files";
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, reason);
        ConnectError::File { action: "understand", path, source }
    })
}

fn parse(text: &str) -> Option<Manifest> {
    let body = text.strip_prefix(HEADER)?.strip_prefix("\ncheckpoint ")?;
    let (checkpoint, body) = body.split_once('\n')?;
    let (body, count) = body.strip_suffix('\n')?.rsplit_once("end ")?;
    let entry = |line: &str| {
        let (rest, records) = line.rsplit_once(' ')?;
        let (name, bytes) = rest.rsplit_once(' ')?;
        Some(Entry { name: name.to_owned(), bytes: bytes.parse().ok()?, records: records.parse().ok()? })
    };
    let entries: Vec<Entry> = body.lines().map(entry).collect::<Option<_>>()?;
    let is_whole = entries.len() == count.parse::<usize>().ok()?;
    Some(Manifest { checkpoint: checkpoint.parse().ok()?, entries }).filter(|_| is_whole)
}

/// Merges what has been merged equally often, wherever that is `most` manifests, and removes what it takes the place of.
/// Returns how many are left that were never merged.
///
/// The newest manifest stays one of its own: it is the mark that a commit has just made durable.
pub(crate) fn merge(disk: &dyn Disk, folder: &Path, most: usize) -> Result<usize> {
    // Whatever an attempt that failed has left: of a manifest that was merged, nothing is merged again.
    let mut found = current(disk, folder)?;
    let mut merged = 0;
    while found.iter().any(|covered| covered.merged >= merged) {
        let equals: Vec<Covered> =
            found[..found.len() - 1].iter().copied().filter(|covered| covered.merged == merged).collect();
        merged += 1;
        if equals.len() < most {
            break;
        }
        let (first, last) = (equals[0].first, equals[equals.len() - 1].last);
        let whole = Covered { first, last, merged };
        let manifests: Vec<Manifest> =
            equals.iter().map(|covered| read(disk, folder, *covered)).collect::<Result<_>>()?;
        let checkpoint = manifests[manifests.len() - 1].checkpoint;
        let entries = manifests.into_iter().flat_map(|manifest| manifest.entries).collect();
        write(disk, folder, whole, &Manifest { checkpoint, entries })?;
        found.retain(|covered| !whole.takes_the_place_of(*covered));
        found.push(whole);
        found.sort();
    }
    Ok(singles(&remove_merged(disk, folder)?))
}

/// Removes manifests that were merged into another one; returns those that count.
pub(crate) fn remove_merged(disk: &dyn Disk, folder: &Path) -> Result<Vec<Covered>> {
    let (current, merged) = split_merged(all(disk, folder)?);
    for covered in merged {
        disk.remove(&folder.join(covered.file_name())).map_err(file_error)?;
    }
    Ok(current)
}

#[cfg(test)]
mod tests {
    use firesteel_disk::OsDisk;

    use super::*;

    const CHECKPOINT: CheckpointId = CheckpointId::from_bits(7);

    fn entry(name: &str, bytes: u64) -> Entry {
        Entry { name: name.into(), bytes, records: bytes / 5 }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_a_torn_one_is_refused() {
        let results = tempfile::tempdir().unwrap();
        let folder = folder_of(results.path());
        std::fs::create_dir(&folder).unwrap();
        let entries = vec![entry("part-a.txt", 10), entry("part-b.txt", 0)];
        for (epoch, entries) in [(Epoch(12), entries), (Epoch(3), vec![])] {
            let (covered, manifest) = (Covered::one(epoch), Manifest { checkpoint: CHECKPOINT, entries });
            assert!(!exists(&OsDisk, &folder, covered).unwrap());
            write(&OsDisk, &folder, covered, &manifest).unwrap();
            assert!(exists(&OsDisk, &folder, covered).unwrap());
            assert_eq!(read(&OsDisk, &folder, covered).unwrap(), manifest);
        }
        for foreign in ["+000000007", "7", "00000000007", "notes", ".0000000009.tmp", "0000000003-0000000004", "3-4.1"]
        {
            std::fs::write(folder.join(foreign), "not ours").unwrap();
        }
        let found = current(&OsDisk, &folder).unwrap();
        assert_eq!(found, [Covered::one(Epoch(3)), Covered::one(Epoch(12))]);
        let mark = Mark { epoch: Epoch(12), checkpoint: CHECKPOINT };
        assert_eq!(last(&OsDisk, &folder, &found).unwrap(), Some(mark));

        let path = folder.join(Covered::one(Epoch(12)).file_name());
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read(&OsDisk, &folder, Covered::one(Epoch(12))).unwrap_err();
            assert!(error.to_string().contains("damaged"), "{length}: {error}");
        }
    }

    #[test]
    fn thousands_of_epochs_are_some_dozens_of_manifests_that_hold_every_file_once() {
        let results = tempfile::tempdir().unwrap();
        let folder = folder_of(results.path());
        std::fs::create_dir(&folder).unwrap();
        let (epochs, most) = (3_000, 10);
        let (mut singles, mut written, mut largest) = (0, 0, 0);
        for epoch in 1..=epochs {
            let entries = vec![entry(&format!("part-{epoch:010}-00000.txt"), epoch)];
            let covered = Covered::one(Epoch(epoch));
            write(&OsDisk, &folder, covered, &Manifest { checkpoint: CHECKPOINT, entries }).unwrap();
            singles += 1;
            if singles > most {
                singles = merge(&OsDisk, &folder, most).unwrap();
                assert_eq!(singles, 1, "the newest");
                written += 1;
                largest = largest.max(current(&OsDisk, &folder).unwrap().len());
            }
        }
        let found = current(&OsDisk, &folder).unwrap();
        assert_eq!(found.last(), Some(&Covered::one(Epoch(epochs))));
        assert!(largest <= 5 * most && written <= epochs as usize / (most - 1), "{largest} at most, {written} merges");
        let entries = found.iter().flat_map(|covered| read(&OsDisk, &folder, *covered).unwrap().entries);
        let bytes: Vec<u64> = entries.map(|entry| entry.bytes).collect();
        assert_eq!(bytes, (1..=epochs).collect::<Vec<_>>(), "in order");
    }
}
