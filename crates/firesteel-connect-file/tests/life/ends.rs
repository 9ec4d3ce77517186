//! When files are finished, and what cannot be read.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration as StdDuration, SystemTime};

use firesteel_connect_file::{OnUnreadable, TextFiles};

use crate::common::gzip;
use crate::follower::Follower;

/// Writes a file that was changed at this many seconds after a time.
fn write(path: &Path, text: &str, seconds: u64, began: SystemTime) {
    fs::write(path, text).unwrap();
    let at = began + StdDuration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

#[test]
fn a_piece_ends_when_the_next_one_is_there_and_writers_side_by_side_do_not_end_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let past = SystemTime::UNIX_EPOCH + StdDuration::from_secs(1_000_000_000);
    // Changed before the next one was made.
    write(&at("10.log"), "a\n", 0, past);
    write(&at("11.log"), "b\nhalf", 3_600, past);
    write(&at("other.log"), "c\n", 0, past);
    let mut follower = Follower::of(folder.path()).unwrap();
    follower.drain().unwrap();
    let finished = |follower: &Follower| {
        let splits = follower.splits().into_iter();
        let name = |split: String| Path::new(&split).file_name().unwrap().to_str().unwrap().to_owned();
        splits.filter(|(.., finished)| *finished).map(|(split, ..)| name(split)).collect::<Vec<_>>()
    };
    assert_eq!(finished(&follower), ["10.log"]);
    write(&at("12.log"), "d\n", 7_200, past);
    follower.drain().unwrap();
    assert_eq!(finished(&follower), ["10.log", "11.log"]);
    assert_eq!(follower.lines, ["a", "b", "c", "half", "d"]);

    // Changed after the other one was made, as of writers side by side.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let future = SystemTime::UNIX_EPOCH + StdDuration::from_secs(9_000_000_000);
    write(&at("server-1.log"), "a\n", 1, future);
    write(&at("server-2.log"), "b\n", 2, future);
    let mut follower = Follower::of(folder.path()).unwrap();
    follower.drain().unwrap();
    assert_eq!(finished(&follower), [""; 0]);
}

#[test]
fn one_bad_file_does_not_keep_the_others_from_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    let mut damaged = gzip(text.as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0x55);
    fs::write(at("a.gz"), &damaged).unwrap();
    fs::write(at("b.gz"), [&gzip(b"b\n")[..], b"\r\n"].concat()).unwrap();
    fs::write(at("c.log"), "c\n").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(at("nowhere"), at("d.log")).unwrap();
    let mut follower = Follower::of(folder.path()).unwrap();
    follower.drain().unwrap();
    assert!(follower.lines.contains(&"b".to_owned()) && follower.lines.contains(&"c".to_owned()));
    let before = follower.lines.len();
    // Mended, it is read on from where reading it had ended.
    let good = follower.lines.iter().filter(|line| line.parse::<u32>().is_ok()).count();
    fs::write(at("a.gz"), gzip(text.as_bytes())).unwrap();
    follower.drain().unwrap();
    if follower.lines.len() > before {
        assert!(follower.lines.len() >= before - good + 50_000);
    }
    // By policy it is fatal.
    fs::write(at("a.gz"), &damaged).unwrap();
    let path = folder.path().to_owned();
    let strict = move || TextFiles::new(&path).follow().on_unreadable(OnUnreadable::Fail);
    let error = Follower::new(strict).and_then(|mut follower| follower.drain()).unwrap_err();
    assert!(error.to_string().contains("cannot decompress"), "{error}");
}

#[test]
fn what_nothing_here_unpacks_is_not_read_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let xz = (!cfg!(feature = "xz")).then_some((
        "a.xz",
        &b"\xfd7zXZ\0\0\n\n"[..],
        "build the program with the feature `xz`",
    ));
    let cases = [("a.zip", &b"PK\x03\x04\n\n"[..], "unpack it, or use gzip or zstd")].into_iter().chain(xz);
    fs::write(at("b.log"), "b\n").unwrap();
    for (name, bytes, advice) in cases {
        fs::write(at(name), bytes).unwrap();
        let mut follower = Follower::of(folder.path()).unwrap();
        follower.drain().unwrap();
        assert_eq!(follower.lines, ["b"]);
        let path = at(name);
        let error = Follower::new(move || TextFiles::new(&path)).map(|_| ()).unwrap_err().to_string();
        let packer = &name[2..];
        assert!(error.contains(&format!("it is packed by {packer}, which is not unpacked here: {advice}")), "{error}");
        fs::remove_file(at(name)).unwrap();
    }
}

#[test]
fn a_finished_file_is_not_opened_again_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.gz"), gzip(b"1\n2\n")).unwrap();
    fs::write(at("b.log"), "3\n").unwrap();
    let mut follower = Follower::of(folder.path()).unwrap();
    follower.drain().unwrap();
    follower.restart().unwrap();
    // Where each file ends is known without reading it.
    follower.step().unwrap();
    let ends: Vec<_> = follower.splits().into_iter().map(|(_, available, _)| available).collect();
    assert_eq!(ends, [Some(4), Some(2)]);
    assert_eq!(follower.lines, ["1", "2", "3"]);
}

#[test]
fn a_compressed_file_is_no_copy_of_one_with_the_same_header() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let header = "#,fields\n".repeat(2_000);
    fs::write(at("data.csv"), format!("{header}today-1\ntoday-2\n")).unwrap();
    let mut follower = Follower::of(folder.path()).unwrap();
    follower.drain().unwrap();
    fs::write(at("data.csv.gz"), gzip(format!("{header}yesterday\n").as_bytes())).unwrap();
    follower.drain().unwrap();
    follower.lines.retain(|line| !line.starts_with('#'));
    assert_eq!(follower.lines, ["today-1", "today-2", "yesterday"]);
    // The same text beside the file is not read a second time.
    fs::write(at("same.log"), "1\n2\n").unwrap();
    follower.drain().unwrap();
    fs::write(at("same.log.gz"), gzip(b"1\n2\n")).unwrap();
    follower.drain().unwrap();
    assert_eq!(follower.lines[3..], ["1", "2"]);
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_costs_its_own_file_only() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff.log")), "a\n").unwrap();
    fs::write(folder.path().join("b.log"), "b\n").unwrap();
    let mut follower = Follower::of(folder.path()).unwrap();
    follower.drain().unwrap();
    assert_eq!(follower.lines, ["b"]);
}

#[test]
fn utf16_is_refused_unless_it_is_asked_for_and_costs_its_own_file_only() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.log"), b"\xff\xfea\0\n\0").unwrap();
    fs::write(at("b.log"), "b\n").unwrap();
    let mut follower = Follower::of(folder.path()).unwrap();
    follower.drain().unwrap();
    assert_eq!(follower.lines, ["b"]);
    let path = at("a.log");
    let error = Follower::new(move || TextFiles::new(&path)).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("a mark of UTF-16: set TextFiles::encoding"), "{error}");
}

#[test]
fn what_is_in_a_file_counts_and_not_what_its_name_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("plain.gz"), "plain\n").unwrap();
    fs::write(at("zstd.gz"), crate::common::zstd(b"zstd\n")).unwrap();
    fs::write(at("gzip.log"), gzip(b"gzip\n")).unwrap();
    for follow in [false, true] {
        let path = folder.path().to_owned();
        let files = move || if follow { TextFiles::new(&path).follow() } else { TextFiles::new(&path) };
        let mut follower = Follower::new(files).unwrap();
        follower.drain().unwrap();
        assert_eq!(follower.lines, ["gzip", "plain", "zstd"]);
    }
}
