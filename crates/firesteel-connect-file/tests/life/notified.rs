//! What the system tells of changes: it spares looks, and nothing else.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::common::gzip;
use crate::follower::Follower;

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// What is read in one step more.
fn next(follower: &mut Follower) -> Vec<String> {
    follower.lines.clear();
    while follower.step().unwrap() {}
    std::mem::take(&mut follower.lines)
}

#[test]
fn a_change_is_seen_when_the_engine_asks_next_wherever_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for sub in ["logs", "logs/sub", "elsewhere"] {
        fs::create_dir(at(sub)).unwrap();
    }
    append(&at("logs/a.log"), "a1\n");
    append(&at("logs/sub/b.log"), "b1\n");
    append(&at("elsewhere/c.log"), "c1\n");
    append(&at("elsewhere/d.log"), "d1\n");
    std::os::unix::fs::symlink(at("elsewhere/c.log"), at("logs/c.log")).unwrap();
    fs::hard_link(at("elsewhere/d.log"), at("logs/d.log")).unwrap();
    for pattern in ["logs/**/*.log", "logs"] {
        let mut follower = Follower::told(&at(pattern), true).unwrap();
        follower.drain().unwrap();
        let is_deep = pattern.contains("**");
        assert_eq!(next(&mut follower), [""; 0]);
        append(&at("logs/a.log"), "a2\n");
        assert_eq!(next(&mut follower), ["a2"]);
        append(&at("logs/sub/b.log"), "b2\n");
        assert_eq!(next(&mut follower), ["b2"; 1][..usize::from(is_deep)]);
        append(&at("elsewhere/c.log"), "c2\n");
        assert_eq!(next(&mut follower), ["c2"], "through a link");
        append(&at("elsewhere/d.log"), "d2\n");
        assert_eq!(next(&mut follower), ["d2"], "under another name");
        append(&at("logs/new.log"), "n1\n");
        assert_eq!(next(&mut follower), ["n1"]);
        append(&at("logs/new.log"), "n2\n");
        assert_eq!(next(&mut follower), ["n2"]);
        fs::write(at("logs/.hidden"), "h\n").unwrap();
        fs::rename(at("logs/.hidden"), at("logs/shown.log")).unwrap();
        assert_eq!(next(&mut follower), ["h"]);
        fs::create_dir_all(at("logs/later/deep")).unwrap();
        next(&mut follower);
        append(&at("logs/later/deep/e.log"), "e1\n");
        assert_eq!(next(&mut follower), ["e1"; 1][..usize::from(is_deep)], "in a folder that is new");
        // A folder takes the place of another one.
        fs::rename(at("logs"), at("old")).unwrap();
        fs::create_dir(at("logs")).unwrap();
        append(&at("logs/f.log"), "f1\n");
        assert_eq!(next(&mut follower), ["f1"]);
        append(&at("logs/f.log"), "f2\n");
        assert_eq!(next(&mut follower), ["f2"]);
        fs::remove_dir_all(at("logs")).unwrap();
        fs::rename(at("old"), at("logs")).unwrap();
        fs::remove_dir_all(at("logs/later")).unwrap();
        fs::remove_file(at("logs/new.log")).unwrap();
        fs::remove_file(at("logs/shown.log")).unwrap();
    }
}

#[test]
fn a_log_in_a_folder_that_is_not_there_yet_is_found_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("var/log/a.log");
    let mut follower = Follower::told(&log, true).unwrap();
    follower.drain().unwrap();
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    append(&log, "1\n");
    assert_eq!(next(&mut follower), ["1"]);
    append(&log, "2\n");
    assert_eq!(next(&mut follower), ["2"]);
}

#[test]
fn what_time_brings_about_comes_without_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.log"), "1\n2").unwrap();
    let whole = gzip("x\n".repeat(10_000).as_bytes());
    fs::write(at("b.gz"), &whole[..whole.len() / 2]).unwrap();
    let mut follower = Follower::told(folder.path(), true).unwrap();
    follower.drain().unwrap();
    follower.lines.retain(|line| line != "x");
    assert_eq!(follower.lines, ["1"]);
    assert!(follower.splits().iter().all(|(_, _, finished)| !finished));
    follower.now += 200;
    follower.drain().unwrap();
    assert_eq!(follower.lines, ["1"]);
    follower.now += 100;
    follower.drain().unwrap();
    assert_eq!(follower.lines, ["1", "2"]);
    assert!(follower.splits().iter().all(|(_, _, finished)| *finished), "{:?}", follower.splits());
    // What is gone before it was read ends the job, some seconds later.
    append(&at("a.log"), "\n3\n");
    follower.most = Some(0);
    follower.step().unwrap();
    fs::remove_file(at("a.log")).unwrap();
    follower.step().unwrap();
    follower.now += 10;
    let error = follower.step().unwrap_err();
    assert!(error.to_string().contains("the file is gone"), "{error}");
}

#[test]
fn of_many_files_those_are_told_that_have_changed() {
    for is_stopped in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let at = |file: usize| folder.path().join(format!("{}.log", (b'a' + file as u8) as char));
        (0..24).for_each(|file| append(&at(file), &format!("{file}\n")));
        let mut follower = Follower::told(folder.path(), true).unwrap();
        follower.drain().unwrap();
        assert_eq!(follower.lines.len(), 24);
        if is_stopped {
            follower.restart().unwrap();
            follower.drain().unwrap();
        }
        let before = follower.changes;
        for round in 0..50 {
            append(&at(round % 24), &format!("more {round}\n"));
            assert_eq!(next(&mut follower), [format!("more {round}")], "stopped: {is_stopped}");
        }
        assert!(follower.changes - before >= 50, "{} of 50", follower.changes - before);
        // All of them are finished in time, and one that grows again is not.
        append(&at(7), "half");
        follower.now += 301;
        follower.drain().unwrap();
        follower.now += 301;
        follower.drain().unwrap();
        assert_eq!(follower.lines, ["half"], "stopped: {is_stopped}");
        assert!(follower.splits().iter().all(|(_, _, finished)| *finished), "{:?}", follower.splits());
        append(&at(9), "again\n");
        assert_eq!(next(&mut follower), ["again"]);
        let unfinished = |split: &(String, _, bool)| !split.2;
        assert_eq!(follower.splits().iter().filter(|split| unfinished(split)).count(), 1);
    }
}
