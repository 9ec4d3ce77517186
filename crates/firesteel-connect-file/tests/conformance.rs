//! The suites for sources and sinks, run on every kind of file.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use common::{gzip, zstd};
use firesteel_connect::{Encode, ReadRange, Source, SourceContext, SourceReader, conformance};
use firesteel_connect_file::{TextFileSink, TextFiles};
use firesteel_window::Timestamp;

/// Lines of all lengths, with both kinds of ends and without one at the end.
const TEXT: &str = "first\n\nthird, ünïcödé ✓\r\n  spaces  \r\nlone\rreturn\n\n\nno end";
const LINES: [&str; 8] = ["first", "", "third, ünïcödé ✓", "  spaces  ", "lone\rreturn", "", "", "no end"];

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Runs the suite on files of these contents.
fn check(files: &[(&str, &[u8])], expected: &[Vec<String>]) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    conformance::source(|| TextFiles::new(folder.path()), expected);
    conformance::source_resumes(|| TextFiles::new(folder.path()), expected);
}

#[test]
fn plain_files() {
    check(&[("a.txt", TEXT.as_bytes())], &[lines(&LINES)]);
    let one = "x".repeat(20_000);
    let long = format!("a\n{one}\nb\n");
    let files: [(&str, &[u8]); 5] =
        [("5", b""), ("4", b"\n"), ("3", b"x"), ("2", long.as_bytes()), ("1", TEXT.as_bytes())];
    check(&files, &[lines(&LINES), lines(&["a", &one, "b"]), lines(&["x"]), lines(&[""]), vec![]]);
}

#[test]
fn gzip_files() {
    let members = [gzip(b"fir"), gzip(b""), gzip(&TEXT.as_bytes()[3..])].concat();
    let misnamed = gzip(b"a\nb\n");
    let files: [(&str, &[u8]); 4] =
        [("a.gz", &gzip(TEXT.as_bytes())), ("b.gz", &members), ("c.txt", &misnamed), ("d.gz", &gzip(b""))];
    check(&files, &[lines(&LINES), lines(&LINES), lines(&["a", "b"]), vec![]]);
}

#[test]
fn zstd_files() {
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let frames = [skippable.clone(), zstd(b"fir"), skippable, zstd(&TEXT.as_bytes()[3..])].concat();
    check(&[("a.zst", &zstd(TEXT.as_bytes())), ("b", &frames)], &[lines(&LINES), lines(&LINES)]);
    let by_the_tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/numbers.txt.zst");
    let numbers: Vec<String> = (1..=3_000).map(|n| n.to_string()).collect();
    conformance::source(|| TextFiles::new(&by_the_tool), &[numbers]);
}

#[test]
fn followed_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), TEXT).unwrap();
    std::fs::write(folder.path().join("b.gz"), gzip(TEXT.as_bytes())).unwrap();
    std::fs::write(folder.path().join("c.txt"), "no line yet").unwrap();
    // The last line of the plain files has no newline: it may still grow.
    let expected = [lines(&LINES[..7]), lines(&LINES), vec![]];
    conformance::source(|| TextFiles::new(folder.path()).follow(), &expected);
    conformance::source_resumes(|| TextFiles::new(folder.path()).follow(), &expected);
}

#[test]
fn records_made_of_borrowed_lines() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), TEXT).unwrap();
    let lengths: Vec<usize> = LINES.iter().map(|line| line.chars().count()).collect();
    conformance::source(|| TextFiles::new(folder.path()).decode(|line| line.chars().count()), &[lengths]);
    let bytes: Vec<usize> = LINES.iter().map(|line| line.len()).collect();
    conformance::source(|| TextFiles::new(folder.path()).decode_bytes(|line| line.len()), &[bytes]);
}

/// What the committed files of the folder hold. A sink that has not started has no folder.
fn committed(folder: &Path) -> Vec<u32> {
    if !folder.exists() {
        return vec![];
    }
    let files = TextFiles::new(folder).decode(|line| line.parse().unwrap());
    files.start(&SourceContext::default()).unwrap();
    let mut records = vec![];
    for split in files.discover(Timestamp::from_secs(0)).unwrap().splits {
        let range = ReadRange::starting_at(split.id, 0);
        files.open(&range).unwrap().for_each(|record| records.push(record)).unwrap();
    }
    records
}

#[test]
fn results_in_plain_and_in_gzip_files() {
    fn run<F: Encode<u32>>(open: impl Fn(PathBuf) -> TextFileSink<F>) {
        let parent = tempfile::tempdir().unwrap();
        let places = Cell::new(0);
        let make = || {
            places.set(places.get() + 1);
            open(parent.path().join(places.get().to_string()))
        };
        let reopen = |old: TextFileSink<F>| {
            let folder = old.folder().to_owned();
            drop(old);
            open(folder)
        };
        let visible = |sink: &TextFileSink<F>| committed(sink.folder());
        conformance::sink(make, visible, |n| n);
        conformance::sink_restarts(make, reopen, visible, |n| n);
    }
    run(TextFileSink::new);
    run(|folder| TextFileSink::new(folder).gzip().format(|n: &u32, line| line.push_str(&n.to_string())));
}

#[test]
fn parts_of_a_job_write_into_one_folder_and_a_second_process_for_one_part_does_not() {
    let parent = tempfile::tempdir().unwrap();
    let places = Cell::new(0);
    let place = || {
        places.set(places.get() + 1);
        parent.path().join(places.get().to_string())
    };
    conformance::sinks_of_one_place(
        place,
        |folder| TextFileSink::new(folder),
        |folder: &PathBuf| committed(folder),
        |n| n,
    );
}
