//! Files of Avro messages, each after its length.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{discover, from, gzip, published};
use firesteel_connect::{
    Class, ConnectError, Encode, Epoch, Sink, SinkContext, Source, SourceContext, SourceReader, SplitId, WriteTask,
};
use firesteel_connect_file::{FileSink, Files};
use firesteel_formats::{
    AvroMessage, AvroSchema, AvroSchemas, Delimited, FixedSchemas, Format, Lengths, SchemaKey, SchemasOutage,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Click {
    user: String,
    ad: i64,
}

const CLICK: &str = r#"{"type": "record", "name": "Click", "fields": [
    {"name": "user", "type": "string"}, {"name": "ad", "type": "long"}]}"#;

fn schema() -> AvroSchema {
    AvroSchema::parse(CLICK).unwrap()
}

fn clicks(count: i64) -> Vec<Click> {
    (0..count).map(|ad| Click { user: format!("user {}", ad % 7), ad }).collect()
}

/// Frames of messages that name these schemas.
fn frames(ids: &[u32]) -> Vec<u8> {
    let mut file = vec![];
    for (click, id) in clicks(ids.len() as i64).iter().zip(ids) {
        let mut message = vec![];
        AvroMessage::confluent_written_as(&schema(), *id).encode(click, &mut message).unwrap();
        file.extend([&(message.len() as u32).to_be_bytes()[..], &message].concat());
    }
    file
}

/// The records that are read, and why others are not.
fn all<F: Format>(files: &Files<F>) -> (Vec<F::Item>, Vec<String>) {
    files.start(&SourceContext::default()).unwrap();
    let split: SplitId = discover(files).unwrap().splits.remove(0).id;
    let (mut reader, mut records, mut refused) = (files.open(&from(&split, 0)).unwrap(), vec![], vec![]);
    loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, refused),
            Err(ConnectError::Malformed { reason, line, .. }) => {
                assert_eq!(line, None, "there are no lines in it");
                refused.push(reason);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_a_sink_writes_is_read_in_each_framing_plain_and_packed() {
    let place = tempfile::tempdir().unwrap();
    let schemas = FixedSchemas::new().with(7, schema());
    let framings: [(_, AvroMessage<Click>); 3] = [
        (AvroMessage::bare_written_as(&schema()), AvroMessage::bare(schema())),
        (AvroMessage::single_object_written_as(&schema()), AvroMessage::single_object(schemas.clone())),
        (AvroMessage::confluent_written_as(&schema(), 7), AvroMessage::confluent(schemas)),
    ];
    for (at, (encode, decode)) in framings.into_iter().enumerate() {
        for (lengths, packed) in [(Lengths::Varint, false), (Lengths::FourBytes, true)] {
            let folder = place.path().join(format!("{at}-{packed}"));
            let sink = FileSink::new(&folder).in_format(Delimited::of(encode.clone(), lengths));
            let sink = if packed { sink.gzip() } else { sink };
            sink.start(&SinkContext::default()).unwrap();
            let mut pending = vec![sink.write(WriteTask::new(Epoch(1), 0), clicks(500).into_iter()).unwrap()];
            sink.commit(Epoch(1), &mut pending).unwrap();
            let read = published(&folder, |path| Files::new(path).in_format(Delimited::of(decode.clone(), lengths)));
            assert_eq!(read, clicks(500));
        }
    }
}

#[test]
fn a_message_that_cannot_be_read_costs_itself_and_says_which_schema() {
    let place = tempfile::tempdir().unwrap();
    for (name, packed) in [("clicks", false), ("clicks.gz", true)] {
        let path = place.path().join(name);
        let file = frames(&[7, 8, 7, 9, 7]);
        std::fs::write(&path, if packed { gzip(&file) } else { file }).unwrap();
        let decode = AvroMessage::<Click>::confluent(FixedSchemas::new().with(7, schema()));
        let files = Files::new(&path).in_format(Delimited::of(decode, Lengths::FourBytes));
        let (records, refused) = all(&files.with_origin());
        let taken: Vec<(i64, Option<u64>)> = records.iter().map(|it| (it.record.ad, it.origin.byte())).collect();
        // Four bytes of length, five of header, one and six of the user, one of the number.
        assert_eq!(taken, [(0, Some(0)), (2, Some(34)), (4, Some(68))]);
        assert_eq!(refused, ["Avro: the schema 8 is not known", "Avro: the schema 9 is not known"]);
    }
}

#[test]
fn whatever_is_damaged_in_a_frame_is_told_and_never_a_panic() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("clicks");
    let whole = frames(&[7, 7, 7]);
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let decode = AvroMessage::<Click>::confluent(FixedSchemas::new().with(7, schema()));
        all(&Files::new(&path).in_format(Delimited::of(decode, Lengths::FourBytes)))
    };
    assert_eq!(read(&whole), (clicks(3), vec![]));
    let frame = whole.len() / 3;
    for end in 1..whole.len() {
        let (records, refused) = read(&whole[..end]);
        assert_eq!((records.len(), refused.len()), (end / frame, usize::from(end % frame > 0)), "cut at {end}");
    }
    for at in 0..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            let (records, refused) = read(&damaged);
            let is_length = at % frame < 4;
            assert!(is_length || records.len() + refused.len() == 3, "byte {at}");
            assert!(!is_length || !refused.is_empty(), "byte {at} of a length");
        }
    }
}

/// Schemas that are away, or not.
struct Unsteady(Arc<AtomicBool>);

impl AvroSchemas for Unsteady {
    fn schema(&self, _: SchemaKey) -> Result<Option<Arc<AvroSchema>>, SchemasOutage> {
        if self.0.load(Ordering::Relaxed) {
            return Err(SchemasOutage::Unreachable { peer: "registry".to_owned(), reason: "refused".to_owned() });
        }
        Ok(Some(Arc::new(schema())))
    }
}

#[test]
fn while_schemas_are_away_nothing_is_refused_and_the_same_range_is_read_later() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("clicks");
    std::fs::write(&path, frames(&[7, 7])).unwrap();
    let is_away = Arc::new(AtomicBool::new(true));
    let decode = AvroMessage::<Click>::confluent(Unsteady(Arc::clone(&is_away)));
    let files = Files::new(&path).in_format(Delimited::of(decode, Lengths::FourBytes));
    files.start(&SourceContext::default()).unwrap();
    let split = discover(&files).unwrap().splits.remove(0).id;
    let error = files.open(&from(&split, 0)).unwrap().next_record().unwrap_err();
    assert_eq!(
        (error.class(), error.to_string()),
        (Class::Retryable, "FS-N003: registry does not answer: refused".to_owned())
    );
    is_away.store(false, Ordering::Relaxed);
    assert_eq!(common::read(&files, &from(&split, 0)).unwrap().0, clicks(2));
}
