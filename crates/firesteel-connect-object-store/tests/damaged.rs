//! Objects of which a part is damaged: it is told and counted, and everything else is read, unless that is to end the job.

#![cfg(all(feature = "avro", feature = "parquet"))]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use common::followers::{Chance, Follower};
use common::{Checkpoint, bucket, discover, put, read};
use firesteel_connect::{
    CheckpointId, Counters, Epoch, ReadRange, Sink, SinkContext, Source, SourceContext, SplitId, WriteTask,
};
use firesteel_connect_object_store::object_store::ObjectStoreExt;
use firesteel_connect_object_store::{AfterReading, Bucket, Compaction, ObjectSink, Objects, OnUnreadable};
use firesteel_formats::{Avro, Format, Parquet, WriteFormat, Writing};

const ROWS: i64 = 500;
const SCHEMA: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "number", "type": "long"}, {"name": "text", "type": "string"}]}"#;

/// A record that does not compress, so that damage hits some.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename = "Row")]
struct Row {
    number: i64,
    text: String,
}

fn row(number: i64) -> Row {
    let mut chance = Chance(number as u64 + 1);
    let text = (0..20).map(|_| char::from(b'a' + chance.below(26) as u8)).collect();
    Row { number, text }
}

fn numbers(mut rows: Vec<Row>) -> Vec<i64> {
    rows.sort_by_key(|row| row.number);
    rows.into_iter().inspect(|read| assert_eq!(*read, row(read.number))).map(|row| row.number).collect()
}

fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters) {
    let counters = Counters::default();
    (Follower::counting(source, kept, &counters).every(60).attempts(4), counters)
}

fn count(counters: &Counters, name: &str) -> u64 {
    counters.values().into_iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| value)
}

fn failure(source: &impl Source) -> String {
    if let Err(error) = source.start(&SourceContext::default()) {
        return error.to_string();
    }
    let splits = discover(source, 0).unwrap().splits;
    let failed = splits.iter().find_map(|split| read(source, &split.id, 0).err());
    failed.map(|error| error.to_string()).unwrap_or_default()
}

/// Rows in row groups of some 300, of which the middle is damaged or not.
fn table(from: i64, to: i64, is_damaged: bool) -> Vec<u8> {
    let (format, mut file) = (Parquet::<Row>::new().row_group_bytes(10_000), vec![]);
    let mut writing = WriteFormat::<Row>::begin(&format);
    (from..to).for_each(|number| writing.write(&row(number), &mut file).unwrap());
    Writing::<Row>::end(&mut writing, &mut file).unwrap();
    if is_damaged {
        let middle = file.len() / 2;
        file[middle..middle + 200].fill(0xff);
    }
    file
}

#[test]
fn the_rows_of_a_damaged_page_are_passed_over_and_all_others_are_read_however_they_are_read() {
    let bucket = bucket();
    put(&bucket, "in/a.parquet", table(0, 5_000, true));
    put(&bucket, "in/b.parquet", table(5_000, 6_000, false));
    let source = || Objects::parquet::<Row>(&bucket, "in").follow();
    let (mut all, counters) = job(source(), Checkpoint::default());
    all.all();
    all.batch(1);
    let expected = numbers(std::mem::take(&mut all.read));
    let lost = 6_000 - expected.len() as u64;
    assert!((1..1_000).contains(&lost) && expected.contains(&0) && expected.contains(&4_999), "{lost} rows");
    assert_eq!((count(&counters, "damaged objects"), count(&counters, "rows passed over")), (1, lost));
    let (kept, _) = all.stop();
    let (mut again, counters) = job(source(), kept);
    assert_eq!((again.batch(u64::MAX), count(&counters, "rows passed over")), (0, 0));
    for most in [97, 1_000, 4_999] {
        let (mut found, mut kept, mut told) = (vec![], Checkpoint::default(), 0);
        loop {
            let (mut some, counters) = job(source(), kept);
            for range in some.due() {
                some.take(&range.clone().max_records(most));
                let exact = ReadRange::exact(range.split.clone(), range.from, some.kept.positions[&range.split]);
                let (mut reader, mut repeated) = (some.source.open(&exact).unwrap(), vec![]);
                firesteel_connect::SourceReader::for_each(&mut reader, |row| repeated.push(row)).unwrap();
                assert_eq!(some.read[some.read.len() - repeated.len()..], repeated);
            }
            some.commit();
            let (now, mut rows) = some.stop();
            (kept, told) = (now, told + count(&counters, "rows passed over"));
            if rows.is_empty() {
                break;
            }
            found.append(&mut rows);
        }
        assert_eq!((numbers(found), told), (expected.clone(), lost), "{most} rows of each at a time");
    }
    // Once, or by policy, it ends the job.
    for strict in [Objects::parquet::<Row>(&bucket, "in"), source().on_unreadable(OnUnreadable::Fail)] {
        let told = failure(&strict);
        assert!(told.contains("in/a.parquet") && told.contains("are damaged") && told.contains("restore it"), "{told}");
    }
    assert_eq!(failure(&Objects::parquet::<Row>(&bucket, "in").on_unreadable(OnUnreadable::Skip)), "");
}

#[test]
fn a_damaged_object_is_not_deleted_also_not_after_a_restart() {
    for key in ["in/a.parquet", "in/a.gz"] {
        let bucket = bucket();
        let bytes = if key.ends_with("gz") { common::gzip(b"1\n2\n") } else { table(0, 5_000, true) };
        let bytes = if key.ends_with("gz") { bytes[..bytes.len() - 5].to_vec() } else { bytes };
        put(&bucket, key, bytes);
        let is_there = || !bucket.list("in").unwrap().objects.is_empty();
        fn twice<F: Format>(source: impl Fn() -> Objects<F>) {
            let (mut reader, _) = job(source(), Checkpoint::default());
            reader.all();
            (0..3).for_each(|_| _ = reader.batch(1));
            let (mut reader, _) = job(source(), reader.stop().0);
            (0..3).for_each(|_| _ = reader.batch(1));
        }
        if key.ends_with("gz") {
            twice(|| Objects::json::<u64>(&bucket, "in").follow().after_reading(AfterReading::delete()));
        } else {
            twice(|| Objects::parquet::<Row>(&bucket, "in").follow().after_reading(AfterReading::delete()));
        }
        assert!(is_there(), "{key}");
    }
}

/// Writes epochs of one object each.
fn write(sink: &impl Sink<Row>, epochs: std::ops::RangeInclusive<u64>) {
    sink.start(&SinkContext::default().with_checkpoint(CheckpointId::from_bits(3))).unwrap();
    for epoch in epochs {
        let rows = epoch as i64 * ROWS..(epoch as i64 + 1) * ROWS;
        let pending = sink.write(WriteTask::new(Epoch(epoch), 0), rows.map(row)).unwrap();
        sink.commit(Epoch(epoch), &mut vec![pending]).unwrap();
    }
    sink.stop().unwrap();
}

/// Damages the merged object.
fn damage(bucket: &Bucket, change: fn(&mut Vec<u8>)) {
    let keys = bucket.list("out").unwrap().objects.into_iter().map(|object| object.location.to_string());
    let key = keys.into_iter().find(|key| key.contains("part-") && key.contains("to0000")).unwrap();
    let path = key.as_str().into();
    let read = bucket.call(|store| async move { store.get(&path).await?.bytes().await });
    let mut bytes = read.unwrap().to_vec();
    change(&mut bytes);
    put(bucket, &key, bytes);
}

fn cut(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() / 2);
}

#[allow(clippy::ptr_arg, reason = "as the other one, which cuts")]
fn spoil(bytes: &mut Vec<u8>) {
    let middle = bytes.len() / 2;
    bytes[middle..middle + 200].fill(0xff);
}

fn check<S: Sink<Row>, F: Format<Item = Row>>(
    sink: impl Fn(&Bucket) -> S,
    source: impl Fn(&Bucket) -> Objects<F>,
    change: fn(&mut Vec<u8>),
    begins: bool,
) {
    for (known, most) in [(0, 1), (1, 100), (4, 1), (4, 100), (3, u64::MAX)] {
        let bucket = bucket();
        write(&sink(&bucket), 1..=known.max(1));
        let (kept, mut found) = if known > 0 {
            let (mut reader, _) = job(source(&bucket).follow(), Checkpoint::default());
            reader.batch(most);
            reader.stop()
        } else {
            (Checkpoint::default(), vec![])
        };
        write(&sink(&bucket), known.max(1) + 1..=4);
        Compaction::of(&bucket, "out", 1 << 20).run().unwrap();
        damage(&bucket, change);
        write(&sink(&bucket), 5..=6);
        let history = format!("{known} known, {most} read of each");
        let (mut reader, counters) = job(source(&bucket).follow(), kept.clone());
        reader.all();
        reader.batch(1);
        let (kept_then, more) = reader.stop();
        let first = more.clone();
        found.extend(more);
        let numbers = numbers(found);
        let has_all =
            |epoch: i64| (epoch * ROWS..(epoch + 1) * ROWS).all(|number| numbers.binary_search(&number).is_ok());
        assert!(numbers.is_sorted_by(|one, other| one < other), "{history}: none is read twice");
        assert!((has_all(1) || !begins || known == 0) && has_all(5) && has_all(6), "{history}: {} rows", numbers.len());
        assert!(numbers.len() < 6 * ROWS as usize, "{history}: some are damaged");
        assert!(count(&counters, "damaged objects") > 0, "{history}: it is told");
        let (mut again, _) = job(source(&bucket).follow(), kept);
        again.all();
        assert_eq!(again.stop().1, first, "{history}: the same verdict");
        let (mut later, _) = job(source(&bucket).follow(), kept_then);
        later.all();
        assert_eq!(later.stop().1, [], "{history}: nothing is read twice");
    }
    let bucket = bucket();
    write(&sink(&bucket), 1..=4);
    Compaction::of(&bucket, "out", 1 << 20).run().unwrap();
    damage(&bucket, cut);
    assert!(!failure(&source(&bucket).follow().on_unreadable(OnUnreadable::Fail)).is_empty());
}

#[test]
fn merged_lines_that_are_packed() {
    let source = |bucket: &Bucket| Objects::json::<Row>(bucket, "out");
    check(|bucket| ObjectSink::json::<Row>(bucket, "out").gzip(), source, cut, true);
}

#[test]
fn merged_lines_that_end_in_the_middle() {
    check(|bucket| ObjectSink::json::<Row>(bucket, "out"), |bucket| Objects::json::<Row>(bucket, "out"), cut, true);
}

#[test]
fn merged_avro() {
    let sink = |bucket: &Bucket| ObjectSink::in_format(bucket, "out", Avro::<Row>::new().written_as(SCHEMA));
    let source = |bucket: &Bucket| Objects::in_format(bucket, "out", Avro::<Row>::new());
    check(sink, source, spoil, true);
    check(sink, source, cut, true);
}

#[test]
fn merged_parquet() {
    // All rows are in one page.
    let source = |bucket: &Bucket| Objects::parquet::<Row>(bucket, "out");
    check(|bucket| ObjectSink::parquet::<Row>(bucket, "out"), source, spoil, false);
    check(|bucket| ObjectSink::parquet::<Row>(bucket, "out"), source, cut, false);
}

#[test]
fn a_split_that_ends_is_told_once() {
    let bucket = bucket();
    put(&bucket, "in/a.parquet", table(0, 1_000, true));
    let source = Objects::parquet::<Row>(&bucket, "in").follow();
    source.start(&SourceContext::default()).unwrap();
    let split = SplitId::new("in/a.parquet");
    let once = read(&source, &split, 0).unwrap();
    assert_eq!((once.1, read(&source, &split, 0).unwrap()), (1_000, once));
}
