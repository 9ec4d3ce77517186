//! Avro container files, as another program has written them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::path::{Path, PathBuf};

use common::{from, gzip, read, split};
use firesteel_connect::{Class, Epoch, Sink, SinkContext, Source, SourceContext, WriteTask, conformance};
use firesteel_connect_file::{FileSink, Files};
use firesteel_formats::{Avro, epoch_time};
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Buy,
    Give,
}

/// With its own name and order of fields, and without one of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct AdClick {
    #[serde(with = "epoch_time::micros")]
    at: Timestamp,
    ad: u32,
    #[serde(rename = "user")]
    who: String,
    ratio: f64,
    note: Option<String>,
    kind: Kind,
    #[serde(default)]
    price: u8,
}

fn clicks() -> Vec<AdClick> {
    let click = |at: u32| AdClick {
        at: Timestamp::from_secs(1_735_689_600 + i64::from(at)),
        ad: at,
        who: format!("user {}", at % 7),
        ratio: f64::from(at) / 8.0,
        note: (at.is_multiple_of(3)).then(|| format!("ünï {at}")),
        kind: if at.is_multiple_of(2) { Kind::Buy } else { Kind::Give },
        price: 0,
    };
    (0..300).map(click).collect()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[test]
fn files_of_another_writer() {
    for name in ["clicks.null.avro", "clicks.deflate.avro"] {
        conformance::source(|| Files::new(data(name)).in_format(Avro::<AdClick>::new()), &[clicks()]);
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.avro.gz"), gzip(&std::fs::read(data("clicks.deflate.avro")).unwrap()))
        .unwrap();
    let make = || Files::new(folder.path()).in_format(Avro::<AdClick>::new());
    conformance::source(make, &[clicks()]);
    conformance::source(|| make().follow(), &[clicks()]);
}

#[test]
fn a_file_that_is_cut_off_is_an_error_after_its_whole_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avro");
    let whole = std::fs::read(data("clicks.null.avro")).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let files = Files::new(&path).in_format(Avro::<AdClick>::new());
    files.start(&SourceContext::default()).unwrap();
    let mut reader = files.open(&from(&split(&path), 0)).unwrap();
    let mut records = vec![];
    let error = firesteel_connect::SourceReader::for_each(&mut reader, |record| records.push(record)).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.to_string().contains("was it complete when it was put here?"), "{error}");
    assert!(records.len() > 50 && records == clicks()[..records.len()]);
}

#[test]
fn a_file_without_a_field_that_is_needed_is_told() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct More {
        user: String,
        price: u8,
    }
    let path = data("clicks.null.avro");
    let files = Files::new(&path).in_format(Avro::<More>::new());
    files.start(&SourceContext::default()).unwrap();
    let error = read(&files, &from(&split(&path), 0)).unwrap_err().to_string();
    assert!(error.contains("clicks.null.avro has no field \"price\" (it has user, ad, ratio"), "{error}");
}

const SCHEMA: &str = r#"{"type": "record", "name": "Click", "namespace": "com.example", "fields": [
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "ad", "type": "long"},
    {"name": "user", "type": "string"},
    {"name": "ratio", "type": "double"},
    {"name": "note", "type": ["null", "string"]},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["Buy", "Give"]}},
    {"name": "price", "type": "int"}
]}"#;

#[test]
fn results_are_published_once_and_read_again() {
    let parent = tempfile::tempdir().unwrap();
    let places = std::cell::Cell::new(0);
    let make = || {
        places.set(places.get() + 1);
        let folder = parent.path().join(places.get().to_string());
        FileSink::new(folder).in_format(Avro::<AdClick>::new().written_as(SCHEMA))
    };
    let visible = |sink: &FileSink<_>| {
        if !sink.folder().exists() {
            return vec![];
        }
        let files = Files::new(sink.folder()).in_format(Avro::<AdClick>::new());
        files.start(&SourceContext::default()).unwrap();
        let splits = common::discover(&files).unwrap().splits;
        splits.into_iter().flat_map(|split| read(&files, &from(&split.id, 0)).unwrap().0).collect()
    };
    conformance::sink(make, visible, |n| AdClick { ad: n, ..clicks()[n as usize % 300].clone() });
}

#[test]
fn what_does_not_fit_the_schema_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let write = |schema: &str| {
        let sink = FileSink::new(folder.path()).in_format(Avro::<AdClick>::new().written_as(schema));
        sink.start(&SinkContext::default()).unwrap();
        sink.write(WriteTask::new(Epoch(1), 0), clicks().into_iter()).unwrap_err().to_string()
    };
    let text = write(&SCHEMA.replace("\"double\"", "\"string\""));
    assert!(text.contains("writing a record of epoch 1 as Avro: Avro: ") && text.contains("f64"), "{text}");
    assert!(write("{").contains("writing a record of epoch 1 as Avro"));
}
