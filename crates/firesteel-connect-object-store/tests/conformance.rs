//! The suites of the contract.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::cell::Cell;
use std::sync::Arc;

use common::{all, bucket, gzip, put};
use firesteel_connect::{Decoding, conformance};
use firesteel_connect_object_store::object_store::local::LocalFileSystem;
use firesteel_connect_object_store::{Bucket, ObjectSink, Objects};
use firesteel_formats::{Json, WriteLines};

const TEXT: &str = "1\n22\n333\n\n4444\n55555\n6\n77";

fn decode(line: &[u8]) -> Result<String, String> {
    String::from_utf8(line.to_vec()).map_err(|error| error.to_string())
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// One plain object, one that is compressed, one that is large enough to be read in parallel.
fn filled() -> (Bucket, Vec<Vec<String>>) {
    let bucket = bucket();
    put(&bucket, "logs/a.txt", TEXT);
    put(&bucket, "logs/b.gz", gzip(TEXT.as_bytes()));
    put(&bucket, "logs/empty", "");
    put(&bucket, "logs/_hidden", TEXT);
    (bucket, vec![lines(TEXT), lines(TEXT)])
}

#[test]
fn lines_of_objects() {
    let (bucket, expected) = filled();
    let make = || Objects::lines(&bucket, "logs", Decoding::new(decode));
    conformance::source(make, &expected);
    conformance::source_resumes(make, &expected);
    let make = || Objects::lines(&bucket, "logs/*", Decoding::new(decode)).follow();
    conformance::source(make, &expected);
    conformance::source_resumes(make, &expected);
}

#[test]
fn a_large_object_whose_records_are_lines_is_read_in_parallel() {
    let bucket = bucket();
    let text: String = (0..1_700_000).map(|n| format!("{n} is a number\n")).collect();
    assert!(text.len() > 16 << 20);
    put(&bucket, "large", text.as_bytes());
    let source = Objects::lines(&bucket, "large", Decoding::new(decode));
    firesteel_connect::Source::start(&source, &Default::default()).unwrap();
    let split = common::discover(&source, 0).unwrap().splits.remove(0);
    assert!(split.divisible && split.available == Some(text.len() as u64) && split.finished);
    let mut found = vec![];
    for from in (0..text.len() as u64).step_by(5_000_000) {
        let to = (from + 5_000_000).min(text.len() as u64);
        let range = firesteel_connect::ReadRange::exact(split.id.clone(), from, to);
        let mut reader = firesteel_connect::Source::open(&source, &range).unwrap();
        firesteel_connect::SourceReader::for_each(&mut reader, |line| found.push(line)).unwrap();
    }
    assert!(found == lines(&text), "{} lines", found.len());
}

type Numbers = ObjectSink<WriteLines<Json<u32>>>;

fn run(store: impl Fn() -> Bucket, open: impl Fn(&Bucket, &str) -> Numbers) {
    let (bucket, places) = (store(), Cell::new(0));
    let place = || {
        places.set(places.get() + 1);
        format!("out/{}", places.get())
    };
    let visible = |prefix: &str| match bucket.list(prefix).unwrap().objects.len() {
        0 => vec![],
        _ => all(&Objects::json::<u32>(&bucket, prefix).follow()),
    };
    // Which place a sink is over is known by its description.
    let of = |sink: &Numbers| {
        let text = firesteel_connect::Sink::<u32>::describe(sink);
        text[text.rfind("out/").unwrap()..].to_owned()
    };
    let make = || open(&bucket, &place());
    let reopen = |old: Numbers| open(&bucket, &of(&old));
    conformance::sink(make, |sink| visible(&of(sink)), |n| n);
    conformance::sink_restarts(make, reopen, |sink| visible(&of(sink)), |n| n);
    conformance::sinks_of_one_place(place, |place| open(&bucket, place), |place| visible(place), |n| n);
}

#[test]
fn results_in_memory() {
    run(bucket, ObjectSink::json::<u32>);
    run(bucket, |bucket, prefix| ObjectSink::json::<u32>(bucket, prefix).gzip());
}

#[test]
fn results_that_are_merged() {
    run(bucket, |bucket, prefix| ObjectSink::json::<u32>(bucket, prefix).compact_to(8));
    run(bucket, |bucket, prefix| ObjectSink::json::<u32>(bucket, prefix).compact_to(1 << 20));
}

#[test]
fn results_in_a_folder() {
    for wanted in [None, Some(8)] {
        let folder = tempfile::tempdir().unwrap();
        let store = || Bucket::new(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap())).unwrap();
        run(store, |bucket, prefix| {
            let sink = ObjectSink::json::<u32>(bucket, prefix);
            if let Some(wanted) = wanted { sink.compact_to(wanted) } else { sink }
        });
    }
}

#[test]
fn results_in_small_objects() {
    run(bucket, |bucket, prefix| ObjectSink::json::<u32>(bucket, prefix).full_at(1));
}

#[cfg(feature = "avro")]
#[test]
fn avro_objects_are_written_and_read() {
    use firesteel_connect::{Epoch, Sink, SinkContext, WriteTask};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Reading {
        sensor: String,
        value: Option<f64>,
    }
    let reading = |n: u64| Reading {
        sensor: format!("sensor {}", n % 7),
        value: (!n.is_multiple_of(3)).then_some(n as f64 / 7.0),
    };
    let make = |count: u64| {
        let bucket = common::bucket();
        let sink = ObjectSink::avro::<Reading>(&bucket, "out");
        sink.start(&SinkContext::default()).unwrap();
        let mut pending = vec![sink.write(WriteTask::new(Epoch(1), 0), (0..count).map(reading)).unwrap()];
        sink.commit(Epoch(1), &mut pending).unwrap();
        Objects::avro::<Reading>(&bucket, "out")
    };
    assert_eq!(all(&make(20_000)), (0..20_000).map(reading).collect::<Vec<_>>());
    conformance::source(|| make(50), &[(0..50).map(reading).collect()]);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_objects_are_written_and_read_from_any_row_on() {
    use firesteel_connect::{Epoch, ReadRange, Sink, SinkContext, Source, SourceReader, WriteTask};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Reading {
        sensor: String,
        value: Option<f64>,
    }
    let reading = |n: u64| Reading {
        sensor: format!("sensor {}", n % 7),
        value: (!n.is_multiple_of(3)).then_some(n as f64 / 7.0),
    };
    let write = |bucket: &Bucket, readings: &[Reading]| {
        let sink = ObjectSink::parquet::<Reading>(bucket, "out");
        sink.start(&SinkContext::default()).unwrap();
        let mut pending = vec![sink.write(WriteTask::new(Epoch(1), 0), readings.iter().cloned()).unwrap()];
        sink.commit(Epoch(1), &mut pending).unwrap();
    };
    let (bucket, readings) = (bucket(), (0..20_000).map(reading).collect::<Vec<_>>());
    write(&bucket, &readings);
    assert_eq!(all(&Objects::parquet::<Reading>(&bucket, "out")), readings);

    let source = Objects::parquet::<Reading>(&bucket, "out");
    source.start(&Default::default()).unwrap();
    let split = common::discover(&source, 0).unwrap().splits.remove(0);
    let (mut found, mut from, mut kept) = (vec![], 0, None);
    loop {
        let range = ReadRange::starting_at(split.id.clone(), from).max_records(777);
        let mut reader = match kept.take() {
            Some(kept) => source.reopen(kept, &range).unwrap(),
            None => source.open(&range).unwrap(),
        };
        reader.for_each(|reading| found.push(reading)).unwrap();
        from = reader.position();
        if reader.at_end() {
            break;
        }
        kept = (found.len() % 2 == 0 && reader.is_reusable()).then_some(reader);
    }
    assert!(found == readings, "{} of them", found.len());

    let make = || {
        let bucket = common::bucket();
        write(&bucket, &readings[..50]);
        Objects::parquet::<Reading>(&bucket, "out")
    };
    conformance::source(make, &[readings[..50].to_vec()]);
}
