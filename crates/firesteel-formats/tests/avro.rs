//! Avro: container files as another writer makes them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::io::Read;

use apache_avro::types::Value;
use apache_avro::{Codec, DeflateSettings, Schema, Writer};
use common::{in_pieces, items};
use firesteel_formats::{Avro, Format, Reading};
use serde::Deserialize;

const SCHEMA: &str = r#"{"type": "record", "name": "Click", "fields": [
    {"name": "user", "type": "string"},
    {"name": "ad", "type": "long"},
    {"name": "ratio", "type": "double"},
    {"name": "note", "type": ["null", "string"]},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["Buy", "Give"]}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}
]}"#;

#[derive(Debug, Clone, PartialEq, Deserialize)]
enum Kind {
    Buy,
    Give,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Click {
    ad: u32,
    user: String,
    ratio: f64,
    note: Option<String>,
    kind: Kind,
}

fn value(ad: i64, note: Option<&str>) -> Value {
    let note = note.map_or(Value::Union(0, Box::new(Value::Null)), |note| {
        Value::Union(1, Box::new(Value::String(note.to_owned())))
    });
    Value::Record(vec![
        ("user".into(), Value::String("ann".into())),
        ("ad".into(), Value::Long(ad)),
        ("ratio".into(), Value::Double(0.1)),
        ("note".into(), note),
        ("kind".into(), Value::Enum(ad.rem_euclid(2) as u32, if ad % 2 == 0 { "Buy" } else { "Give" }.into())),
        ("at".into(), Value::TimestampMicros(7)),
    ])
}

fn click(ad: u32, note: Option<&str>) -> Click {
    let kind = if ad.is_multiple_of(2) { Kind::Buy } else { Kind::Give };
    Click { ad, user: "ann".into(), ratio: 0.1, note: note.map(str::to_owned), kind }
}

/// A file of blocks of these records.
fn file(codec: Codec, blocks: &[&[Value]]) -> Vec<u8> {
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let mut writer = Writer::with_codec(&schema, Vec::new(), codec).unwrap();
    for block in blocks {
        for value in *block {
            writer.append_value_ref(value).unwrap();
        }
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap()
}

fn unpacked(file: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    let file = std::io::Cursor::new(file.to_vec());
    Avro::<Click>::new().unpack(Box::new(file)).unwrap().read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn what_another_program_has_written_is_read_whatever_comes_at_a_time() {
    let blocks: [&[Value]; 3] = [&[value(1, Some("x")), value(2, None)], &[], &[value(3, Some(""))]];
    for codec in [Codec::Null, Codec::Deflate(DeflateSettings::default()), Codec::Snappy] {
        let bytes = unpacked(&file(codec, &blocks)).unwrap();
        let expected = [Ok(click(1, Some("x"))), Ok(click(2, None)), Ok(click(3, Some("")))];
        let whole = in_pieces(&Avro::<Click>::new(), &bytes, bytes.len(), usize::MAX);
        assert!(whole.is_sorted_by(|one, next| one.1 < next.1), "a place of its own for each");
        for piece in [1, 7, 100] {
            assert_eq!(in_pieces(&Avro::<Click>::new(), &bytes, piece, usize::MAX), whole);
        }
        assert_eq!(items(whole), expected);
    }
}

#[test]
fn a_value_that_does_not_fit_costs_its_own_record() {
    let bytes =
        unpacked(&file(Codec::Null, &[&[value(1, None), value(-1, None), value(1 << 40, None), value(4, None)]]));
    let read = items(in_pieces(&Avro::<Click>::new(), &bytes.unwrap(), 10, usize::MAX));
    assert_eq!((&read[0], &read[3]), (&Ok(click(1, None)), &Ok(click(4, None))));
    for refused in &read[1..3] {
        let reason = refused.as_ref().unwrap_err();
        assert!(reason.starts_with("Avro: ") && reason.contains("u32"), "{reason}");
    }
}

#[test]
fn a_schema_without_a_field_that_is_needed_is_told_before_the_first_record() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct More {
        user: String,
        price: f64,
    }
    let bytes = unpacked(&file(Codec::Null, &[&[value(1, None)]])).unwrap();
    let told = Avro::<More>::new().begin().head(&bytes, true).unwrap_err().into_reason();
    assert!(told.starts_with("has no field \"price\" (it has user, ad, ratio, note, kind, at); rename"), "{told}");
}

#[test]
fn damage_and_a_file_that_is_cut_off_are_told_after_the_whole_blocks() {
    let whole = file(Codec::Null, &[&[value(1, None)], &[value(2, None)]]);
    let blocks = unpacked(&whole).unwrap().len();
    for cut in 1..whole.len() - 1 {
        match unpacked(&whole[..cut]) {
            Ok(bytes) => assert!(bytes.len() < blocks, "a border of blocks"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{cut}: {error}"),
        }
    }
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    assert!(unpacked(&other).unwrap_err().to_string().contains("a block does not end with the mark of the file"));
    assert!(unpacked(b"{\"a\":1}").unwrap_err().to_string().contains("it is no Avro container file"));
    let mut other = file(Codec::Deflate(DeflateSettings::default()), &[]);
    let name = other.windows(7).position(|bytes| bytes == b"deflate").unwrap();
    other[name..name + 7].copy_from_slice(b"zstandr");
    assert!(unpacked(&other).unwrap_err().to_string().contains("compressed by zstandr, which cannot be read"));
}

#[test]
fn a_block_that_is_too_long_is_passed_over() {
    let long = "x".repeat(1_000);
    let bytes =
        unpacked(&file(Codec::Null, &[&[value(1, None)], &[value(2, Some(&long))], &[value(3, None)]])).unwrap();
    for piece in [10, 500, bytes.len()] {
        let read = items(in_pieces(&Avro::<Click>::new(), &bytes, piece, 500));
        assert_eq!((read.len(), &read[0], &read[2]), (3, &Ok(click(1, None)), &Ok(click(3, None))), "{piece}");
        assert!(read[1].as_ref().unwrap_err().contains("more than 500 bytes"));
    }
}

#[test]
fn a_file_without_a_header_says_so() {
    assert!(Avro::<Click>::new().begin().head(b"", true).is_ok());
    assert!(Avro::<Click>::new().begin().head(b"xx", true).is_err());
}

#[test]
fn a_file_of_which_the_type_has_no_field_is_none_of_defaults() {
    #[derive(Debug, Deserialize)]
    struct Loose {
        _id: Option<u8>,
        _name: Option<String>,
    }
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let file = Writer::new(&schema, vec![]).unwrap().into_inner().unwrap();
    let mut unpacked = vec![];
    Avro::<Loose>::new().unpack(Box::new(std::io::Cursor::new(file))).unwrap().read_to_end(&mut unpacked).unwrap();
    let told = Avro::<Loose>::new().begin().head(&unpacked, true).unwrap_err().into_reason();
    assert!(told.contains("has none of the fields of the type (it has user, ad"), "{told}");
}
