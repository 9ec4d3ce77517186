//! The manifests of a folder of results: which files each committed epoch consists of.
//!
//! `_committed/0000000007` is a text file; it appears by a rename, so it is there completely or not at all:
//!
//! ```text
//! firesteel text files 1
//! part-0000000007-00000.txt 1048 20
//! end 1
//! ```
//!
//! A line holds a file's name, its size in bytes and its number of records; the last line counts the files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use firesteel_connect::{ConnectError, Epoch, Result};
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

/// Where the manifests of a folder of results are.
pub(crate) fn folder_of(results: &Path) -> PathBuf {
    results.join("_committed")
}

fn file_name(epoch: Epoch) -> String {
    format!("{:010}", epoch.0)
}

fn path_of(results: &Path, epoch: Epoch) -> PathBuf {
    folder_of(results).join(file_name(epoch))
}

pub(crate) fn exists(disk: &dyn Disk, results: &Path, epoch: Epoch) -> Result<bool> {
    disk.exists(&path_of(results, epoch)).map_err(file_error)
}

/// The epochs that have a manifest, in order. None where there is no folder of manifests.
pub(crate) fn epochs(disk: &dyn Disk, results: &Path) -> Result<Vec<Epoch>> {
    let names = disk.list(&folder_of(results)).map_err(file_error)?;
    let number = |name: &String| name.parse().ok().map(Epoch).filter(|epoch| file_name(*epoch) == *name);
    let mut epochs: Vec<Epoch> = names.iter().filter_map(number).collect();
    epochs.sort();
    Ok(epochs)
}

/// Writes the manifest of an epoch: after this call, and not before, the epoch is committed.
pub(crate) fn write(disk: &dyn Disk, results: &Path, epoch: Epoch, entries: &[Entry]) -> Result<()> {
    let (folder, path) = (folder_of(results), path_of(results, epoch));
    let mut text = format!("{HEADER}\n");
    for Entry { name, bytes, records } in entries {
        writeln!(text, "{name} {bytes} {records}").expect("writing to a String does not fail");
    }
    writeln!(text, "end {}", entries.len()).expect("writing to a String does not fail");
    let temporary = folder.join(format!(".{}.tmp", file_name(epoch)));
    // One may be left of an attempt that failed.
    disk.remove(&temporary).map_err(file_error)?;
    let mut file = disk.create(&temporary).map_err(file_error)?;
    file.append(text.as_bytes()).map_err(file_error)?;
    file.sync().map_err(file_error)?;
    drop(file);
    firesteel_faults::fail_point!("sink.listed");
    disk.rename(&temporary, &path).map_err(file_error)?;
    firesteel_faults::fail_point!("sink.committed");
    sync(disk, results)
}

/// Makes durable what manifests there are.
pub(crate) fn sync(disk: &dyn Disk, results: &Path) -> Result<()> {
    disk.sync_folder(&folder_of(results)).map_err(file_error)
}

/// The files of an epoch.
pub(crate) fn read(disk: &dyn Disk, results: &Path, epoch: Epoch) -> Result<Vec<Entry>> {
    let path = path_of(results, epoch);
    let bytes = disk.read(&path).map_err(file_error)?;
    std::str::from_utf8(&bytes).ok().and_then(parse).ok_or_else(|| {
        let reason = "the manifest is damaged; restore it, or remove it together with the epoch's files";
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, reason);
        ConnectError::File { action: "understand", path, source }
    })
}

fn parse(text: &str) -> Option<Vec<Entry>> {
    let body = text.strip_prefix(HEADER)?.strip_prefix('\n')?;
    let (body, count) = body.strip_suffix('\n')?.rsplit_once("end ")?;
    let entry = |line: &str| {
        let (rest, records) = line.rsplit_once(' ')?;
        let (name, bytes) = rest.rsplit_once(' ')?;
        Some(Entry { name: name.to_owned(), bytes: bytes.parse().ok()?, records: records.parse().ok()? })
    };
    let entries: Vec<Entry> = body.lines().map(entry).collect::<Option<_>>()?;
    (entries.len() == count.parse::<usize>().ok()?).then_some(entries)
}

#[cfg(test)]
mod tests {
    use firesteel_disk::OsDisk;

    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_a_torn_one_is_refused() {
        let results = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder_of(results.path())).unwrap();
        let entries = [
            Entry { name: "part-a.txt".into(), bytes: 10, records: 2 },
            Entry { name: "part-b.txt".into(), bytes: 0, records: 0 },
        ];
        for (epoch, entries) in [(Epoch(12), &entries[..]), (Epoch(3), &[])] {
            assert!(!exists(&OsDisk, results.path(), epoch).unwrap());
            write(&OsDisk, results.path(), epoch, entries).unwrap();
            assert!(exists(&OsDisk, results.path(), epoch).unwrap());
            assert_eq!(read(&OsDisk, results.path(), epoch).unwrap(), entries);
        }
        for foreign in ["+000000007", "7", "00000000007", "notes", ".0000000009.tmp"] {
            std::fs::write(folder_of(results.path()).join(foreign), "not ours").unwrap();
        }
        assert_eq!(epochs(&OsDisk, results.path()).unwrap(), [Epoch(3), Epoch(12)]);

        let path = path_of(results.path(), Epoch(12));
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read(&OsDisk, results.path(), Epoch(12)).unwrap_err();
            assert!(error.to_string().contains("damaged"), "{length}: {error}");
        }
    }
}
