//! The manifests of a folder of results on disk: see [`firesteel_results::Manifest`] for what they say.

use std::path::{Path, PathBuf};

use firesteel_connect::{ConnectError, Mark, Result, Scope};
use firesteel_disk::Disk;
use firesteel_results::{Covered, Manifest, PartName, singles, split_merged};

use crate::path::file_error;

/// Where the manifests of a folder of results are, those of the parts of a job in folders of theirs.
pub(crate) fn folder_of(results: &Path) -> PathBuf {
    results.join("_committed")
}

/// Where the manifests of this part of a job are.
pub(crate) fn folder_of_scope(results: &Path, scope: &Scope) -> PathBuf {
    let all = folder_of(results);
    scope.part().map_or_else(|| all.clone(), |part| all.join(part))
}

/// The folder of the results that a file belongs to which has the name of a part: the next one above it where manifests are, with none but
/// those of values of columns between them. Where there is none, the next one that is not named like a value.
pub(crate) fn results_of(file: &Path) -> &Path {
    for folder in file.ancestors().skip(1) {
        let is_value = folder.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'='));
        if !is_value || folder_of(folder).is_dir() {
            return folder;
        }
    }
    Path::new("")
}

/// Whether a file has a name that a sink of ours gives.
pub(crate) fn is_part(path: &Path) -> bool {
    path.file_name().and_then(|name| PartName::parse(name.to_str()?)).is_some()
}

/// The manifests in the folder that count, in the order of their epochs: without those that were merged into another one.
/// None where there is no such folder.
pub(crate) fn current(disk: &dyn Disk, folder: &Path) -> Result<Vec<Covered>> {
    Ok(split_merged(&disk.list(folder).map_err(file_error)?).0)
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
    let (name, text) = (covered.file_name(), manifest.to_string());
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
    Manifest::parse(&bytes).ok_or_else(|| {
        let reason = "the manifest is damaged; restore it, or remove it together with the epoch's files";
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, reason);
        ConnectError::File { action: "understand", path, source }
    })
}

/// Merges what has been merged equally often, wherever that is `most` manifests, and removes what it takes the place of.
/// Returns how many are left that were never merged.
pub(crate) fn merge(disk: &dyn Disk, folder: &Path, most: usize) -> Result<usize> {
    // Whatever an attempt that failed has left: of a manifest that was merged, nothing is merged again.
    let found = current(disk, folder)?;
    let read = |covered| read(disk, folder, covered);
    firesteel_results::merge(found, most, read, |covered, manifest| write(disk, folder, covered, manifest))?;
    Ok(singles(&remove_merged(disk, folder)?))
}

/// Removes manifests that were merged into another one; returns those that count.
pub(crate) fn remove_merged(disk: &dyn Disk, folder: &Path) -> Result<Vec<Covered>> {
    let (current, merged) = split_merged(&disk.list(folder).map_err(file_error)?);
    for covered in merged {
        disk.remove(&folder.join(covered.file_name())).map_err(file_error)?;
    }
    Ok(current)
}

#[cfg(test)]
mod tests {
    use firesteel_connect::{CheckpointId, Epoch};
    use firesteel_disk::OsDisk;
    use firesteel_results::Entry;

    use super::*;

    const CHECKPOINT: CheckpointId = CheckpointId::from_bits(7);

    fn entry(name: &str, bytes: u64) -> Entry {
        Entry::new(name.into(), bytes, bytes / 5)
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
        std::fs::write(folder.join("notes"), "not ours").unwrap();
        let found = current(&OsDisk, &folder).unwrap();
        assert_eq!(found, [Covered::one(Epoch(3)), Covered::one(Epoch(12))]);
        let mark = Mark { epoch: Epoch(12), checkpoint: CHECKPOINT };
        assert_eq!(last(&OsDisk, &folder, &found).unwrap(), Some(mark));

        let path = folder.join(Covered::one(Epoch(12)).file_name());
        std::fs::write(&path, &std::fs::read(&path).unwrap()[1..]).unwrap();
        let error = read(&OsDisk, &folder, Covered::one(Epoch(12))).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
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
