//! What happened to a log while nobody looked, where little of it had been read.

use std::fs;

use crate::common::{gzip, zstd};
use crate::follower::Follower;

/// The same beginning for all pieces of a log, longer than what identifies a file.
fn header() -> String {
    "# fields: a b c\n".repeat(500)
}

fn lines_of(mut follower: Follower) -> Vec<String> {
    follower.lines.retain(|line| !line.starts_with('#'));
    follower.lines.sort();
    follower.lines
}

#[test]
fn a_log_that_was_cut_and_starts_over_as_before_is_another_one_although_only_its_header_was_read() {
    for path in ["a.log", "", "a*"] {
        for is_stopped in [false, true] {
            for is_replaced in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let at = |name: &str| folder.path().join(name);
                fs::write(at("a.log"), format!("{}1\n2\n", header())).unwrap();
                let mut follower = Follower::of(&at(path)).unwrap();
                follower.most = Some(3);
                follower.step().unwrap();
                fs::copy(at("a.log"), at("a.log.1")).unwrap();
                let log = fs::File::options().write(true).open(at("a.log")).unwrap();
                log.set_len(0).unwrap();
                if is_replaced {
                    fs::copy(at("a.log"), at(".copy")).unwrap();
                    fs::rename(at(".copy"), at("a.log")).unwrap();
                }
                fs::write(at("a.log"), format!("{}3\n4\n5\n6\n", header())).unwrap();
                if is_stopped {
                    follower.restart().unwrap();
                }
                follower.most = None;
                follower.drain().unwrap();
                let lines = lines_of(follower);
                assert_eq!(
                    lines,
                    ["1", "2", "3", "4", "5", "6"],
                    "{path:?}, stopped: {is_stopped}, replaced: {is_replaced}"
                );
            }
        }
    }
}

#[test]
fn a_piece_that_came_and_was_put_aside_while_the_log_was_away_is_read() {
    for is_stopped in [false, true] {
        for with in ["", "gz", "zst"] {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::write(at("a.log"), "1\n2\n").unwrap();
            let mut follower = Follower::of(&at("a.log")).unwrap();
            follower.drain().unwrap();
            let packed = |text: &[u8]| match with {
                "gz" => gzip(text),
                "zst" => zstd(text),
                _ => text.to_owned(),
            };
            let end = if with.is_empty() { String::new() } else { format!(".{with}") };
            fs::write(at(&format!("a.log-20240101{end}")), packed(b"1\n2\n")).unwrap();
            fs::remove_file(at("a.log")).unwrap();
            follower.step().unwrap();
            // It is there for so short a time that nobody sees it under this name.
            fs::write(at("a.log"), "3\n4\n").unwrap();
            fs::rename(at("a.log"), at("a.log-20240102")).unwrap();
            if is_stopped {
                follower.restart().unwrap();
            }
            follower.drain().unwrap();
            assert_eq!(follower.lines, ["1", "2", "3", "4"], "stopped: {is_stopped}, {with}");
            fs::write(at("a.log"), "5\n").unwrap();
            follower.drain().unwrap();
            assert_eq!(lines_of(follower), ["1", "2", "3", "4", "5"], "stopped: {is_stopped}, {with}");
        }
    }
}

#[test]
fn what_was_found_to_end_where_it_had_been_read_may_be_removed_while_the_job_is_stopped() {
    for (with, pack) in [("gz", gzip as fn(&[u8]) -> Vec<u8>), ("zst", zstd)] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.log"), "1\n2\n").unwrap();
        let mut follower = Follower::of(folder.path()).unwrap();
        follower.drain().unwrap();
        // Half a line more has to be looked for, and is none.
        let packed = at(&format!("a.log.{with}"));
        fs::write(&packed, pack(b"1\n2\n3\n")).unwrap();
        fs::remove_file(at("a.log")).unwrap();
        follower.most = Some(1);
        follower.drain().unwrap();
        fs::remove_file(packed).unwrap();
        follower.restart().unwrap();
        follower.drain().unwrap();
        assert_eq!(lines_of(follower), ["1", "2", "3"], "{with}");
    }
}
