//! What becomes of files that were read.

use std::fs;
use std::path::{Path, PathBuf};

use firesteel_connect_file::{AfterReading, TextFiles};
use firesteel_window::Duration;

use crate::common::{gzip, zstd};
use crate::follower::Follower;

/// The files of a folder and those in it, by their paths within it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn follower(path: PathBuf, follow: bool, after: AfterReading) -> Follower {
    Follower::new(move || {
        let files = TextFiles::new(&path).after_reading(after.clone());
        if follow { files.follow().finish_after(Duration::ZERO) } else { files }
    })
    .unwrap()
}

#[test]
fn what_was_read_is_archived_under_its_path_and_not_read_again() {
    for (with, pack) in [("log", <[u8]>::to_vec as fn(&[u8]) -> Vec<u8>), ("gz", gzip), ("zst", zstd)] {
        for (pattern, archive) in [("in", "done"), ("in/*", "in/done"), ("in/**/*", "in/done"), ("in/**/*", "done")] {
            for is_stopped in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let at = |name: &str| folder.path().join(name);
                fs::create_dir_all(at("in/sub")).unwrap();
                let is_deep = pattern != "in";
                let write = |name: &str, text: &str| fs::write(at(&format!("in/{name}.{with}")), pack(text.as_bytes()));
                let case = format!("{with}, {pattern}, {archive}, stopped: {is_stopped}");
                let mut follower = follower(at(pattern), true, AfterReading::archive(at(archive)));
                let mut expected = Vec::new();
                for round in 1..=3 {
                    write("a", &format!("{round}a\n")).unwrap();
                    write("sub/b", &format!("{round}b\n")).unwrap();
                    write("empty", "").unwrap();
                    follower.drain().unwrap();
                    if is_stopped {
                        follower.restart().unwrap();
                        follower.drain().unwrap();
                    }
                    let end = if round == 1 { String::new() } else { format!(".{round}") };
                    expected.extend(["a", "empty"].map(|name| format!("{name}.{with}{end}")));
                    expected.extend(is_deep.then(|| format!("sub/b.{with}{end}")));
                    expected.sort();
                    assert_eq!(files(&at(archive)), expected, "{case}");
                    assert_eq!(at(&format!("in/sub/b.{with}")).exists(), !is_deep, "{case}");
                    assert_eq!(follower.lines.len(), round * (1 + usize::from(is_deep)), "{case} {:?}", follower.lines);
                }
            }
        }
    }
}

#[test]
fn what_is_not_committed_not_finished_or_not_whole_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("in")).unwrap();
    fs::write(at("in/a.log"), "1\n2\n3\n4\n5\n").unwrap();
    let whole = gzip("x\n".repeat(50_000).as_bytes());
    fs::write(at("in/cut.gz"), &whole[..whole.len() / 2]).unwrap();
    let mut follower = Follower::new({
        let path = at("in");
        move || TextFiles::new(&path).follow().after_reading(AfterReading::delete())
    })
    .unwrap();
    follower.most = Some(2);
    follower.step().unwrap();
    follower.now += 301;
    follower.step().unwrap();
    follower.most = None;
    assert!(at("in/a.log").exists(), "a line is left");
    follower.drain().unwrap();
    assert_eq!(files(&at("in")), ["cut.gz"], "the damaged one is kept");
    assert!(follower.lines.contains(&"5".to_owned()));
    // One that grows after it was finished is read on first.
    fs::write(at("in/b.log"), "b1\n").unwrap();
    follower.step().unwrap();
    follower.step().unwrap();
    assert!(at("in/b.log").exists(), "it is not finished");
    fs::write(at("in/b.log"), "b1\nb2\n").unwrap();
    follower.step().unwrap();
    follower.now += 301;
    follower.drain().unwrap();
    assert!(follower.lines.contains(&"b2".to_owned()) && !at("in/b.log").exists());
}

#[test]
fn a_kill_between_the_commit_and_the_removal_leaves_nothing_undone_and_reads_nothing_twice() {
    for follow in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("in")).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(at("in").join(name), format!("{name}\n")).unwrap();
        }
        // Committed by a job that keeps what it reads: as if it had been killed before it could do anything else.
        let mut before = follower(at("in"), follow, AfterReading::keep());
        before.drain().unwrap();
        // One was archived, and the checkpoint does not know.
        fs::create_dir(at("done")).unwrap();
        fs::rename(at("in/b"), at("done/b")).unwrap();
        let path = at("in");
        let archive = at("done");
        before.change(move || {
            let files = TextFiles::new(&path).after_reading(AfterReading::archive(&archive));
            if follow { files.follow().finish_after(Duration::ZERO) } else { files }
        });
        before.restart().unwrap();
        before.confirm().unwrap();
        before.drain().unwrap();
        assert_eq!((before.lines.len(), files(&at("in"))), (3, vec![]), "followed: {follow}");
        assert_eq!(files(&at("done")), ["a", "b", "c"], "followed: {follow}");
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_archived_is_told_retried_and_fatal_only_if_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("in")).unwrap();
    fs::write(at("in/a.log"), "1\n").unwrap();
    // A file stands where the archive is to be.
    fs::write(at("done"), "").unwrap();
    let mut patient = follower(at("in"), true, AfterReading::archive(at("done")));
    patient.drain().unwrap();
    assert!(at("in/a.log").exists());
    fs::remove_file(at("done")).unwrap();
    patient.now += 61;
    patient.drain().unwrap();
    assert_eq!((files(&at("done")), patient.lines.len()), (vec!["a.log".to_owned()], 1));

    fs::write(at("in/b.log"), "1\n").unwrap();
    fs::write(at("full"), "").unwrap();
    let mut strict = follower(at("in"), true, AfterReading::archive(at("full")).or_fail());
    let error = strict.drain().unwrap_err();
    assert!(error.to_string().contains("cannot remove or archive"), "{error}");
}

#[test]
fn an_archive_that_is_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("in/sub")).unwrap();
    for (read, archive) in [("in", "in"), ("in/sub", "in"), ("in/sub/*.log", "in")] {
        let (read, archive) = (at(read), at(archive));
        let files = move || TextFiles::new(&read).follow().after_reading(AfterReading::archive(&archive));
        let error = Follower::new(files).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("within the archive"), "{error}");
    }
}
