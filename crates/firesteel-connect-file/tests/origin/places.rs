//! Where a record stands: right or not said, whatever the file is packed by and however it is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use firesteel_connect::{ConnectError, ReadRange, Result, Resumed, Source, SourceContext, SourceReader, SplitId};
use firesteel_connect_file::Files;
use firesteel_formats::{Avro, Format, Json, Lines, Origin, Parquet, Sourced, WriteFormat, Writing, column};
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

use crate::common::{append, discover, from, gzip, read, zstd};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    number: i64,
    text: String,
}

fn row(number: i64) -> Row {
    Row { number, text: "x".repeat((number % 7) as usize) }
}

/// Starts it and tells its only split.
fn started<S: Source>(source: S) -> (S, SplitId) {
    source.start(&SourceContext::default()).unwrap();
    let mut splits = discover(&source).unwrap().splits;
    assert_eq!(splits.len(), 1);
    let split = splits.remove(0).id;
    (source, split)
}

/// What is known of each record's place.
fn places<T>(records: &[Sourced<T>]) -> Vec<(Option<u64>, Option<u64>, Option<u64>)> {
    records.iter().map(|it| (it.origin.byte(), it.origin.line(), it.origin.row())).collect()
}

/// The byte and the line at which each of these pieces stands in the text.
fn stands(text: &str, pieces: &[&str]) -> Vec<(Option<u64>, Option<u64>, Option<u64>)> {
    let mut begin = 0;
    let place = |piece: &&str| {
        let at = begin + text[begin..].find(piece).unwrap();
        begin = at + piece.len();
        (Some(at as u64), Some(text[..at].matches('\n').count() as u64 + 1), None)
    };
    pieces.iter().map(place).collect()
}

/// The file as it is, and packed.
fn packings(folder: &Path, name: &str, text: &str) -> Vec<std::path::PathBuf> {
    let packed = [("", text.as_bytes().to_vec()), (".gz", gzip(text.as_bytes())), (".zst", zstd(text.as_bytes()))];
    let write = |(ending, bytes): (&str, Vec<u8>)| {
        let path = folder.join(format!("{name}{ending}"));
        std::fs::write(&path, bytes).unwrap();
        path
    };
    packed.into_iter().map(write).collect()
}

/// Reads a file from its beginning, record by record through readers that are handed on, and from every position by new ones.
fn check<F: Format>(make: impl Fn() -> Files<F>, due: &[(Option<u64>, Option<u64>, Option<u64>)], packed: bool)
where
    F::Item: Clone + PartialEq + std::fmt::Debug,
{
    let (files, split) = started(make().with_origin());
    let (all, end) = read(&files, &from(&split, 0)).unwrap();
    assert_eq!(places(&all), due);
    assert!(all.iter().all(|record| record.origin.split() == split.as_str()));
    // One by one, where each reader is made of the one before.
    let (mut at, mut handed_on) = (0, None);
    for record in &all {
        let range = from(&split, at).max_records(1);
        let mut reader = match handed_on.take() {
            Some(reader) => files.reopen(reader, &range).unwrap(),
            None => files.open(&range).unwrap(),
        };
        let found = reader.next_record().unwrap().unwrap();
        assert!(reader.next_record().unwrap().is_none());
        let mut fresh = files.open(&range).unwrap();
        assert_eq!(fresh.next_record().unwrap().as_ref(), Some(&found), "whoever reads it");
        assert_eq!(found.record, record.record);
        assert_eq!((found.origin.position(), found.origin.row()), (record.origin.position(), record.origin.row()));
        let is_known = packed || at == 0;
        assert_eq!(found.origin.line(), record.origin.line().filter(|_| is_known), "at {at}");
        at = reader.position();
        handed_on = reader.is_reusable().then_some(reader);
    }
    assert!(at <= end);
}

#[test]
fn every_record_of_text_has_its_byte_and_its_line_plain_and_packed() {
    let place = tempfile::tempdir().unwrap();
    let lines = "one\r\n\nthree\n  \nfive";
    let pieces = ["one", "\n", "three", "  ", "five"];
    let mut due = stands(lines, &pieces);
    due[1] = (Some(5), Some(2), None);
    for (path, packed) in packings(place.path(), "a.log", lines).iter().zip([false, true, true]) {
        check(|| Files::new(path), &due, packed);
    }

    let csv = "number,text\n1,a\n\n2,\"b\nb\"\n3,c\n";
    let due = stands(csv, &["1,a", "2,\"b", "3,c"]);
    for (path, packed) in packings(place.path(), "a.csv", csv).iter().zip([false, true, true]) {
        check(|| Files::csv::<Row>(path), &due, packed);
    }

    let json = "\n{\"number\": 1, \"text\": \"\"}\n  \n{\"number\": 2, \"text\": \"\"}\n";
    let due = stands(json, &["{\"number\": 1", "{\"number\": 2"]);
    for (path, packed) in packings(place.path(), "a.ndjson", json).iter().zip([false, true, true]) {
        check(|| Files::json::<Row>(path), &due, packed);
    }

    let values = " {\"number\": 1,\n\"text\": \"\"} \n\n {\"number\": 2,\n\"text\": \"\"}";
    let due = stands(values, &["{\"number\": 1", "{\"number\": 2"]);
    for (path, packed) in packings(place.path(), "a.json", values).iter().zip([false, true, true]) {
        check(|| Files::new(path).in_format(Json::<Row>::new().values()), &due, packed);
    }

    // The comma belongs to what comes after it; the line is that of the record.
    let array = "[\n  {\"number\": 1, \"text\": \"\"},\n  {\"number\": 2, \"text\": \"\"}\n]\n";
    let mut due = stands(array, &["{\"number\": 1", ",\n"]);
    due[1].1 = Some(3);
    for (path, packed) in packings(place.path(), "array.json", array).iter().zip([false, true, true]) {
        check(|| Files::new(path).in_format(Json::<Row>::new().array()), &due, packed);
    }

    let traces = "panic: no\n  at main\n\n  at run\nnext\n  at end\n";
    let due = stands(traces, &["panic", "next"]);
    for (path, packed) in packings(place.path(), "trace.log", traces).iter().zip([false, true, true]) {
        check(|| Files::indented(path), &due, packed);
    }
}

#[test]
fn a_file_that_several_tasks_read_has_no_wrong_line() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.log");
    let text: String = (0..40).map(|number| format!("{}\n", "x".repeat(number % 5))).collect();
    std::fs::write(&path, &text).unwrap();
    let (files, split) = started(Files::new(&path).with_origin());
    let due: BTreeMap<u64, u64> = {
        let (all, _) = read(&files, &from(&split, 0)).unwrap();
        all.iter().map(|record| (record.origin.byte().unwrap(), record.origin.line().unwrap())).collect()
    };
    assert_eq!(due.len(), 40);
    let end = text.len() as u64;
    for cut in 1..end {
        for other in [cut, (cut + 7).min(end), end] {
            let mut found = vec![];
            for (begin, to) in [(0, cut), (cut, other), (other, end)] {
                let (records, _) = read(&files, &ReadRange::exact(split.clone(), begin, to)).unwrap();
                for record in records {
                    let (byte, line) = (record.origin.byte().unwrap(), record.origin.line());
                    assert!(due.contains_key(&byte));
                    assert_eq!(line, due.get(&byte).copied().filter(|_| begin <= 1), "{begin}..{to}");
                    found.push(byte);
                }
            }
            assert!(found.iter().eq(due.keys()), "cut at {cut} and {other}");
        }
    }
}

#[test]
fn after_a_restart_the_byte_is_there_and_the_line_where_the_file_is_read_from_its_beginning() {
    let place = tempfile::tempdir().unwrap();
    for (path, packed) in packings(place.path(), "a.log", "one\ntwo\nthree\n").iter().zip([false, true, true]) {
        let (files, split) = started(Files::new(path).with_origin());
        let (first, at) = read(&files, &from(&split, 0).max_records(1)).unwrap();
        assert_eq!(places(&first), [(Some(0), Some(1), None)]);
        let note = files.notes(&[(split.clone(), at)]).unwrap().pop().map(|(_, note)| note);
        let again = Files::new(path).with_origin();
        again.start(&SourceContext::default().resumed_at(vec![Resumed::at(split.clone(), at).noted(note)])).unwrap();
        let (rest, _) = read(&again, &from(&split, at)).unwrap();
        let line = |line| Some(line).filter(|_| packed);
        assert_eq!(places(&rest), [(Some(4), line(2), None), (Some(8), line(3), None)]);
        assert_eq!(rest[0].origin.path(), path.to_str().unwrap());
    }
}

#[test]
fn what_is_added_to_a_file_has_its_byte_and_the_path_is_the_one_that_the_file_has_now() {
    let place = tempfile::tempdir().unwrap();
    let (log, aside) = (place.path().join("a.log"), place.path().join("a.log.1"));
    std::fs::write(&log, "one\ntwo\n").unwrap();
    let (files, split) = started(Files::new(&log).follow().with_origin());
    let (records, at) = read(&files, &from(&split, 0)).unwrap();
    assert_eq!(records[1].origin.to_string(), format!("{}, byte 4 (line 2)", log.display()));
    append(&log, "three\n");
    std::fs::rename(&log, &aside).unwrap();
    std::fs::write(&log, "new\n").unwrap();
    files.discover(Timestamp::from_secs(60)).unwrap();
    let (records, _) = read(&files, &from(&split, at)).unwrap();
    let three = &records[0];
    assert_eq!((three.record.as_str(), three.origin.path()), ("three", aside.to_str().unwrap()));
    assert_eq!((three.origin.split(), three.origin.byte(), three.origin.line()), (split.as_str(), Some(8), None));
    let new = SplitId::new(format!("{}#2", log.display()));
    let (records, _) = read(&files, &from(&new, 0)).unwrap();
    assert_eq!((records[0].origin.path(), records[0].origin.line()), (log.to_str().unwrap(), Some(1)));
    assert_eq!(records[0].origin.split(), new.as_str());
    assert_eq!(three.origin.to_string(), format!("{}, byte 8", aside.display()));
}

#[test]
fn a_packed_file_that_is_renamed_between_two_reads_is_told_by_its_new_name_also_by_the_reader_that_is_handed_on() {
    let place = tempfile::tempdir().unwrap();
    let (log, aside) = (place.path().join("a.log.gz"), place.path().join("b.log.gz"));
    std::fs::write(&log, gzip(b"one\ntwo\n")).unwrap();
    let (files, split) = started(Files::new(place.path()).follow().with_origin());
    let mut reader = files.open(&from(&split, 0).max_records(1)).unwrap();
    reader.for_each(|record| assert_eq!(record.origin.file_name(), "a.log.gz")).unwrap();
    assert!(reader.is_reusable());
    std::fs::rename(&log, &aside).unwrap();
    files.discover(Timestamp::from_secs(60)).unwrap();
    let mut reader = files.reopen(reader, &from(&split, 4)).unwrap();
    let two = reader.next_record().unwrap().unwrap();
    assert_eq!((two.origin.file_name(), two.origin.line()), ("b.log.gz", Some(2)));
}

#[test]
fn the_time_is_that_of_the_last_change() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.log");
    std::fs::write(&path, "one\n").unwrap();
    let changed = UNIX_EPOCH + Duration::from_micros(1_234_567_890_123_456);
    File::options().append(true).open(&path).unwrap().set_modified(changed).unwrap();
    let (files, split) = started(Files::new(&path).with_origin());
    let (records, _) = read(&files, &from(&split, 0)).unwrap();
    assert_eq!(records[0].origin.modified(), Some(Timestamp::from_micros(1_234_567_890_123_456)));
}

fn written<W: WriteFormat<Row>>(format: &W, rows: impl Iterator<Item = Row>) -> Vec<u8> {
    let (mut writing, mut file, mut out) = (format.begin(), vec![], vec![]);
    for row in rows {
        writing.write(&row, &mut out).unwrap();
        file.append(&mut out);
    }
    writing.end(&mut out).unwrap();
    file.append(&mut out);
    file
}

const SCHEMA: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "number", "type": "long"}, {"name": "text", "type": "string"}]}"#;

#[test]
fn a_row_has_its_number_in_the_table_also_under_a_filter_and_from_any_row_on() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.parquet");
    std::fs::write(&path, written(&Parquet::<Row>::new().row_group_bytes(200), (0..100).map(row))).unwrap();
    let rows: Vec<_> = (0..100).map(|row| (None, None, Some(row))).collect();
    check(|| Files::parquet::<Row>(&path), &rows, true);
    let (files, split) = started(Files::parquet::<Row>(&path).with_origin());
    for cut in [1, 10, 50, 99] {
        let (records, _) = read(&files, &ReadRange::exact(split.clone(), cut, 100)).unwrap();
        assert!(records.iter().all(|record| record.origin.row() == Some(record.record.number as u64)));
        assert_eq!(records.len() as u64, 100 - cut);
    }
    let picked = || Files::parquet::<Row>(&path).change_format(|rows| rows.rows_where(column("text").is("xxxxxx")));
    let (files, split) = started(picked().with_origin());
    let (records, _) = read(&files, &from(&split, 0)).unwrap();
    assert_eq!(records.len(), 14);
    assert!(records.iter().all(|record| record.origin.row() == Some(record.record.number as u64)));
    assert_eq!(records[0].origin.to_string(), format!("{}, position 6", path.display()));
}

#[test]
fn a_packed_record_has_its_number_and_none_after_a_block_that_is_damaged() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.avro");
    let avro = Avro::<Row>::new();
    let bytes = written(&avro.clone().written_as(SCHEMA), (0..5_000).map(row));
    std::fs::write(&path, &bytes).unwrap();
    let (files, split) = started(Files::new(&path).in_format(avro.clone()).with_origin());
    let (all, _) = read(&files, &from(&split, 0)).unwrap();
    assert_eq!(all.len(), 5_000);
    assert!(
        all.iter()
            .all(|record| record.origin.row() == Some(record.record.number as u64) && record.origin.byte().is_none())
    );
    for record in all.iter().step_by(499) {
        let (found, _) = read(&files, &from(&split, record.origin.position()).max_records(1)).unwrap();
        assert_eq!(found[0], *record, "after a restart in the middle");
    }
    // A type that refuses some records: the others have their numbers all the same.
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Small {
        #[serde(deserialize_with = "small")]
        number: i64,
    }
    fn small<'de, D: serde::Deserializer<'de>>(number: D) -> std::result::Result<i64, D::Error> {
        let number = i64::deserialize(number)?;
        if number % 3 == 0 { Err(serde::de::Error::custom("it is too large")) } else { Ok(number) }
    }
    let (taken, refused) = numbered(&path, Avro::<Small>::new(), |record| record.number);
    assert_eq!((taken.len(), refused), (3_333, 1_667));
    assert!(taken.iter().all(|(number, row)| *row == Some(*number as u64)));

    // A block that cannot be told apart has nobody knows how many records.
    let varint = |number: usize| vec![(number * 2) as u8 | if number < 64 { 0 } else { 0x80 }, (number >> 6) as u8];
    let long = |number: usize| if number < 64 { vec![(number * 2) as u8] } else { varint(number) };
    let schema = r#"{"type": "record", "name": "Row", "fields": [{"name": "number", "type": "long"}, {"name": "text", "type": "string"}]}"#;
    let mut bytes =
        [&b"Obj\x01"[..], &[2, 22], b"avro.schema", &long(schema.len()), schema.as_bytes(), &[0], &[7; 16]].concat();
    for block in [&[0, 2, b'a', 2, 0][..], &[4, 2, b'b', 6, 1], &[8, 0, 10, 0]] {
        bytes.extend([&[4][..], &long(block.len()), block, &[7; 16]].concat());
    }
    std::fs::write(&path, bytes).unwrap();
    let (taken, refused) = numbered(&path, avro, |record| record.number);
    assert_eq!(taken, [(0, Some(0)), (1, Some(1)), (2, Some(2)), (4, None), (5, None)]);
    assert_eq!(refused, 1);
}

/// The numbers in the records of a file and those of their rows, and how many records are refused.
fn numbered<F: Format>(path: &Path, format: F, number: impl Fn(&F::Item) -> i64) -> (Vec<(i64, Option<u64>)>, usize) {
    let (files, split) = started(Files::new(path).in_format(format).with_origin());
    let mut reader = files.open(&from(&split, 0)).unwrap();
    let (mut taken, mut refused) = (vec![], 0);
    loop {
        match reader.next_record() {
            Ok(Some(record)) => taken.push((number(&record.record), record.origin.row())),
            Ok(None) => return (taken, refused),
            Err(ConnectError::Malformed { line, .. }) => {
                assert_eq!(line, None, "there are no lines in it");
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_record_that_is_refused_has_the_place_that_it_would_have_had() {
    let place = tempfile::tempdir().unwrap();
    let text = "[\n  {\"number\": 1, \"text\": \"\"},\n\n  {\"number\": \"x\"}\n]\n";
    for path in packings(place.path(), "a.json", text) {
        let array = || Files::new(&path).in_format(Json::<Row>::new().array());
        let (files, split) = started(array().with_origin());
        let plain = started(array()).0;
        let refused = |error: ConnectError| match error {
            ConnectError::Malformed { position, line, .. } => (position, line),
            error => panic!("{error}"),
        };
        let (mut one, mut other) = (files.open(&from(&split, 0)).unwrap(), plain.open(&from(&split, 0)).unwrap());
        let record = one.next_record().unwrap().unwrap();
        assert_eq!((record.origin.line(), other.next_record().unwrap()), (Some(2), Some(record.record)));
        let (with, without) = (refused(one.next_record().unwrap_err()), refused(other.next_record().unwrap_err()));
        assert_eq!((with, with.1), (without, Some(4)));
    }
}

#[test]
fn who_does_not_ask_has_records_without_and_any_decoder_may_be_asked() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.log");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let (files, split) = started(Files::new(&path).decode(str::len).with_origin());
    let (records, _) = read(&files, &from(&split, 0))?;
    let lengths: Vec<Sourced<String>> = records.into_iter().map(|it| it.map(|length| length.to_string())).collect();
    assert_eq!((lengths[1].record.as_str(), lengths[1].origin.line()), ("3", Some(2)));
    let stored = serde_json::to_string(&lengths[1].origin).unwrap();
    assert_eq!(serde_json::from_str::<Origin>(&stored).unwrap(), lengths[1].origin);
    // A format whose source says nothing of the file does not make a place up.
    let decode = firesteel_connect::Decoding::new(|_: &[u8]| Ok::<_, String>(()));
    let mut reading = firesteel_formats::WithOrigin::of(Lines::of(decode)).begin();
    let error = firesteel_formats::Reading::decode(&mut reading, b"one").unwrap_err();
    assert!(error.reason().contains("which file"), "{error}");
    Ok(())
}
