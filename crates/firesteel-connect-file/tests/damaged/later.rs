//! Files that cannot be read for some time, while they have lines that were not read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use firesteel_connect::{ConnectError, ReadRange, Source, SourceContext, SplitId};
use firesteel_connect_file::{OnUnreadable, TextFiles};
use firesteel_window::Timestamp;

use super::common::{discover, gzip, read, split, zstd};
use super::damage::count;
use super::{Checkpoint, job};

/// Runs a test as somebody to whom permissions say something, if whoever tests is root. Tells whether it did.
fn as_nobody(test: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&file).is_err() {
        return false;
    }
    let program = folder.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [folder.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&program);
    command.args(["--exact", &format!("later::{test}"), "--nocapture"]).current_dir("/").uid(65_534).gid(65_534);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the test is there");
    true
}

/// Has a file give errors of the system when it is opened, whoever asks, and takes that back again.
fn in_the_way(path: &Path, is_there: bool) {
    let aside = path.with_extension("aside");
    if is_there {
        fs::rename(path, &aside).unwrap();
        symlink(path, path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
        fs::rename(&aside, path).unwrap();
    }
}

fn lines(from: u32, to: u32) -> String {
    (from..to).map(|n| format!("{n}\n")).collect()
}

fn packed(how: &str, text: &str) -> Vec<u8> {
    match how {
        "gz" => gzip(text.as_bytes()),
        "zst" => zstd(text.as_bytes()),
        _ => text.as_bytes().to_vec(),
    }
}

#[test]
fn a_known_file_that_is_forbidden_for_a_while_is_left_for_later_and_the_others_are_read() {
    if as_nobody("a_known_file_that_is_forbidden_for_a_while_is_left_for_later_and_the_others_are_read") {
        return;
    }
    for how in ["log", "gz", "zst"] {
        for restarts in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(format!("{name}.{how}"));
            fs::write(at("a"), packed(how, &lines(0, 100))).unwrap();
            fs::write(at("b"), packed(how, &lines(100, 200))).unwrap();
            let source = || TextFiles::new(folder.path()).follow();
            let (mut reader, mut counters) = job(source(), Checkpoint::default());
            reader.batch(10);
            assert_eq!(reader.read.len(), 20);
            fs::set_permissions(at("a"), fs::Permissions::from_mode(0o000)).unwrap();
            let mut read = std::mem::take(&mut reader.read);
            if restarts {
                let (kept, _) = reader.stop();
                (reader, counters) = job(source(), kept);
            }
            (0..30).for_each(|_| _ = reader.batch(20));
            read.append(&mut reader.read);
            assert_eq!(read.len(), 110, "{how}: all of the other one");
            assert_eq!(count(&counters, "unreadable files"), 1, "{how}: it is told once");
            let left = reader.source.discover(Timestamp::from_secs(reader.now)).unwrap();
            assert!(left.splits.iter().any(|split| !split.finished), "{how}: it is not over");
            fs::set_permissions(at("a"), fs::Permissions::from_mode(0o644)).unwrap();
            (0..100).for_each(|_| _ = reader.batch(20));
            read.append(&mut reader.read);
            let mut numbers: Vec<u32> = read.iter().map(|line| line.parse().unwrap()).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..200).collect::<Vec<_>>(), "{how}, restarted: {restarts}");
        }
    }
}

#[test]
fn what_the_system_says_when_a_file_is_opened_is_told_and_it_is_tried_later() {
    for how in ["log", "gz", "zst"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("a.{how}"));
        fs::write(&path, packed(how, &lines(0, 50))).unwrap();
        let files = TextFiles::new(folder.path()).follow().look_every(firesteel_window::seconds(1_000_000));
        files.start(&SourceContext::default()).unwrap();
        discover(&files).unwrap();
        in_the_way(&path, true);
        let error = read(&files, &ReadRange::starting_at(split(&path), 0)).unwrap_err();
        assert!(matches!(&error, ConnectError::Later { position: 0, .. }), "{how}: {error}");
        assert!(error.to_string().contains(&format!("a.{how}")), "{error}");
        let now = |seconds| files.discover(Timestamp::from_secs(seconds)).unwrap().splits.remove(0);
        assert_eq!((now(1).available, now(1).finished), (Some(0), false), "{how}: it is not asked for");
        in_the_way(&path, false);
        let offered = now(3);
        assert!(offered.available != Some(0), "{how}: it is retried");
        assert_eq!(read(&files, &ReadRange::starting_at(split(&path), 0)).unwrap().0.len(), 50);
        // By policy it is fatal, and where nobody comes back.
        for strict in
            [TextFiles::new(folder.path()).follow().on_unreadable(OnUnreadable::Fail), TextFiles::new(folder.path())]
        {
            strict.start(&SourceContext::default()).unwrap();
            discover(&strict).unwrap();
            in_the_way(&path, true);
            let error = read(&strict, &ReadRange::starting_at(split(&path), 0)).unwrap_err();
            assert!(matches!(&error, ConnectError::File { .. }), "{how}: {error}");
            in_the_way(&path, false);
        }
    }
}

#[test]
fn a_file_that_is_left_alone_is_retried_at_growing_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, lines(0, 50)).unwrap();
    let files = TextFiles::new(folder.path()).follow().look_every(firesteel_window::seconds(1_000_000));
    let counters = firesteel_connect::Counters::default();
    files.start(&SourceContext::default().with_counters(counters.clone())).unwrap();
    discover(&files).unwrap();
    in_the_way(&path, true);
    let mut tried = vec![];
    for second in 0..200 {
        let split = files.discover(Timestamp::from_secs(second)).unwrap().splits.into_iter().next();
        if split.is_some_and(|split| split.available != Some(0)) {
            read(&files, &ReadRange::starting_at(SplitId::new(path.to_str().unwrap()), 0)).unwrap_err();
            tried.push(second);
        }
    }
    assert_eq!(count(&counters, "unreadable files"), 1, "it is told once");
    let between: Vec<i64> = tried.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(between.is_sorted() && tried.len() < 12 && between.last().is_some_and(|last| *last >= 32), "{tried:?}");
}

#[test]
fn a_file_that_is_gone_when_it_is_opened_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, lines(0, 50)).unwrap();
    let files = TextFiles::new(folder.path()).follow();
    files.start(&SourceContext::default()).unwrap();
    discover(&files).unwrap();
    let aside = tempfile::tempdir().unwrap();
    fs::copy(&path, aside.path().join("copy")).unwrap();
    fs::remove_file(&path).unwrap();
    let error = read(&files, &ReadRange::exact(split(&path), 0, 10)).unwrap_err();
    assert!(matches!(&error, ConnectError::Later { position: 0, .. }), "{error}");
    assert_eq!(files.discover(Timestamp::from_secs(2)).unwrap().splits[0].available, Some(0));
    fs::copy(aside.path().join("copy"), &path).unwrap();
    assert_eq!(files.discover(Timestamp::from_secs(3)).unwrap().splits[0].available, Some(140));
    assert_eq!(read(&files, &ReadRange::exact(split(&path), 0, 10)).unwrap().0.len(), 5);
    // For good, it is an error as ever.
    fs::remove_file(&path).unwrap();
    files.discover(Timestamp::from_secs(4)).unwrap();
    let error = files.discover(Timestamp::from_secs(60)).unwrap_err();
    assert!(matches!(&error, ConnectError::Lost { .. }) && error.to_string().contains("put it back"), "{error}");
}

#[test]
fn a_stretch_that_cannot_be_read_while_what_comes_after_it_is_costs_itself_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, lines(0, 50)).unwrap();
    let follow = || {
        let files = TextFiles::new(folder.path()).follow().finish_after(firesteel_window::Duration::ZERO);
        files.after_reading(firesteel_connect_file::AfterReading::delete())
    };
    let (mut reader, counters) = job(follow(), Checkpoint::default());
    reader.due();
    let stretch = ReadRange::exact(split(&path), 20, 80);
    for _ in 0..2 {
        // Tasks are repeated.
        assert!(reader.source.pass_over(&stretch).unwrap());
    }
    reader.take(&ReadRange::exact(split(&path), 0, 20));
    reader.take(&ReadRange::exact(split(&path), 80, 140));
    reader.commit();
    (0..3).for_each(|_| _ = reader.batch(u64::MAX));
    assert_eq!((reader.read.len(), count(&counters, "unreadable files")), (10 + 20, 1));
    let (kept, _) = reader.stop();
    let (mut reader, _) = job(follow(), kept);
    (0..3).for_each(|_| _ = reader.batch(u64::MAX));
    assert!(reader.read.is_empty() && path.exists(), "it is kept for who wants to mend it");
    for strict in
        [TextFiles::new(folder.path()).follow().on_unreadable(OnUnreadable::Fail), TextFiles::new(folder.path())]
    {
        strict.start(&SourceContext::default()).unwrap();
        discover(&strict).unwrap();
        assert!(!strict.pass_over(&stretch).unwrap());
    }
}
