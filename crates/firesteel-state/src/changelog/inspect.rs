//! A changelog looked at as it is, sound or not: for tools that say what is wrong with one.
//!
//! ```
//! use firesteel_state::changelog::{Changelog, ChangelogOptions, EpochRecord, inspect};
//! # let folder = std::env::temp_dir().join(format!("firesteel-inspect-{}", std::process::id()));
//!
//! let mut log = Changelog::open(&folder, ChangelogOptions::default())?;
//! log.prepare(&EpochRecord { epoch: 1, ..EpochRecord::default() })?;
//! let segment = inspect(&folder)?.next().expect("there is one segment")?;
//! assert_eq!((segment.first, segment.faults.len()), (1, 0));
//! assert_eq!(segment.read(&segment.records[0])?.epoch, 1);
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), firesteel_state::StateError>(())
//! ```
//!
//! Nothing is changed, and the changelog may be written to meanwhile. Who wants to resume from a changelog
//! [opens](super::Changelog::open) it, which refuses what is damaged.

use std::path::{Path, PathBuf};

use firesteel_disk::OsDisk;

use super::record::EpochRecord;
use super::segment;
use crate::error::{Result, StateError};

/// One file of a changelog, with all that is wrong with it.
#[derive(Debug)]
pub struct SegmentReport {
    /// The file.
    pub path: PathBuf,
    /// The epoch of its first record, as its name says.
    pub first: u64,
    /// The records that fit their checksums, in the order in which they stand there.
    pub records: Vec<RecordReport>,
    /// The byte at which an unfinished write begins: no damage, it is cut off when the job resumes.
    pub torn: Option<u64>,
    /// What does not fit: checksums, and epochs that are missing here or before.
    pub faults: Vec<StateError>,
    bytes: Vec<u8>,
}

/// A sound record, from the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordReport {
    /// Its epoch.
    pub epoch: u64,
    /// Whether it says only what is committed.
    pub is_mark: bool,
    /// The last epoch known to be committed when it was written; 0 for none.
    pub committed: u64,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The bytes it takes in the file.
    pub bytes: u64,
    /// The bytes of its contents, unpacked.
    pub unpacked: u64,
}

impl SegmentReport {
    /// The length of the file in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The contents of one of its records.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when they make no sense although the checksum fits.
    pub fn read(&self, record: &RecordReport) -> Result<EpochRecord> {
        segment::decode(&self.path, &self.bytes, record.offset)
    }
}

/// The segments in a folder, read one after the other. What is removed meanwhile is passed over.
///
/// # Errors
/// [`StateError::File`] when the folder cannot be listed, or, from the iterator, when a file cannot be read.
pub fn inspect(folder: &Path) -> Result<impl Iterator<Item = Result<SegmentReport>> + use<>> {
    let disk = OsDisk::shared();
    let names = disk.list(folder)?;
    let names: Vec<_> = names.into_iter().filter_map(|name| Some((segment::parse_name(&name)?, name))).collect();
    let (folder, count) = (folder.to_owned(), names.len());
    let mut next = None;
    Ok(names.into_iter().enumerate().filter_map(move |(number, (first, name))| {
        let path = folder.join(name);
        let bytes = match disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {
                next = None;
                return None;
            }
            Err(error) => return Some(Err(error.into())),
        };
        let last = number + 1 == count;
        if last && segment::is_not_begun(&bytes) {
            let (records, faults) = (vec![], vec![]);
            return Some(Ok(SegmentReport { path, first, records, torn: Some(0), faults, bytes }));
        }
        let segment::Survey { records, torn, mut faults } = segment::survey(&path, &bytes, last);
        // Where a record is damaged, that it is missing goes without saying.
        if faults.is_empty() {
            faults.extend(gaps(&path, first, &records, next));
        }
        let prepared = records.iter().rev().find(|record| !record.is_mark);
        next = Some(prepared.map_or(first, |record| record.epoch + 1)).filter(|_| faults.is_empty());
        Some(Ok(SegmentReport { path, first, records, torn, faults, bytes }))
    }))
}

/// Where the epochs do not follow each other, or do not follow the segment before, which ended before `next`.
fn gaps(path: &Path, first: u64, records: &[RecordReport], next: Option<u64>) -> Vec<StateError> {
    let mut gaps = vec![];
    let mut gap = |expected, epoch| {
        let (place, found) = (path.display().to_string(), format!("epoch {epoch}"));
        gaps.push(StateError::Gap { place, expected, found });
    };
    let expected = next.unwrap_or(first);
    if first != expected {
        gap(expected, first);
    }
    let mut expected = first;
    for record in records.iter().filter(|record| !record.is_mark) {
        if record.epoch != expected {
            gap(expected, record.epoch);
        }
        expected = record.epoch + 1;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::changelog::{Changelog, ChangelogOptions};

    /// Two segments: epochs 1 to 3, and 4.
    fn written(folder: &Path) -> Vec<PathBuf> {
        let mut log = Changelog::open(folder, ChangelogOptions::default().segment_bytes(300)).unwrap();
        for epoch in 1..=4 {
            log.prepare(&EpochRecord { epoch, extra: vec![7; 30], ..EpochRecord::default() }).unwrap();
            log.mark(epoch).unwrap();
        }
        log.sync_mark().unwrap();
        let names = OsDisk::shared().list(folder).unwrap();
        names.iter().map(|name| folder.join(name)).collect()
    }

    fn all(folder: &Path) -> Vec<SegmentReport> {
        inspect(folder).unwrap().collect::<Result<_>>().unwrap()
    }

    fn epochs(segment: &SegmentReport) -> Vec<u64> {
        segment.records.iter().filter(|record| !record.is_mark).map(|record| record.epoch).collect()
    }

    #[test]
    fn what_is_sound_is_listed_without_faults() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        let segments = all(folder.path());
        assert_eq!(segments.iter().map(epochs).collect::<Vec<_>>(), [vec![1, 2, 3], vec![4]]);
        assert!(segments.iter().all(|segment| segment.faults.is_empty() && segment.torn.is_none()));
        let mark = segments[1].records.last().unwrap();
        assert!(mark.is_mark && mark.committed == 4);
        for segment in &segments {
            let end = segment.records.last().map(|record| record.offset + record.bytes);
            assert_eq!(end, Some(segment.bytes()));
            let first = segment.read(&segment.records[0]).unwrap();
            assert_eq!((first.epoch, first.extra.len()), (segment.first, 30));
        }
    }

    #[test]
    fn every_damaged_record_is_told_and_the_others_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let paths = written(folder.path());
        let (at, length) = (all(folder.path())[0].records[1].offset, all(folder.path())[1].bytes());
        for (path, at) in [(&paths[0], at + 60), (&paths[1], length - 70)] {
            let mut bytes = fs::read(path).unwrap();
            bytes[at as usize] ^= 1;
            fs::write(path, bytes).unwrap();
        }
        let segments = all(folder.path());
        assert_eq!(segments.iter().map(epochs).collect::<Vec<_>>(), [vec![1, 3], vec![]]);
        for segment in &segments {
            assert!(matches!(&segment.faults[..], [StateError::Damaged { .. }]), "{:?}", segment.faults);
        }
        assert!(segments[0].faults[0].to_string().contains("next sound one"), "{:?}", segments[0].faults);
    }

    #[test]
    fn a_segment_that_is_missing_is_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let paths = written(folder.path());
        fs::rename(&paths[1], folder.path().join("00000000000000000006.log")).unwrap();
        let segments = all(folder.path());
        let told: Vec<String> = segments[1].faults.iter().map(ToString::to_string).collect();
        assert!(told[0].contains("epoch 4 is needed, epoch 6 comes next"), "{told:?}");
        assert!(told[1].contains("epoch 6 is needed, epoch 4 comes next"), "{told:?}");
    }

    #[test]
    fn an_unfinished_write_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let paths = written(folder.path());
        let bytes = fs::read(&paths[0]).unwrap();
        fs::remove_file(&paths[1]).unwrap();
        fs::write(&paths[0], &bytes[..bytes.len() - 5]).unwrap();
        let segments = all(folder.path());
        assert_eq!((epochs(&segments[0]), segments[0].faults.len()), (vec![1, 2], 0));
        assert_eq!(segments[0].torn, Some(segments[0].records[1].offset + segments[0].records[1].bytes));
        fs::write(&paths[1], [0; 9]).unwrap();
        assert_eq!(all(folder.path())[1].torn, Some(0));
    }
}
