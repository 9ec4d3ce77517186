//! Flipped bits, missing files, torn ends.

use std::path::PathBuf;

use firesteel_connect::{ConnectError, ReadRange, Source, SourceContext, SourceReader};
use firesteel_disk::Disk;
use firesteel_disk::crashing::CrashingDisk;

use super::{PATIENCE, bounds, commit, log_on, open, read, split};

/// A log of several segments, of which some records are committed, or none; and where it ends.
fn written(committed: u64) -> (CrashingDisk, u64) {
    let disk = CrashingDisk::default();
    let (log, store) = open(&disk).unwrap();
    for step in 0..6 {
        store.push_all(step * 10..step * 10 + 10).unwrap();
    }
    commit(&log, committed);
    log.stop();
    (disk, 60)
}

fn segments(disk: &CrashingDisk) -> Vec<PathBuf> {
    disk.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "wal")).collect()
}

#[test]
fn damage_is_named_and_given_up_only_when_somebody_says_so() {
    let (mut skipped, mut lost_marks) = (0, 0);
    // With a note of what is committed at the end, and with records there.
    for first in [7, 0] {
        damage_everywhere(first, &mut skipped, &mut lost_marks);
    }
    assert!(skipped > 100 && lost_marks > 0, "{skipped}, {lost_marks}");
}

/// Flips a bit of every byte in turn.
fn damage_everywhere(first: u64, skipped: &mut u64, lost_marks: &mut u64) {
    let (disk, end) = written(first);
    let paths = segments(&disk);
    assert!(paths.len() >= 3, "{paths:?}");
    for path in &paths {
        for at in 0..disk.read(path).unwrap().len() {
            let disk = disk.copy();
            disk.damage(path, |bytes| bytes[at] ^= 1 << (at % 8));
            let context = format!("byte {at} of {}", path.display());
            let error = open(&disk).map(drop).expect_err(&context);
            assert!(matches!(&error, ConnectError::Damaged { path: named, .. } if named == path), "{context}: {error}");
            assert!(error.to_string().contains("skip_damage"), "{error}");

            let (log, stores) = log_on(disk.shared());
            let log = log.skip_damage();
            log.start(&SourceContext::default()).unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = read(&log);
            let gone = |record: &u64| !found.contains(record);
            let lost: Vec<u64> = (first..end).filter(gone).collect();
            assert!(found.is_sorted() && lost.len() <= 10, "{context}: {found:?}");
            // The mark may be what was lost, and then the log begins earlier.
            assert!(found.iter().all(|record| *record < end), "{context}: {found:?}");
            *lost_marks += u64::from(found.first() < Some(&first));
            *skipped += u64::from(!lost.is_empty());
            // Positions of lost records are not given away again.
            let next = bounds(&log).1;
            assert!(next >= end, "{context}: {next}");
            stores.recv_timeout(PATIENCE).unwrap().push(1_000).unwrap();
            assert_eq!(bounds(&log).1, next + 1);
            assert_eq!(read(&log).last(), Some(&1_000), "{context}");
            assert!(lost.windows(2).all(|pair| pair[1] == pair[0] + 1), "{context}: {lost:?}");
        }
    }
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let (disk, end) = written(7);
    let gone = segments(&disk).remove(1);
    disk.lose(&gone);
    let error = open(&disk).map(drop).unwrap_err();
    assert!(matches!(&error, ConnectError::Damaged { .. }), "{error}");
    let (log, _stores) = log_on(disk.shared());
    let log = log.skip_damage();
    log.start(&SourceContext::default()).unwrap();
    let found = read(&log);
    assert_eq!((bounds(&log).1, found.last()), (end, Some(&(end - 1))));
    assert!(found.len() < (end - 7) as usize && found.is_sorted(), "{found:?}");
    // Whatever range is asked for: what is there comes once, and nothing twice.
    for cut in 7..=end {
        let mut parts = vec![];
        for (from, to) in [(7, cut), (cut, end)] {
            let mut reader = log.open(&ReadRange::exact(split(), from, to)).unwrap();
            reader.for_each(|record| parts.push(record)).unwrap();
            assert!(reader.position() >= to);
        }
        assert_eq!(parts, found, "cut at {cut}");
    }
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_is_torn() {
    let disk = CrashingDisk::default();
    let (log, store) = open(&disk).unwrap();
    store.push(0).unwrap();
    let path = segments(&disk).remove(0);
    let whole = disk.read(&path).unwrap().len();
    store.push_all(1..5).unwrap();
    log.stop();
    for length in whole..disk.read(&path).unwrap().len() {
        for zeros in [0, 600] {
            let disk = disk.copy();
            disk.damage(&path, |bytes| {
                bytes.truncate(length);
                bytes.resize(length + zeros, 0);
            });
            let opened = open(&disk);
            // Zeros after a part of a frame are a torn write only where a whole sector of them is.
            let Ok((log, store)) = opened else {
                assert!(zeros > 0, "cut to {length}");
                continue;
            };
            assert_eq!(read(&log), [0], "cut to {length}, {zeros} zeros");
            store.push(1).unwrap();
            assert_eq!(read(&log), [0, 1]);
        }
    }
}

#[test]
fn random_changes_are_survived() {
    let (disk, _) = written(7);
    let paths = segments(&disk);
    let mut seed = 7u64;
    let mut random = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 20) as usize % bound
    };
    for _ in 0..300 {
        let disk = disk.copy();
        for _ in 0..=random(2) {
            disk.damage(&paths[random(paths.len())], |bytes| {
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, random(256) as u8),
                }
            });
        }
        // A clear error, or records that were written, each once.
        let (log, _stores) = log_on(disk.shared());
        let log = log.skip_damage();
        if log.start(&SourceContext::default()).is_ok() {
            let found = read(&log);
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]) && found.iter().all(|n| *n < 60), "{found:?}");
        }
    }
}
