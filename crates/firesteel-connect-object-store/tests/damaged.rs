//! Objects of which a part is damaged: it is told and counted, and everything else is read, unless that is to end the job.

#![cfg(all(feature = "avro", feature = "parquet"))]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;
#[path = "../../firesteel-connect-file/tests/common/damaged.rs"]
mod damage;

use common::{Checkpoint, Follower, bucket, discover, followers, put, read};
use damage::{Place, Row, SCHEMA, count, cut, follow, numbers, spoil, table, write};
use firesteel_connect::{Counters, ReadRange, Sink, Source, SourceContext, SplitId};
use firesteel_connect_object_store::object_store::ObjectStoreExt;
use firesteel_connect_object_store::{AfterReading, Bucket, Compaction, ObjectSink, Objects, OnUnreadable};
use firesteel_formats::{Avro, Format};

fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters) {
    let counters = Counters::default();
    (Follower::counting(source, kept, &counters).every(60).attempts(4), counters)
}

fn failure(source: &impl Source) -> String {
    if let Err(error) = source.start(&SourceContext::default()) {
        return error.to_string();
    }
    let splits = discover(source, 0).unwrap().splits;
    let failed = splits.iter().find_map(|split| read(source, &split.id, 0).err());
    failed.map(|error| error.to_string()).unwrap_or_default()
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

impl Place for Bucket {
    const COUNTER: &'static str = "damaged objects";

    fn new() -> Self {
        bucket()
    }

    fn damage(&self, change: fn(&mut Vec<u8>)) {
        Compaction::of(self, "out", 1 << 20).run().unwrap();
        let keys = self.list("out").unwrap().objects.into_iter().map(|object| object.location.to_string());
        let key = keys.into_iter().find(|key| key.contains("part-") && key.contains("to0000")).unwrap();
        let path = key.as_str().into();
        let read = self.call(|store| async move { store.get(&path).await?.bytes().await });
        let mut bytes = read.unwrap().to_vec();
        change(&mut bytes);
        put(self, &key, bytes);
    }

    fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters) {
        job(source, kept)
    }
}

fn check<S: Sink<Row>, F: Format<Item = Row>>(
    sink: impl Fn(&Bucket) -> S,
    source: impl Fn(&Bucket) -> Objects<F>,
    change: fn(&mut Vec<u8>),
    begins: bool,
) {
    let source = |bucket: &Bucket| source(bucket).follow();
    follow(&sink, source, change, begins);
    let bucket = bucket();
    write(&sink(&bucket), 1..=4);
    bucket.damage(cut);
    assert!(!failure(&source(&bucket).on_unreadable(OnUnreadable::Fail)).is_empty());
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

#[test]
fn a_stretch_that_cannot_be_read_while_what_comes_after_it_is_costs_itself_and_is_told_once() {
    let bucket = bucket();
    put(&bucket, "in/a.ndjson", "1\n".repeat(70));
    let follow = || Objects::json::<u64>(&bucket, "in").follow().after_reading(AfterReading::delete());
    let (mut reader, counters) = job(follow(), Checkpoint::default());
    reader.due();
    let split = SplitId::new("in/a.ndjson");
    let stretch = ReadRange::exact(split.clone(), 20, 80);
    for _ in 0..2 {
        // Tasks are repeated.
        assert!(reader.source.pass_over(&stretch).unwrap());
    }
    reader.take(&ReadRange::exact(split.clone(), 0, 20));
    reader.take(&ReadRange::starting_at(split, 80));
    reader.commit();
    (0..3).for_each(|_| _ = reader.batch(u64::MAX));
    assert_eq!((reader.read.len(), count(&counters, "damaged objects")), (10 + 30, 1));
    let (kept, _) = reader.stop();
    let (mut reader, _) = job(follow(), kept);
    (0..3).for_each(|_| _ = reader.batch(u64::MAX));
    assert!(reader.read.is_empty() && !bucket.list("in").unwrap().objects.is_empty());
    let strict = Objects::json::<u64>(&bucket, "in");
    strict.start(&SourceContext::default()).unwrap();
    discover(&strict, 0).unwrap();
    assert!(!strict.pass_over(&stretch).unwrap());
}
