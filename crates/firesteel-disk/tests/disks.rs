//! Both disks do the same, and the one in memory loses what was not synced and nothing else.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use firesteel_disk::crashing::{CrashingDisk, Loss};
use firesteel_disk::{Disk, OsDisk, write_whole};

/// What every disk does.
fn behaves(disk: &dyn Disk, root: &Path) {
    let folder = root.join("a/b");
    disk.make_folder(&folder).unwrap();
    assert!(disk.list(&folder).unwrap().is_empty());
    let path = folder.join("log");
    assert_eq!(disk.open(&path).unwrap_err().source.kind(), ErrorKind::NotFound);
    assert_eq!(disk.read(&path).unwrap_err().path, path);
    let mut file = disk.create(&path).unwrap();
    assert_eq!(disk.create(&path).unwrap_err().source.kind(), ErrorKind::AlreadyExists);
    file.append(b"one, ").unwrap();
    file.append(b"two").unwrap();
    file.sync().unwrap();
    file.cut(5).unwrap();
    file.append(b"three").unwrap();
    drop(file);
    let mut file = disk.open(&path).unwrap();
    file.rewrite(3).unwrap();
    file.append(b"!").unwrap();
    file.rewrite(0).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"one, three!");
    assert!(disk.exists(&path).unwrap() && !disk.exists(&folder.join("other")).unwrap());
    let mut reading = disk.open_to_read(&path).unwrap();
    assert_eq!(reading.length().unwrap(), 11);
    let mut bytes = [0; 4];
    assert_eq!(reading.read_at(5, &mut bytes).unwrap(), 4);
    assert_eq!(&bytes, b"thre");
    assert_eq!(reading.read_at(9, &mut bytes).unwrap(), 2);
    assert_eq!(reading.read_at(99, &mut bytes).unwrap(), 0);

    write_whole(disk, &folder.join("whole"), b"first").unwrap();
    write_whole(disk, &folder.join("whole"), b"second").unwrap();
    assert_eq!(disk.read(&folder.join("whole")).unwrap(), b"second");
    assert_eq!(disk.list(&folder).unwrap(), ["log", "whole"]);
    disk.rename(&folder.join("whole"), &path).unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"second");
    disk.remove(&path).unwrap();
    disk.remove(&path).unwrap();
    disk.sync_folder(&folder).unwrap();
    assert!(disk.list(&folder).unwrap().is_empty());

    let lock = disk.lock(&root.join("LOCK")).unwrap().expect("nobody has it");
    assert!(disk.lock(&root.join("LOCK")).unwrap().is_none());
    assert!(disk.exists(&root.join("LOCK")).unwrap());
    assert!(disk.lock(&root.join("OTHER")).unwrap().is_some());
    drop(lock);
    assert!(disk.lock(&root.join("LOCK")).unwrap().is_some());
}

/// As on Linux, whose next sync succeeds: what is on disk is what was written since.
#[test]
fn a_sync_that_failed_is_made_good_by_writing_once_more_and_by_nothing_else() {
    let path = Path::new("log");
    let failed = || {
        let disk = CrashingDisk::default();
        let mut file = disk.create(path).unwrap();
        file.append(&[1; 600]).unwrap();
        file.sync().unwrap();
        disk.sync_folder(Path::new("")).unwrap();
        file.append(&[2; 600]).unwrap();
        disk.fail_once(1);
        assert!(file.sync().is_err());
        assert_eq!(disk.read(path).unwrap(), [[1; 600], [2; 600]].concat(), "it reads as if nothing had happened");
        (disk, file)
    };
    let (disk, mut file) = failed();
    file.sync().unwrap();
    let left = disk.after_crash(Loss::Nothing).read(path).unwrap();
    assert_eq!((left.len(), &left[..600]), (1_200, &[1; 600][..]), "its length is known");
    assert!(left[600..].iter().all(|byte| *byte == 0), "and nothing else");
    // What is written beside it takes along the sector that both are in.
    let (disk, mut file) = failed();
    file.append(&[3; 600]).unwrap();
    file.sync().unwrap();
    let left = disk.after_crash(Loss::All).read(path).unwrap();
    assert_eq!((left.len(), &left[512..600], left[600], left[1_023]), (1_800, &[1; 88][..], 0, 0));
    assert_eq!((left[1_024], left[1_199], left[1_200]), (2, 2, 3));
    let (disk, mut file) = failed();
    file.rewrite(600).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.after_crash(Loss::All).read(path).unwrap(), [[1; 600], [2; 600]].concat());
}

#[test]
fn both_disks_do_the_same() {
    let folder = tempfile::tempdir().unwrap();
    behaves(&OsDisk, folder.path());
    behaves(&CrashingDisk::default(), Path::new("root"));
}

fn path() -> PathBuf {
    "folder/log".into()
}

#[test]
fn a_folder_may_be_given_by_a_relative_path() {
    OsDisk.make_folder(Path::new("")).unwrap();
    OsDisk.make_folder(Path::new("tests")).unwrap();
    OsDisk.sync_folder(Path::new("")).unwrap();
}

#[test]
fn a_crash_keeps_what_was_synced() {
    let disk = CrashingDisk::default();
    let mut file = disk.create(&path()).unwrap();
    file.append(b"synced").unwrap();
    file.sync().unwrap();
    assert!(disk.after_crash(Loss::All).read(&path()).is_err(), "its name was not");
    disk.sync_folder(Path::new("folder")).unwrap();
    file.append(b", not synced").unwrap();
    assert_eq!(disk.after_crash(Loss::All).read(&path()).unwrap(), b"synced");
    assert_eq!(disk.after_crash(Loss::Nothing).read(&path()).unwrap(), b"synced, not synced");
    let exited = disk.after_exit();
    assert_eq!(exited.read(&path()).unwrap(), b"synced, not synced");
    assert_eq!(exited.after_crash(Loss::All).read(&path()).unwrap(), b"synced");
    exited.open(&path()).unwrap().sync().unwrap();
    assert_eq!(exited.after_crash(Loss::All).read(&path()).unwrap(), b"synced, not synced");
    let seen = |seed| disk.after_crash(Loss::Some(seed)).read(&path()).unwrap();
    assert!((0..20).any(|seed| seen(seed) == b"synced") && (0..20).any(|seed| seen(seed) != b"synced"));
}

#[test]
fn a_failed_disk_changes_nothing_any_more() {
    let disk = CrashingDisk::default();
    let mut file = disk.create(&path()).unwrap();
    disk.fail_at(2);
    file.append(b"one").unwrap();
    assert!(file.sync().is_err() && file.append(b"two").is_err() && disk.remove(&path()).is_err());
    assert_eq!(disk.calls(), 4);
    disk.fail_once(1);
    assert!(file.sync().is_err());
    file.sync().unwrap();
}

#[test]
fn a_full_disk_takes_a_part() {
    let disk = CrashingDisk::default();
    let mut file = disk.create(&path()).unwrap();
    disk.set_full(true);
    assert_eq!(file.append(b"12345678").unwrap_err().source.kind(), ErrorKind::StorageFull);
    disk.set_full(false);
    file.append(b"!").unwrap();
    assert_eq!(disk.read(&path()).unwrap(), b"1234!");
}

#[test]
fn a_folder_that_is_not_there_cannot_be_synced_or_filled() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = OsDisk.sync_folder(&missing).unwrap_err();
    assert!(error.to_string().contains("sync") && error.to_string().contains("missing"), "{error}");
    assert!(OsDisk.create(&missing.join("file")).is_err());
    assert!(OsDisk.list(&missing).unwrap().is_empty());
}
