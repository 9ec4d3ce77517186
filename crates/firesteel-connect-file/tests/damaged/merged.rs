//! Files that were merged into one that is damaged then.

use std::path::Path;

use firesteel_connect::{Counters, Sink, Source};
use firesteel_connect_file::{Compaction, FileSink, Files, OnUnreadable};
use firesteel_formats::{Avro, Format};
use tempfile::TempDir;

use super::damage::{Place, Row, SCHEMA, cut, follow, spoil, write};
use super::{Checkpoint, Follower, failure, job};

impl Place for TempDir {
    const COUNTER: &'static str = "unreadable files";

    fn new() -> Self {
        tempfile::tempdir().unwrap()
    }

    fn damage(&self, change: fn(&mut Vec<u8>)) {
        let out = self.path().join("out");
        Compaction::of(&out, 1 << 20).run().unwrap();
        let mut entries = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
        let path = entries.find(|path| path.to_str().unwrap().contains("to0000")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }

    fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters) {
        job(source, kept)
    }
}

fn check<S: Sink<Row>, F: Format<Item = Row>>(
    sink: impl Fn(&Path) -> S,
    source: impl Fn(&Path) -> Files<F>,
    change: fn(&mut Vec<u8>),
    begins: bool,
) {
    let sink = |folder: &TempDir| sink(&folder.path().join("out"));
    let source = |folder: &TempDir| source(&folder.path().join("out")).follow();
    follow(sink, source, change, begins);
    // By policy it is fatal.
    let folder = TempDir::new().unwrap();
    write(&sink(&folder), 1..=4);
    folder.damage(cut);
    let told = failure(&source(&folder).on_unreadable(OnUnreadable::Fail));
    assert!(!told.is_empty());
}

#[test]
fn lines_that_are_packed() {
    check(|out| FileSink::json::<Row>(out).gzip(), |out| Files::json::<Row>(out), cut, true);
}

#[test]
fn lines_that_end_in_the_middle() {
    check(|out| FileSink::json::<Row>(out), |out| Files::json::<Row>(out), cut, true);
}

#[test]
fn avro() {
    let format = || Avro::<Row>::new().written_as(SCHEMA);
    let source = |out: &Path| Files::new(out).in_format(Avro::<Row>::new());
    check(|out| FileSink::new(out).in_format(format()), source, spoil, true);
    check(|out| FileSink::new(out).in_format(format()), source, cut, true);
}

#[test]
fn parquet() {
    // All rows are in one page.
    let source = |out: &Path| Files::parquet::<Row>(out);
    check(|out| FileSink::parquet::<Row>(out), source, spoil, false);
    check(|out| FileSink::parquet::<Row>(out), source, cut, false);
}
