//! What another reader makes of a file.

use std::collections::BTreeMap;

use apache_avro::Reader;
use apache_avro::types::Value;
use firesteel_formats::epoch_time;
use firesteel_window::Timestamp;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::round_trips::{Kind, Wide, wide};
use super::written;

fn foreign(file: &[u8]) -> Vec<Value> {
    Reader::new(file).unwrap().map(Result::unwrap).collect()
}

fn union(value: Option<Value>) -> Value {
    value.map_or(Value::Union(0, Box::new(Value::Null)), |value| Value::Union(1, Box::new(value)))
}

/// Compares bit by bit where it has to.
fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    let Value::Record(fields) = record else { panic!("{record:?}") };
    &fields.iter().find(|(field, _)| field == name).unwrap().1
}

#[test]
fn values_are_those_that_were_written() {
    #[derive(Serialize, Deserialize)]
    struct Row {
        least: i64,
        most: i64,
        large: u64,
        small: (i8, i16, i32, u8, u16, u32),
        text: Option<String>,
        letter: char,
        bytes: Vec<u8>,
        at: Timestamp,
        #[serde(with = "epoch_time::seconds")]
        seen: Timestamp,
        kind: Kind,
        list: Vec<Option<String>>,
        map: BTreeMap<String, Option<Inner>>,
    }
    #[derive(Serialize, Deserialize)]
    struct Inner {
        yes: bool,
    }
    let row = Row {
        least: i64::MIN,
        most: i64::MAX,
        large: i64::MAX as u64,
        small: (i8::MIN, i16::MIN, i32::MIN, u8::MAX, u16::MAX, u32::MAX),
        text: Some(String::new()),
        letter: '✓',
        bytes: vec![0, 255],
        at: Timestamp::from_micros(-1),
        seen: Timestamp::from_secs(-7),
        kind: Kind::Give,
        list: vec![None, Some(String::new()), Some("ü".to_owned())],
        map: BTreeMap::from([("a".to_owned(), None), (String::new(), Some(Inner { yes: true }))]),
    };
    let read = foreign(&written(&[row])).remove(0);
    let text = |text: &str| Value::String(text.to_owned());
    let small =
        [-128, -32_768, i32::MIN, 255, 65_535].map(Value::Int).into_iter().chain([Value::Long(u32::MAX.into())]);
    let small = small.enumerate().map(|(at, value)| (format!("_{at}"), value)).collect();
    let inner = Value::Record(vec![("yes".to_owned(), Value::Boolean(true))]);
    let map = [("a".to_owned(), union(None)), (String::new(), union(Some(inner)))];
    for (name, due) in [
        ("least", Value::Long(i64::MIN)),
        ("most", Value::Long(i64::MAX)),
        ("large", Value::Long(i64::MAX)),
        ("small", Value::Record(small)),
        ("text", union(Some(text("")))),
        ("letter", text("✓")),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("at", Value::TimestampMicros(-1)),
        ("seen", Value::TimestampMillis(-7_000)),
        ("kind", Value::Enum(1, "Give".to_owned())),
        ("list", Value::Array(vec![union(None), union(Some(text(""))), union(Some(text("ü")))])),
        ("map", Value::Map(map.into())),
    ] {
        assert_eq!(*field(&read, name), due, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_record_is_read_by_another_reader(records in proptest::collection::vec(wide(), 0..10)) {
        let read = foreign(&written(&records));
        prop_assert_eq!(read.len(), records.len());
        for (read, Wide { number, ratio, single, text, bytes, at, seen, list, lists, map, .. }) in read.iter().zip(&records) {
            prop_assert_eq!(field(read, "number"), &Value::Long(*number));
            let Value::Double(read_ratio) = field(read, "ratio") else { panic!("no double") };
            prop_assert_eq!(read_ratio.to_bits(), ratio.0.to_bits());
            let Value::Float(read_single) = field(read, "single") else { panic!("no float") };
            prop_assert_eq!(read_single.to_bits(), single.0.to_bits());
            prop_assert_eq!(field(read, "text"), &union(text.clone().map(Value::String)));
            prop_assert_eq!(field(read, "bytes"), &Value::Bytes(bytes.clone()));
            prop_assert_eq!(field(read, "at"), &Value::TimestampMicros(at.as_micros()));
            prop_assert_eq!(field(read, "seen"), &Value::TimestampMillis(seen.as_millis()));
            let texts = |list: &Vec<Option<String>>| {
                Value::Array(list.iter().map(|text| union(text.clone().map(Value::String))).collect())
            };
            prop_assert_eq!(field(read, "list"), &union(list.as_ref().map(texts)));
            let Value::Array(read_lists) = field(read, "lists") else { panic!("no array") };
            prop_assert_eq!(read_lists.len(), lists.len());
            let entries = map.iter().map(|(key, value)| (key.clone(), union(value.map(Value::Boolean))));
            prop_assert_eq!(field(read, "map"), &Value::Map(entries.collect()));
        }
    }
}
