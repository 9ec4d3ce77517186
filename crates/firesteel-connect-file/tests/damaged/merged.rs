//! Files that were merged into one that is damaged then.

use std::path::{Path, PathBuf};

use firesteel_connect::{CheckpointId, Epoch, Sink, SinkContext, WriteTask};
use firesteel_connect_file::{Compaction, FileSink, Files, OnUnreadable};
use firesteel_formats::{Avro, Format};

use super::{Checkpoint, Row, count, failure, job, row};

const SCHEMA: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "number", "type": "long"}, {"name": "text", "type": "string"}]}"#;
const ROWS: i64 = 500;

/// Writes epochs of one file each.
fn write(sink: &impl Sink<Row>, epochs: std::ops::RangeInclusive<u64>) {
    sink.start(&SinkContext::default().with_checkpoint(CheckpointId::from_bits(3))).unwrap();
    for epoch in epochs {
        let rows = epoch as i64 * ROWS..(epoch as i64 + 1) * ROWS;
        let pending = sink.write(WriteTask::new(Epoch(epoch), 0), rows.map(row)).unwrap();
        sink.commit(Epoch(epoch), &mut vec![pending]).unwrap();
    }
    sink.stop().unwrap();
}

fn merged(out: &Path) -> PathBuf {
    let entries = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.to_str().unwrap().contains("to0000")).unwrap()
}

/// Damages a file from the middle on.
fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 200].fill(0xff);
    std::fs::write(path, bytes).unwrap();
}

fn check<S: Sink<Row>, F: Format<Item = Row>>(
    sink: impl Fn(&Path) -> S,
    source: impl Fn(&Path) -> Files<F>,
    damage: fn(&Path),
    begins: bool,
) {
    for (known, most) in [(0, 1), (1, 100), (4, 1), (4, 100), (3, u64::MAX)] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        write(&sink(&out), 1..=known.max(1));
        let (kept, mut read) = if known > 0 {
            let (mut reader, _) = job(source(&out).follow(), Checkpoint::default());
            reader.batch(most);
            reader.stop()
        } else {
            (Checkpoint::default(), vec![])
        };
        write(&sink(&out), known.max(1) + 1..=4);
        Compaction::of(&out, 1 << 20).run().unwrap();
        damage(&merged(&out));
        // What comes later is another file.
        write(&sink(&out), 5..=6);
        let history = format!("{known} known, {most} read of each");
        let (mut reader, counters) = job(source(&out).follow(), kept.clone());
        reader.all();
        reader.batch(1);
        let (kept_then, more) = reader.stop();
        let found = more.clone();
        read.extend(more);
        let mut numbers: Vec<i64> = read.iter().map(|row| row.number).collect();
        assert!(read.iter().all(|read| *read == row(read.number)), "{history}");
        numbers.sort_unstable();
        let has_all =
            |epoch: i64| (epoch * ROWS..(epoch + 1) * ROWS).all(|number| numbers.binary_search(&number).is_ok());
        assert!(numbers.is_sorted_by(|one, other| one < other), "{history}: none is read twice");
        assert!((has_all(1) || !begins || known == 0) && has_all(5) && has_all(6), "{history}: {} rows", numbers.len());
        assert!(numbers.len() < 6 * ROWS as usize, "{history}: some are damaged");
        assert!(count(&counters, "unreadable files") > 0, "{history}: it is told");
        // The same verdict, whoever reads it once more.
        let (mut again, _) = job(source(&out).follow(), kept);
        again.all();
        assert_eq!(again.stop().1, found, "{history}");
        let (mut later, _) = job(source(&out).follow(), kept_then);
        later.all();
        assert_eq!(later.stop().1, [], "{history}: nothing is read twice");
    }
    // By policy it is fatal.
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    write(&sink(&out), 1..=4);
    Compaction::of(&out, 1 << 20).run().unwrap();
    cut(&merged(&out));
    let told = failure(&source(&out).follow().on_unreadable(OnUnreadable::Fail));
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
