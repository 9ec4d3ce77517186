//! Avro container files, as another program has written them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::path::{Path, PathBuf};

use common::{from, gzip, read, split};
use firesteel_connect::{
    Class, Epoch, Resumed, Sink, SinkContext, Source, SourceContext, SourceReader, SplitId, WriteTask, conformance,
};
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
    let at_start = files.start(&SourceContext::default()).unwrap_err();
    for error in [at_start, read(&files, &from(&split(&path), 0)).unwrap_err()] {
        let error = error.to_string();
        assert!(error.contains("clicks.null.avro has no field \"price\" (it has user, ad, ratio"), "{error}");
    }
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
    let visible = |sink: &FileSink<_>| common::published(sink.folder(), |folder| Files::avro::<AdClick>(folder));
    conformance::sink(make, visible, |n| AdClick { ad: n, ..clicks()[n as usize % 300].clone() });
    let make = || {
        places.set(places.get() + 1);
        FileSink::avro(parent.path().join(places.get().to_string()))
    };
    let visible = |sink: &FileSink<_>| common::published(sink.folder(), |folder| Files::avro::<AdClick>(folder));
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

/// Reads all that there is, and returns how many records there were, and where a job stands then.
fn read_all<S: Source>(source: &S, stands: &[Resumed], at: i64) -> (usize, Vec<Resumed>) {
    let now = Timestamp::from_secs(at);
    let context = SourceContext::new("job", "clicks").with_clock(move || now).resumed_at(stands.iter().cloned());
    source.start(&context).unwrap();
    let (mut count, mut moved) = (0, Vec::new());
    for split in source.discover(now).unwrap().splits {
        let known = stands.iter().find(|known| known.split == split.id).map_or(0, |known| known.position);
        if split.available != Some(known) {
            let mut reader = source.open(&from(&split.id, known)).unwrap();
            reader.for_each(|_| count += 1).unwrap();
            moved.push((split.id.clone(), reader.position()));
        }
    }
    source.committed(&moved).unwrap();
    let notes = source.notes(&moved).unwrap();
    let noted = |split: &SplitId| notes.iter().find(|(of, _)| of == split).map(|(_, note)| note.clone());
    let after = moved.iter().map(|(split, position)| Resumed::at(split.clone(), *position).noted(noted(split)));
    let moved_splits: Vec<_> = moved.iter().map(|(split, _)| split).collect();
    let still = stands.iter().filter(|known| !moved_splits.contains(&&known.split)).cloned();
    (count, still.chain(after).collect())
}

#[test]
fn a_file_that_was_read_is_not_read_again_at_a_start_nor_when_it_is_compressed_in_place() {
    for name in ["clicks.null.avro", "clicks.deflate.avro"] {
        let folder = tempfile::tempdir().unwrap();
        let (plain, zipped) = (folder.path().join("a.avro"), folder.path().join("a.avro.gz"));
        std::fs::copy(data(name), &plain).unwrap();
        let files = || Files::new(folder.path()).in_format(Avro::<AdClick>::new()).follow();
        let (count, stands) = read_all(&files(), &[], 1_000);
        assert_eq!(count, 300);
        let (count, stands) = read_all(&files(), &stands, 2_000);
        assert_eq!((count, stands.len()), (0, 1), "{name}: started again");
        let modified = std::fs::metadata(&plain).unwrap().modified().unwrap();
        std::fs::write(&zipped, gzip(&std::fs::read(&plain).unwrap())).unwrap();
        std::fs::File::options().write(true).open(&zipped).unwrap().set_modified(modified).unwrap();
        std::fs::remove_file(&plain).unwrap();
        let (count, stands) = read_all(&files(), &stands, 3_000);
        assert_eq!((count, stands.len()), (0, 1), "{name}: compressed in place");
        assert_eq!(read_all(&files(), &stands, 4_000).0, 0, "{name}: and started again");
    }
}

#[test]
fn a_file_that_was_read_in_part_is_read_on_after_a_restart() {
    let written = tempfile::tempdir().unwrap();
    let path = written.path().join("a.avro");
    std::fs::copy(data("clicks.deflate.avro"), &path).unwrap();
    for follow in [false, true] {
        let files = || {
            let files = Files::avro::<AdClick>(&path);
            if follow { files.follow() } else { files }
        };
        let (mut stands, mut found, mut told) = (Vec::<Resumed>::new(), vec![], vec![]);
        for start in 0..40 {
            let now = Timestamp::from_secs(1_000 + start);
            let context =
                SourceContext::new("job", "clicks").with_clock(move || now).resumed_at(stands.iter().cloned());
            let files = files();
            files.start(&context).unwrap();
            let split = files.discover(now).unwrap().splits.remove(0);
            let known = stands.first().map_or(0, |known| known.position);
            told.extend(split.available);
            let range = firesteel_connect::ReadRange::starting_at(split.id.clone(), known).max_records(30);
            let mut reader = files.open(&range).unwrap();
            reader.for_each(|record| found.push(record)).unwrap();
            let moved = vec![(split.id.clone(), reader.position())];
            files.committed(&moved).unwrap();
            let note = files.notes(&moved).unwrap().into_iter().next().map(|(_, note)| note);
            let note = note.or_else(|| stands.first().and_then(|known| known.note.clone()));
            stands = vec![Resumed::at(split.id, reader.position()).noted(note)];
        }
        assert!(found == clicks(), "{} records", found.len());
        let end = stands[0].position;
        assert!(told.len() < 40 && told.iter().all(|told| *told == end), "the end is told when it is known: {told:?}");
    }
}
