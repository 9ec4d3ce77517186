//! Damage, a full disk, a folder that cannot be used: errors with a code and a way out, and never an empty state.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use firesteel_state::{Class, FrameWriter, KeyGroup, Result, Shard, StateBackend, StateError, StoreId, TableId};
use firesteel_state_rocksdb::{Compression, RocksDbBackend, RocksDbOptions};

const KEYS: u64 = 2_000;

fn shard(group: u16) -> Shard {
    Shard { store: StoreId(0), group: KeyGroup(group) }
}

fn options() -> RocksDbOptions {
    RocksDbOptions::default().memory(4 << 20).page_bytes(512).file_from(0).compression(Compression::None)
}

/// Three epochs over two key groups.
fn fill(backend: &RocksDbBackend) -> Result<()> {
    for epoch in 1..=3u64 {
        for group in 0..2 {
            let mut writer = FrameWriter::new();
            for key in (0..KEYS).filter(|key| key % 3 <= epoch) {
                writer.put(&key.to_be_bytes(), &(key * epoch).to_le_bytes());
            }
            backend.apply(epoch, &[writer.finish(shard(group))])?;
        }
    }
    backend.flush()
}

/// Reads everything in one way and the other, and compares it with what each marker promises. Returns the markers.
fn complete(backend: &RocksDbBackend) -> Result<[u64; 2]> {
    let mut markers = [0; 2];
    for group in 0..2 {
        let marker = backend.marker(shard(group))?.unwrap_or(0);
        let there: Vec<u64> = (0..KEYS).filter(|key| marker > 0 && key % 3 <= marker).collect();
        let mut scanned = vec![];
        backend.scan(shard(group), TableId(0), b"", &mut |key, value| {
            scanned.push((u64::from_be_bytes(key.try_into().unwrap()), u64::from_le_bytes(value.try_into().unwrap())));
            Ok(())
        })?;
        let mut read = vec![];
        let keys: Vec<[u8; 8]> = (0..KEYS).map(u64::to_be_bytes).collect();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 8]>::as_slice).collect();
        backend.read(shard(group), TableId(0), &keys, &mut |at, value| {
            read.push((at as u64, u64::from_le_bytes(value.try_into().unwrap())));
        })?;
        let expected: Vec<_> = there.iter().map(|key| (*key, key * marker)).collect();
        assert!(scanned == expected && read == expected, "group {group} is not as its marker {marker} says");
        markers[usize::from(group)] = marker;
    }
    Ok(markers)
}

/// The files of the database in a backend's folder that matter: not its logs.
fn files(folder: &Path) -> Vec<PathBuf> {
    let of = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let database = of(folder).find(|path| path.is_dir()).unwrap();
    let matters = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        path.is_file()
            && !(name.starts_with("LOG") || name == "LOCK" || name == "IDENTITY" || name.starts_with("OPTIONS"))
    };
    let mut files: Vec<PathBuf> = of(&database).filter(matters).collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Opens a damaged copy and reads all of it.
fn look(folder: &Path) -> Result<[u64; 2]> {
    RocksDbBackend::open(folder, options()).and_then(|backend| complete(&backend))
}

/// RocksDB takes an end that makes no sense for a crash while it wrote this file. What stands before that is a sound
/// older base: the markers say so, and recovery resumes from there or takes a snapshot.
fn is_manifest(name: &Path) -> bool {
    name.to_string_lossy().contains("MANIFEST")
}

#[track_caller]
fn tells_the_way_out(error: &StateError, what: &str) {
    assert_eq!((error.code(), error.class()), ("FS-T013", Class::Fatal), "{what}: {error}");
    assert!(error.to_string().contains("remove the folder"), "{what}: {error}");
}

#[test]
fn a_database_is_damaged_wherever_a_bit_is_flipped() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound");
    let backend = RocksDbBackend::open(&sound, options()).unwrap();
    fill(&backend).unwrap();
    assert_eq!(complete(&backend).unwrap(), [3, 3]);
    drop(backend);
    let (mut told, mut older, mut tried) = (0, 0, 0);
    for file in files(&sound) {
        let bytes = fs::read(&file).unwrap();
        let name = file.strip_prefix(&sound).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 6 + 1) {
            let damaged = folder.path().join(format!("damaged-{tried}"));
            copy(&sound, &damaged);
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            fs::write(damaged.join(name), &flipped).unwrap();
            tried += 1;
            let what = format!("byte {at} of {} in {}", bytes.len(), name.display());
            match look(&damaged) {
                Ok(markers) if is_manifest(name) => older += u64::from(markers != [3, 3]),
                Ok(markers) => assert_eq!(markers, [3, 3], "{what}: something is missing, and nobody says so"),
                Err(error) => {
                    tells_the_way_out(&error, &what);
                    told += 1;
                }
            }
            fs::remove_dir_all(&damaged).unwrap();
        }
    }
    assert!(told * 2 > tried && older * 10 < tried, "of {tried} damages, {told} are told, {older} left an older state");
}

#[test]
fn a_file_that_is_missing_or_cut_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound");
    let backend = RocksDbBackend::open(&sound, options()).unwrap();
    fill(&backend).unwrap();
    drop(backend);
    for (number, file) in
        files(&sound).into_iter().filter(|file| file.extension().is_none_or(|of| of != "log")).enumerate()
    {
        let name = file.strip_prefix(&sound).unwrap();
        for missing in [true, false] {
            let damaged = folder.path().join(format!("damaged-{number}-{missing}"));
            copy(&sound, &damaged);
            if missing {
                fs::remove_file(damaged.join(name)).unwrap();
            } else {
                let bytes = fs::read(&file).unwrap();
                fs::write(damaged.join(name), &bytes[..bytes.len() / 2]).unwrap();
            }
            let what = format!("{} missing: {missing}", name.display());
            match look(&damaged) {
                Ok(markers) if is_manifest(name) => assert_ne!(markers, [3, 3], "{what}"),
                Ok(markers) => panic!("{what}: nobody says so, and it is at {markers:?}"),
                Err(error) => tells_the_way_out(&error, &what),
            }
        }
    }
}

#[test]
fn a_damaged_snapshot_is_refused_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::open(folder.path().join("one"), options()).unwrap();
    fill(&backend).unwrap();
    let snapshot = folder.path().join("snapshot");
    backend.snapshot(&snapshot).unwrap();
    drop(backend);
    let backend = RocksDbBackend::open(folder.path().join("two"), options()).unwrap();
    let mut writer = FrameWriter::new();
    writer.put(b"x", b"y");
    backend.apply(9, &[writer.finish(shard(5))]).unwrap();
    let names: Vec<_> = fs::read_dir(&snapshot).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() > 4, "{names:?}");
    for name in names {
        let path = snapshot.join(&name);
        let sound = fs::read(&path).unwrap();
        let mut attempts = vec![None, Some(sound[..sound.len() / 2].to_vec()), Some([&sound[..], b"more"].concat())];
        for at in (0..sound.len()).step_by(sound.len() / 8 + 1) {
            let mut flipped = sound.clone();
            flipped[at] ^= 1;
            attempts.push(Some(flipped));
        }
        for attempt in attempts.into_iter().filter(|attempt| *attempt != Some(sound.clone())) {
            _ = fs::remove_file(&path);
            attempt.iter().for_each(|bytes| fs::write(&path, bytes).unwrap());
            let error = backend.restore(&snapshot).expect_err("damage is found");
            let expected = if attempt.is_none() && name == "firesteel.list" { "FS-T001" } else { "FS-T002" };
            assert_eq!(error.code(), expected, "{}: {error}", path.display());
            assert_eq!(backend.shards().unwrap(), [(shard(5), 9)]);
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, &sound).unwrap();
    }
    backend.restore(&snapshot).unwrap();
    assert_eq!(complete(&backend).unwrap(), [3, 3]);
}

#[test]
fn a_folder_in_use_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::open(folder.path(), options()).unwrap();
    assert_eq!(RocksDbBackend::open(folder.path(), options()).unwrap_err().code(), "FS-T004");
    drop(backend);
    RocksDbBackend::open(folder.path(), options()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = RocksDbBackend::open(file.join("state"), options()).unwrap_err();
    assert_eq!((error.code(), error.class()), ("FS-T001", Class::Fatal), "{error}");
    assert!(error.to_string().contains("file/state"), "{error}");
}

/// What the child is to do, and where.
const ORDERS: &str = "FIRESTEEL_FULL";

/// The child of the test below. Without orders, it is a test that has nothing to do.
#[test]
fn child() {
    let Ok(folder) = std::env::var(ORDERS) else { return };
    let how = if folder.ends_with("files") { 0 } else { usize::MAX };
    let backend = RocksDbBackend::open(&folder, options().file_from(how)).unwrap();
    let value = [7; 1_000];
    for epoch in 1..500u64 {
        let mut writer = FrameWriter::new();
        (0..1_000u64).for_each(|key| writer.put(&(epoch * 1_000 + key).to_be_bytes(), &value));
        let done = backend.apply(epoch, &[writer.finish(shard(0))]).and_then(|()| backend.flush());
        match done {
            Ok(()) => println!("durable {epoch}"),
            Err(error) => {
                println!("error {error}");
                return;
            }
        }
    }
}

/// A limit on the size of files stands for a full disk: writes fail in the same places.
#[cfg(unix)]
#[test]
fn a_disk_without_room_is_told_and_keeps_what_was_durable() {
    for how in ["files", "buffers"] {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(how);
        // Blocks of 512 or 1024 bytes: a file of the first epoch fits, one that compaction makes does not. Without the
        // signal, writes fail instead.
        let limited = "trap '' XFSZ; ulimit -f 2500; exec \"$0\" --exact child --nocapture";
        let output = Command::new("sh")
            .args(["-c", limited])
            .arg(std::env::current_exe().unwrap())
            .env(ORDERS, &place)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = text.lines().find_map(|line| line.strip_prefix("error "));
        let error =
            error.unwrap_or_else(|| panic!("{how}: no error in {text} {}", String::from_utf8_lossy(&output.stderr)));
        assert!(
            error.starts_with("FS-T013: RocksDB in ") && error.contains("is the folder writable"),
            "{how}: {error}"
        );
        let durable =
            text.lines().filter_map(|line| line.strip_prefix("durable ")?.parse::<u64>().ok()).next_back().unwrap_or(0);
        // With room again, everything durable is there.
        let backend = RocksDbBackend::open(&place, options()).unwrap();
        let marker = backend.marker(shard(0)).unwrap().unwrap_or(0);
        assert!(marker >= durable, "{how}: {marker} of {durable}");
        let mut count = 0;
        backend
            .scan(shard(0), TableId(0), b"", &mut |_, _| {
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, marker * 1_000, "{how}");
    }
}
