//! Each format, plain and packed, before and after.

use std::fmt::Debug;
use std::path::Path;

use firesteel_connect::{Epoch, Scope, Sink, SinkContext, WriteTask};
use firesteel_connect_file::{Compaction, FileSink, Files, WhyLeft};
use firesteel_formats::{Avro, Csv, Json};
use serde::{Deserialize, Serialize};

use super::common::published;
use super::{Follower, parts, write};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Row {
    epoch: u64,
    number: u64,
    text: String,
    maybe: Option<u32>,
}

const SCHEMA: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "epoch", "type": "long"}, {"name": "number", "type": "long"}, {"name": "text", "type": "string"},
    {"name": "maybe", "type": ["null", "int"]}]}"#;

/// As Avro has numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename = "Row")]
struct AvroRow {
    epoch: i64,
    number: i64,
    text: String,
    maybe: Option<i32>,
}

fn rows(epoch: u64) -> Vec<Row> {
    let texts = ["plain", "with, a comma", "a \"quote\"", "two\nlines", "üñí", "\"\n\"", " "];
    let row = |number: u64| Row {
        epoch,
        number,
        text: format!("{}{number}", texts[((epoch + number) % 7) as usize]),
        maybe: number.is_multiple_of(2).then_some(number as u32),
    };
    (0..1 + epoch % 5).map(row).collect()
}

fn avro_rows(epoch: u64) -> Vec<AvroRow> {
    let row = |row: Row| AvroRow {
        epoch: row.epoch as i64,
        number: row.number as i64,
        text: row.text,
        maybe: row.maybe.map(|maybe| maybe as i32),
    };
    rows(epoch).into_iter().map(row).collect()
}

/// Compares what readers find before and after, those that know nothing and those that know a part of it, at every batch size.
fn check<T, S, F>(sink: impl Fn(&Path) -> S, source: impl Fn(&Path) -> Files<F>, records: fn(u64) -> Vec<T>)
where
    T: Clone + Ord + Debug,
    S: Sink<T>,
    F: firesteel_formats::Format<Item = T>,
{
    let sorted = |mut records: Vec<T>| {
        records.sort();
        records
    };
    let due = |to: u64| sorted((1..=to).flat_map(records).collect());
    for (known, most) in [(0, 1), (5, 1), (5, 2), (7, u64::MAX), (12, 2), (12, u64::MAX)] {
        for follow in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("out");
            let read = |path: &Path| if follow { source(path).follow() } else { source(path) };
            write(&sink(&out), 1..=known.max(1), records);
            // It knows some files, and has read a part of some.
            let (kept, mut seen) = if known > 0 {
                let mut follower = Follower::start(read(&out), super::Checkpoint::default());
                follower.batch(most);
                follower.stop()
            } else {
                (super::Checkpoint::default(), vec![])
            };
            write(&sink(&out), known.max(1) + 1..=12, records);
            let report = Compaction::of(&out, 1 << 20).run().unwrap();
            assert_eq!((report.merged, report.into, parts(&out)), (12, 1, 1), "{report}");
            // A reader that knows nothing reads one file.
            assert_eq!(sorted(published(&out, |path| source(path))), due(12));
            let mut follower = Follower::start(read(&out), kept);
            follower.batch(1);
            follower.batch(2);
            let (kept, read_then) = follower.stop();
            seen.extend(read_then);
            // Merged once more, with what came meanwhile.
            write(&sink(&out), 13..=15, records);
            let report = Compaction::of(&out, 1 << 20).run().unwrap();
            assert_eq!((report.merged, parts(&out)), (4, 1), "{report}");
            let mut follower = Follower::start(read(&out), kept);
            follower.all();
            let (kept, rest) = follower.stop();
            seen.extend(rest);
            assert_eq!(sorted(seen), due(15), "{known} known, {most} of each read, follow {follow}");
            let mut follower = Follower::start(read(&out), kept);
            assert_eq!(follower.batch(u64::MAX), 0, "nothing is read again");
        }
    }
}

#[test]
fn lines_of_json() {
    check(|out| FileSink::json::<Row>(out), |out| Files::json::<Row>(out), rows);
    check(|out| FileSink::json::<Row>(out).gzip(), |out| Files::json::<Row>(out), rows);
}

#[test]
fn lines_of_text() {
    let text = |epoch| rows(epoch).into_iter().map(|row| format!("{} {}", row.epoch, row.number)).collect();
    check(|out| FileSink::new(out), |out| Files::new(out), text);
    check(|out| FileSink::new(out).gzip(), |out| Files::new(out), text);
}

#[test]
fn csv_has_its_header_once() {
    check(|out| FileSink::csv::<Row>(out), |out| Files::csv::<Row>(out), rows);
    check(|out| FileSink::csv::<Row>(out).gzip(), |out| Files::csv::<Row>(out), rows);
    let no_header = || Csv::<Row>::new().no_header().delimiter(b';');
    let columns = || Csv::<Row>::new().columns(["epoch", "number", "text", "maybe"]).delimiter(b';');
    check(|out| FileSink::new(out).in_format(no_header()), |out| Files::new(out).in_format(columns()), rows);
    let folder = tempfile::tempdir().unwrap();
    write(&FileSink::csv::<Row>(folder.path()), 1..=3, rows);
    Compaction::of(folder.path(), 1 << 20).run().unwrap();
    let text = std::fs::read_to_string(folder.path().join("part-0000000001to0000000003-00001.csv")).unwrap();
    assert_eq!(text.matches("epoch,number,text,maybe\n").count(), 1);
}

#[test]
fn avro_has_its_schema_once() {
    let source = |out: &Path| Files::new(out).in_format(Avro::<AvroRow>::new());
    let sink = |out: &Path| FileSink::new(out).in_format(Avro::<AvroRow>::new().written_as(SCHEMA));
    check(sink, source, avro_rows);
    check(|out| sink(out).gzip(), source, avro_rows);
}

#[test]
fn parquet_is_one_table() {
    check(|out| FileSink::parquet::<Row>(out), |out| Files::parquet::<Row>(out), rows);
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Other {
    epoch: u64,
    word: String,
}

fn others(epoch: u64) -> Vec<Other> {
    vec![Other { epoch, word: "w".repeat(epoch as usize) }]
}

#[test]
fn files_of_other_columns_are_not_merged_together_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&FileSink::csv::<Row>(at("csv")), 1..=3, rows);
    write(&FileSink::csv::<Other>(at("csv")), 4..=6, others);
    write(&FileSink::csv::<Row>(at("csv")), 7..=7, rows);
    write(&FileSink::parquet::<Row>(at("parquet")), 1..=3, rows);
    write(&FileSink::parquet::<Other>(at("parquet")), 4..=6, others);
    write(&FileSink::parquet::<Row>(at("parquet")), 7..=7, rows);
    for format in ["csv", "parquet"] {
        let report = Compaction::of(at(format), 1 << 20).run().unwrap();
        assert_eq!((report.merged, report.into), (6, 2), "{report}");
        let left = &report.left[0];
        assert_eq!((&left.why, left.files), (&WhyLeft::Columns, 1));
        assert_eq!(left.first, format!("part-0000000007-00000.{format}"));
    }
    // Of formats that nothing here merges, all files are left.
    let other = std::fs::read_dir(at("csv")).unwrap().count();
    write(&FileSink::new(at("own")).in_format(Own(Json::<Row>::new().write_lines())), 1..=3, rows);
    let report = Compaction::of(at("own"), 1 << 20).run().unwrap();
    assert_eq!((report.merged, &report.left[0].why, report.left[0].files), (0, &WhyLeft::Format, 3));
    assert!(other > 0);
    let sink = FileSink::new(at("own")).in_format(Own(Json::<Row>::new().write_lines())).compact_to(100);
    let error = Sink::<Row>::start(&sink, &SinkContext::default()).unwrap_err();
    assert!(error.to_string().contains("compact_to") && error.to_string().contains("nothing here merges"), "{error}");
}

#[test]
fn folders_of_any_values_and_parts_of_a_job_stay_apart() {
    let values = ["..", "a/b", "x=y", "", "two\nlines", "< 0 1", "marked", "DE", "ü b"];
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for part in ["a", "b"] {
        let sink = FileSink::new(&out).partitioned_by("at <x> y", move |n: &usize| values[n % values.len()].to_owned());
        let scope = Scope::of_part(part).unwrap();
        sink.start(&SinkContext::default().with_scope(scope)).unwrap();
        for epoch in 1..=3 {
            let written = sink.write(WriteTask::new(Epoch(epoch), 0), 0..values.len() * 2).unwrap();
            sink.commit(Epoch(epoch), &mut vec![written]).unwrap();
        }
        Sink::<usize>::stop(&sink).unwrap();
    }
    let mut follower = Follower::start(Files::new(&out).follow(), super::Checkpoint::default());
    follower.batch(1);
    let report = Compaction::of(&out, 1 << 20).run().unwrap();
    let both = 2 * values.len() as u64;
    assert_eq!((report.merged, report.into, report.left.len()), (3 * both, both, 0), "{report}");
    follower.all();
    let mut read: Vec<usize> = follower.stop().1.into_iter().map(|line| line.parse().unwrap()).collect();
    read.sort_unstable();
    let due: Vec<usize> = (0..values.len() * 2).flat_map(|n| [n; 6]).collect();
    assert_eq!(read, due);
    assert_eq!(published(&out, |path| Files::new(path)).len(), due.len());
    let outside: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(outside.len(), 1, "nothing is beside the folder");
}

/// A format of somebody else.
struct Own<F>(F);

impl<F: firesteel_formats::WriteFormat<Row>> firesteel_formats::WriteFormat<Row> for Own<F> {
    type Writing = F::Writing;

    fn extension(&self) -> &'static str {
        "own"
    }

    fn name(&self) -> &'static str {
        "own"
    }

    fn begin(&self) -> F::Writing {
        self.0.begin()
    }
}
