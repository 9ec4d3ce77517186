//! In which order files come, how many at once, and which are too old.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration as StdDuration, SystemTime};

use firesteel_connect_file::{FileOrder, TextFiles};
use firesteel_window::{Duration, hours, seconds};

use crate::common::{gzip, zstd};
use crate::follower::Follower;

/// The time of the first look, in seconds since 1970.
const NOW: u64 = 1_000;

/// Writes a file that was changed this many seconds before or after the first look.
fn write(path: &Path, text: &[u8], seconds: i64) {
    fs::write(path, text).unwrap();
    let at = SystemTime::UNIX_EPOCH + StdDuration::from_secs(NOW.saturating_add_signed(seconds));
    touch(path, at);
}

fn touch(path: &Path, at: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

fn follower(path: PathBuf, follow: bool, set: impl Fn(TextFiles) -> TextFiles + 'static) -> Follower {
    Follower::new(move || {
        let files = set(TextFiles::new(&path));
        if follow { files.follow() } else { files }
    })
    .unwrap()
}

#[test]
fn files_come_in_turn_and_all_of_them_come() {
    for (with, pack) in [("log", <[u8]>::to_vec as fn(&[u8]) -> Vec<u8>), ("gz", gzip), ("zst", zstd)] {
        for follow in [false, true] {
            for is_stopped in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                for file in 0..10 {
                    let path = folder.path().join(format!("{file}.{with}"));
                    // The higher the number, the older; two at a time are equal.
                    let text = format!("{file}a\n{file}b\n");
                    write(&path, &pack(text.as_bytes()), -(file / 2));
                }
                for pattern in ["", "*"] {
                    let set = |files: TextFiles| files.order(FileOrder::by_change()).max_files(3);
                    let mut follower = follower(folder.path().join(pattern), follow, set);
                    let mut turns = Vec::new();
                    while turns.len() < 20 && follower.lines.len() < 20 {
                        let before = follower.lines.len();
                        follower.step().unwrap();
                        turns.push(follower.lines.len() - before);
                        if is_stopped {
                            follower.restart().unwrap();
                        }
                    }
                    let case = format!("{with}, {follow}, {is_stopped}, {pattern}: {:?}", follower.lines);
                    assert!(turns.iter().all(|lines| *lines <= 6 && *lines > 0), "{turns:?} {case}");
                    let first: Vec<&str> = follower.lines[..6].iter().map(String::as_str).collect();
                    assert_eq!(first, ["8a", "8b", "9a", "9b", "6a", "6b"], "{case}");
                    follower.drain().unwrap();
                    follower.lines.sort();
                    follower.lines.dedup();
                    assert_eq!(follower.lines.len(), 20, "{case}");
                }
            }
        }
    }
}

#[cfg(feature = "pattern")]
#[test]
fn the_newest_come_first_and_what_comes_meanwhile_before_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for day in 1..=4 {
        fs::write(at(&format!("sales-{day}.12.2023.csv")), format!("{day}\n")).unwrap();
    }
    let order = FileOrder::by_time_in_name(r"(?<day>\d+)\.(?<month>\d+)\.(?<year>\d+)").newest_first();
    let set = move |files: TextFiles| files.order(order.clone()).max_files(1);
    let mut follower = follower(folder.path().to_owned(), true, set);
    follower.step().unwrap();
    fs::write(at("sales-1.1.2024.csv"), "new\n").unwrap();
    fs::write(at("unnamed.csv"), "unnamed\n").unwrap();
    follower.drain().unwrap();
    assert_eq!(follower.lines, ["4", "new", "3", "2", "1", "unnamed"]);
}

#[test]
fn a_file_is_judged_by_its_own_age_when_it_is_seen_first_and_never_again() {
    for is_stopped in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let hour = 3_600;
        write(&at("old.log"), b"old\n", -(hour as i64) + 900);
        write(&at("edge.log"), b"edge\n", 0);
        write(&at("future.log"), b"future\n", 1_000_000);
        write(&at("equal.log"), b"equal\n", 0);
        let mut follower = follower(folder.path().to_owned(), true, |files| files.max_age(seconds(500)));
        follower.drain().unwrap();
        follower.lines.sort();
        // Before 1970 there is nothing: the old one is as old as the epoch.
        assert_eq!(follower.lines, ["edge", "equal", "future"], "stopped: {is_stopped}");
        let restart = |follower: &mut Follower| {
            if is_stopped {
                follower.restart().unwrap();
            }
        };
        restart(&mut follower);
        // A touch of what was read repeats nothing, and time does not lose it: it grows on.
        touch(&at("edge.log"), SystemTime::UNIX_EPOCH + StdDuration::from_secs(NOW + 2_000));
        follower.now += 3_000;
        follower.drain().unwrap();
        fs::write(at("equal.log"), "equal\nmore\n").unwrap();
        restart(&mut follower);
        // A clock set back.
        follower.now -= 2_500;
        follower.drain().unwrap();
        assert_eq!(follower.lines.len(), 4, "stopped: {is_stopped} {:?}", follower.lines);
        // What was passed over comes when it is changed: as a whole.
        fs::write(at("old.log"), "old\nis new\n").unwrap();
        follower.drain().unwrap();
        follower.lines.sort();
        assert_eq!(follower.lines, ["edge", "equal", "future", "is new", "more", "old"], "stopped: {is_stopped}");
    }
}

#[test]
fn what_waits_does_not_become_too_old_and_what_is_made_of_it_waits_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for file in 0..5 {
        write(&at(&format!("{file}.log")), format!("{file}\n").as_bytes(), -10);
    }
    let set = |files: TextFiles| files.max_files(1).max_age(hours(1)).order(FileOrder::by_change().newest_first());
    let mut follower = follower(folder.path().to_owned(), true, set);
    follower.most = Some(0);
    follower.step().unwrap();
    // A program compresses one that waits: both are there for a while, the compressed one being newer.
    write(&at("4.log.gz"), &gzip(b"4\n"), 100);
    follower.now += 7_200;
    follower.step().unwrap();
    follower.most = None;
    follower.step().unwrap();
    touch(&at("4.log.gz"), SystemTime::UNIX_EPOCH + StdDuration::from_secs(NOW - 10));
    fs::remove_file(at("4.log")).unwrap();
    follower.now -= 7_200;
    follower.drain().unwrap();
    follower.lines.sort();
    assert_eq!(follower.lines, ["0", "1", "2", "3", "4"]);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let refused = |set: fn(TextFiles) -> TextFiles| {
        let path = path.clone();
        Follower::new(move || set(TextFiles::new(&path).follow())).map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused(|files| files.max_files(0)).contains("nothing would ever be read"));
    #[cfg(feature = "pattern")]
    assert!(refused(|files| files.order(FileOrder::by_time_in_name("("))).contains("order"));
    let set = |files: TextFiles| files.max_age(Duration::ZERO);
    follower(path, true, set).drain().unwrap();
}
