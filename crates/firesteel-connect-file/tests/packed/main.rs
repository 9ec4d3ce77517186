//! Files that were packed by bzip2, xz and lz4, and text in other encodings: followed and not, while a job runs and is stopped.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../life/follower.rs"]
#[allow(dead_code, reason = "these tests use some of it")]
mod follower;

use std::fs;
use std::io::Write;
use std::path::Path;

use firesteel_connect_file::{TextEncoding, TextFiles};

use common::{append, gzip};
use follower::Follower;

fn bzip2(text: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn xz(text: &[u8]) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn lz4(text: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKERS: [(&str, Pack); 3] = [("bz2", bzip2), ("xz", xz), ("lz4", lz4)];

fn numbers(range: std::ops::RangeInclusive<u32>) -> String {
    range.map(|number| format!("{number}\n")).collect()
}

#[test]
fn packed_files_are_read_once_also_where_they_take_the_place_of_plain_ones() {
    for (with, pack) in PACKERS {
        for pattern in ["a.log", "", "a*"] {
            for is_stopped in [false, true] {
                for most in [None, Some(3)] {
                    let folder = tempfile::tempdir().unwrap();
                    let at = |name: &str| folder.path().join(name);
                    fs::write(at("a.log"), numbers(1..=8)).unwrap();
                    let mut follower = Follower::of(&at(pattern)).unwrap();
                    follower.most = most;
                    follower.step().unwrap();
                    // Rotated, and compressed at once.
                    append(&at("a.log"), &numbers(9..=12));
                    let modified = fs::metadata(at("a.log")).unwrap().modified().unwrap();
                    let packed = at(&format!("a.log.1.{with}"));
                    fs::write(&packed, pack(&fs::read(at("a.log")).unwrap())).unwrap();
                    fs::File::options().write(true).open(&packed).unwrap().set_modified(modified).unwrap();
                    fs::remove_file(at("a.log")).unwrap();
                    fs::write(at("a.log"), numbers(13..=20)).unwrap();
                    if is_stopped {
                        follower.restart().unwrap();
                    }
                    follower.drain().unwrap();
                    follower.restart().unwrap();
                    follower.drain().unwrap();
                    follower.lines.sort_by_key(|line| line.parse::<u32>().unwrap());
                    let expected: Vec<String> = (1..=20).map(|line| line.to_string()).collect();
                    assert_eq!(follower.lines, expected, "{with}, {pattern}, stopped: {is_stopped}, {most:?}");
                }
            }
        }
    }
}

#[test]
fn a_packed_file_that_is_still_being_written_comes_whole_when_it_is_whole() {
    for (with, pack) in PACKERS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("a.{with}"));
        let text = numbers(1..=20_000);
        let whole = pack(text.as_bytes());
        let mut follower = Follower::of(folder.path()).unwrap();
        for share in 1..=7 {
            fs::write(&path, &whole[..whole.len() * share / 7]).unwrap();
            follower.step().unwrap();
        }
        follower.drain().unwrap();
        assert!(follower.lines.iter().map(String::as_str).eq(text.lines()), "{with}: {} lines", follower.lines.len());
        // A second stream.
        fs::write(&path, [&whole[..], &pack(b"more\n")].concat()).unwrap();
        follower.drain().unwrap();
        assert_eq!(follower.lines.len(), 20_001, "{with}");
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn add(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_log_in_utf16_grows_is_rotated_and_packed_and_each_line_is_read_once() {
    for is_stopped in [false, true] {
        for most in [None, Some(1)] {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            add(&at("a.log"), &utf16("\u{feff}Gr\u{fc}n 1\r\n\u{20ac} 2\r\nhal"));
            let path = folder.path().to_owned();
            let files = move || TextFiles::new(&path).follow().encoding(TextEncoding::Utf16);
            let mut follower = Follower::new(files).unwrap();
            follower.most = most;
            let restart = |follower: &mut Follower| {
                if is_stopped {
                    follower.restart().unwrap();
                }
            };
            follower.drain().unwrap();
            assert_eq!(follower.lines, ["Gr\u{fc}n 1", "\u{20ac} 2"], "stopped: {is_stopped}, {most:?}");
            restart(&mut follower);
            // Half a character, too.
            add(&at("a.log"), &[&utf16("f 3\n\u{1f980}")[..], b"4"].concat());
            follower.drain().unwrap();
            assert_eq!(follower.lines[2..], ["half 3"], "stopped: {is_stopped}, {most:?}");
            restart(&mut follower);
            add(&at("a.log"), &[&b"\0"[..], &utf16("\n")].concat());
            follower.drain().unwrap();
            assert_eq!(follower.lines[3..], ["\u{1f980}4"], "stopped: {is_stopped}, {most:?}");
            // The last line counts when the file is silent for long.
            add(&at("a.log"), &utf16("last"));
            follower.drain().unwrap();
            follower.now += 301;
            follower.drain().unwrap();
            assert_eq!(follower.lines[4..], ["last"], "stopped: {is_stopped}, {most:?}");
            restart(&mut follower);
            fs::write(at("b.gz"), gzip(&utf16("packed\n"))).unwrap();
            follower.drain().unwrap();
            assert_eq!(follower.lines[5..], ["packed"], "stopped: {is_stopped}, {most:?}");
        }
    }
}

#[test]
fn text_of_one_byte_a_character_is_decoded_when_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.log"), b"gr\xfcn \x80\n").unwrap();
    for (encoding, expected) in
        [(TextEncoding::Latin1, "gr\u{fc}n \u{80}"), (TextEncoding::Windows1252, "gr\u{fc}n \u{20ac}")]
    {
        for follow in [false, true] {
            let path = folder.path().to_owned();
            let files = move || {
                let files = TextFiles::new(&path).encoding(encoding);
                if follow { files.follow() } else { files }
            };
            let mut follower = Follower::new(files).unwrap();
            follower.drain().unwrap();
            assert_eq!(follower.lines, [expected]);
        }
    }
}
