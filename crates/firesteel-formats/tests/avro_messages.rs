//! Single Avro records: by which schema they are read, what a type takes of them, and what damage costs.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use firesteel_connect::{Class, Decode, Encode};
use firesteel_formats::{
    AvroMessage, AvroSchema, AvroSchemas, EncodeAvro, FixedSchemas, SchemaKey, SchemasOutage, epoch_time,
};
use firesteel_window::Timestamp;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn schema(text: &str) -> AvroSchema {
    AvroSchema::parse(text).unwrap()
}

fn record(fields: &str) -> AvroSchema {
    schema(&format!(r#"{{"type": "record", "name": "R", "namespace": "com.shop", "fields": [{fields}]}}"#))
}

/// What this type makes of a body by this schema.
fn read<T: DeserializeOwned + Send + 'static>(schema: AvroSchema, body: &[u8]) -> Result<T, String> {
    AvroMessage::<T>::bare(schema).decode(body).map_err(|error| error.reason().to_owned())
}

fn long(value: i64) -> Vec<u8> {
    let mut left = (value << 1 ^ value >> 63) as u64;
    let mut bytes = vec![];
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    [long(value.len() as i64), value.as_bytes().to_vec()].concat()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    yes: bool,
    small: i32,
    large: i64,
    half: f32,
    whole: f64,
    text: String,
    maybe: Option<String>,
    kind: Kind,
    list: Vec<i64>,
    map: BTreeMap<String, i64>,
    inner: Inner,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    One,
    Two,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    number: i32,
    next: Option<Box<Inner>>,
}

const EVERYTHING: &str = r#"{"type": "record", "name": "Everything", "fields": [
    {"name": "yes", "type": "boolean"}, {"name": "small", "type": "int"}, {"name": "large", "type": "long"},
    {"name": "half", "type": "float"}, {"name": "whole", "type": "double"}, {"name": "text", "type": "string"},
    {"name": "maybe", "type": ["null", "string"]},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["One", "Two"]}},
    {"name": "list", "type": {"type": "array", "items": "long"}}, {"name": "map", "type": {"type": "map", "values": "long"}},
    {"name": "inner", "type": {"type": "record", "name": "Inner", "fields": [
        {"name": "number", "type": "int"}, {"name": "next", "type": ["null", "Inner"]}]}}]}"#;

fn everything(number: i64, text: String) -> Everything {
    let inner = Inner { number: 1, next: Some(Box::new(Inner { number: -2, next: None })) };
    Everything {
        yes: number % 2 == 0,
        small: number as i32,
        large: number,
        half: number as f32 / 3.0,
        whole: number as f64 / 3.0,
        maybe: (number % 3 > 0).then(|| text.clone()),
        kind: if number % 2 == 0 { Kind::One } else { Kind::Two },
        list: vec![number; (number.unsigned_abs() % 5) as usize],
        map: (0..number.unsigned_abs() % 4).map(|key| (key.to_string(), number)).collect(),
        inner,
        text,
    }
}

/// The three framings: what writes, and what reads.
fn framings<T: DeserializeOwned + Send + 'static>(text: &str) -> [(EncodeAvro<T>, AvroMessage<T>); 3] {
    let schemas = FixedSchemas::new().with(7, schema(text));
    [
        (AvroMessage::bare_written_as(&schema(text)), AvroMessage::bare(schema(text))),
        (AvroMessage::single_object_written_as(&schema(text)), AvroMessage::single_object(schemas.clone())),
        (AvroMessage::confluent_written_as(&schema(text), 7), AvroMessage::confluent(schemas)),
    ]
}

proptest! {
    #[test]
    fn any_record_comes_back_as_it_was_in_each_framing(number in any::<i64>(), text in "\\PC{0,40}") {
        let due = everything(number, text);
        for (encode, decode) in framings::<Everything>(EVERYTHING) {
            let mut message = vec![];
            encode.encode(&due, &mut message).unwrap();
            prop_assert_eq!(decode.decode(&message), Ok(due.clone()));
        }
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (_, decode) in framings::<Everything>(EVERYTHING) {
            let _ = decode.decode(&bytes);
        }
        let _ = read::<serde_json::Value>(schema(EVERYTHING), &bytes);
        let _ = read::<Nothing>(schema(EVERYTHING), &bytes);
    }
}

/// Asks for none of the fields, so that all are passed over.
#[derive(Debug, PartialEq, Deserialize)]
struct Nothing {}

#[test]
fn headers_are_those_that_others_write() {
    let [_, (single, _), (confluent, _)] = framings::<i64>(r#""long""#);
    let mut message = vec![];
    single.encode(&27, &mut message).unwrap();
    // The fingerprint of "long" by the specification's algorithm, little-endian.
    assert_eq!(message, [0xc3, 0x01, 0xb7, 0x1d, 0xf4, 0x93, 0x44, 0xe1, 0x54, 0xd0, 54]);
    message.clear();
    confluent.encode(&27, &mut message).unwrap();
    assert_eq!(message, [0, 0, 0, 0, 7, 54]);
}

#[test]
fn each_cut_and_each_byte_that_is_another_costs_its_message_or_is_another_value_and_never_more() {
    for (encode, decode) in framings::<Everything>(EVERYTHING) {
        let mut message = vec![];
        encode.encode(&everything(-12_345, "Köln".to_owned()), &mut message).unwrap();
        for end in 0..message.len() {
            assert!(decode.decode(&message[..end]).is_err(), "cut at {end}");
        }
        let longer = [&message[..], &[0]].concat();
        assert!(decode.decode(&longer).unwrap_err().reason().contains("1 bytes stand after"));
        for at in 0..message.len() {
            for other in 0..=255 {
                let mut damaged = message.clone();
                damaged[at] = other;
                if let Err(error) = decode.decode(&damaged) {
                    assert!(error.outage().is_none() && !error.reason().is_empty());
                    assert!(error.offset().is_none_or(|offset| offset <= damaged.len()));
                }
            }
        }
    }
}

#[test]
fn no_length_that_a_message_makes_up_takes_memory_or_time() {
    let most = long(i64::MAX);
    for (of, body) in [
        (r#""bytes""#, most.clone()),
        (r#""string""#, most.clone()),
        (r#"{"type": "array", "items": "null"}"#, [most.clone(), vec![0]].concat()),
        (r#"{"type": "array", "items": "null"}"#, [long(i64::MIN), vec![0]].concat()),
        (r#"{"type": "array", "items": "long"}"#, most.clone()),
        (r#"{"type": "map", "values": "null"}"#, most),
        (r#"{"type": "array", "items": "null"}"#, [long(60_000), long(60_000), vec![0]].concat()),
    ] {
        assert!(read::<serde_json::Value>(schema(of), &body).is_err(), "{of}");
        assert!(read::<serde::de::IgnoredAny>(schema(of), &body).is_err(), "{of}, passed over");
    }
    // One that contains itself, as often as there are bytes.
    let chain = r#"{"type": "record", "name": "Chain", "fields": [{"name": "next", "type": ["null", "Chain"]}]}"#;
    let endless = vec![2; 1 << 20];
    for error in [
        read::<serde_json::Value>(schema(chain), &endless).unwrap_err(),
        read::<serde::de::IgnoredAny>(schema(chain), &endless).unwrap_err(),
    ] {
        assert!(error.contains("128 deep"), "{error}");
    }
}

#[test]
fn fields_go_by_name_and_what_a_type_lacks_is_passed_over_whatever_it_is() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Some {
        #[serde(alias = "text")]
        renamed: String,
        #[serde(default)]
        added: u32,
        small: u64,
    }
    let mut body = vec![];
    AvroMessage::bare_written_as(&schema(EVERYTHING)).encode(&everything(5, "x".to_owned()), &mut body).unwrap();
    assert_eq!(read(schema(EVERYTHING), &body), Ok(Some { renamed: "x".to_owned(), added: 0, small: 5 }));
    assert_eq!(read(schema(EVERYTHING), &body), Ok(Nothing {}));
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "it is not read")]
    struct Lacking {
        page: String,
    }
    let error = read::<Lacking>(schema(EVERYTHING), &body).unwrap_err();
    assert_eq!(error, "Avro: missing field `page`");
}

#[test]
fn numbers_are_promoted_where_nothing_is_lost_and_refused_by_their_field_where_it_would_be() {
    fn one<T: DeserializeOwned + Send + 'static>(of: &str, body: &[u8]) -> Result<T, String> {
        #[derive(Deserialize)]
        struct One<T> {
            n: T,
        }
        read::<One<T>>(record(&format!(r#"{{"name": "n", "type": {of}}}"#)), body).map(|one| one.n)
    }
    let (int, long_type) = (r#""int""#, r#""long""#);
    assert_eq!(one::<i64>(int, &long(7)), Ok(7));
    assert_eq!(one::<u8>(long_type, &long(255)), Ok(255));
    assert_eq!(one::<i128>(long_type, &long(i64::MIN)), Ok(i64::MIN.into()));
    assert_eq!(one::<f64>(int, &long(7)), Ok(7.0));
    assert_eq!(one::<f64>(long_type, &long(1 << 53)), Ok((1_u64 << 53) as f64));
    assert_eq!(one::<f64>(r#""float""#, &0.1_f32.to_le_bytes()), Ok(f64::from(0.1_f32)));
    let refused =
        |error: String, what: &str| assert!(error.starts_with("Avro: field n: ") && error.contains(what), "{error}");
    refused(one::<u8>(long_type, &long(256)).unwrap_err(), "256");
    refused(one::<u64>(long_type, &long(-1)).unwrap_err(), "-1");
    refused(one::<f64>(long_type, &long((1 << 53) + 1)).unwrap_err(), "no f64 is equal");
    refused(one::<f32>(r#""double""#, &0.1_f64.to_le_bytes()).unwrap_err(), "take an f64");
    refused(one::<i64>(r#""double""#, &1.0_f64.to_le_bytes()).unwrap_err(), "floating point");
    refused(one::<String>(long_type, &long(1)).unwrap_err(), "expected a string");
    refused(one::<i32>(int, &long(1 << 40)).unwrap_err(), "stands where an int should");
    refused(one::<i64>(r#"["null", "long"]"#, &[0]).unwrap_err(), "invalid type: unit value, expected i64");
    assert_eq!(one::<Option<i64>>(r#"["null", "long"]"#, &[2, 14]), Ok(Some(7)));
    assert_eq!(one::<Option<i64>>(r#"["long", "null"]"#, &[2]), Ok(None));
    assert_eq!(one::<Option<i64>>(long_type, &long(7)), Ok(Some(7)), "what became optional");
    assert_eq!(one::<i64>(r#"["null", "long"]"#, &[2, 14]), Ok(7), "what was optional, and is there");
    refused(one::<i64>(r#"["null", "long"]"#, &[4, 14]).unwrap_err(), "branches of a union");
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    assert_eq!(one::<Either>(r#"["long", "string"]"#, &[2, 2, b'x']), Ok(Either::Text("x".to_owned())));
    assert_eq!(one::<(i64, i64)>(r#"{"type": "array", "items": "long"}"#, &[4, 2, 4, 0]), Ok((1, 2)));
    refused(one::<(i64, i64)>(r#"{"type": "array", "items": "long"}"#, &[6, 2, 4, 6, 0]).unwrap_err(), "more elements");
}

#[test]
fn times_decimals_and_bytes_are_what_the_field_says() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        millis: Timestamp,
        nanos: Timestamp,
        #[serde(with = "epoch_time::millis")]
        micros: Timestamp,
        plain: i64,
        price: String,
        id: String,
        bytes: Vec<u8>,
    }
    let time = |name: &str, kind: &str| {
        format!(r#"{{"name": "{name}", "type": {{"type": "long", "logicalType": "timestamp-{kind}"}}}}, "#)
    };
    let fields = [
        time("millis", "millis"),
        time("nanos", "nanos"),
        time("micros", "micros"),
        time("plain", "millis"),
        r#"{"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
           {"name": "id", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "bytes", "type": "bytes"}"#
            .to_owned(),
    ];
    let fields = fields.concat();
    let body = |micros: i64| {
        let parts = [long(1_500), long(1_500_000_999), long(micros), long(1_500), vec![4, 0xff, 0x38]];
        [parts.concat(), text("67e55044-10b1-426f-9247-bb680e5fe0c8"), vec![4, 1, 2]].concat()
    };
    let row: Row = read(record(&fields), &body(1_500_000)).unwrap();
    assert_eq!(
        (row.millis.as_micros(), row.nanos.as_micros(), row.micros.as_micros()),
        (1_500_000, 1_500_000, 1_500_000)
    );
    assert_eq!((row.plain, row.price.as_str(), row.bytes), (1_500, "-2.00", vec![1, 2]));
    let error = read::<Row>(record(&fields), &body(1_500_001)).unwrap_err();
    assert!(error.starts_with("Avro: field micros: ") && error.contains("fraction"), "{error}");
}

#[test]
fn a_message_of_another_framing_or_of_a_schema_that_nobody_knows_is_refused_and_says_which() {
    let schemas = FixedSchemas::new().with(7, schema(r#""long""#));
    let reason = |decode: &AvroMessage<i64>, message: &[u8]| decode.decode(message).unwrap_err().reason().to_owned();
    let (single, confluent) = (AvroMessage::single_object(schemas.clone()), AvroMessage::confluent(schemas));
    assert!(reason(&confluent, &[0xc3, 1, 0, 0, 0, 0, 0]).contains("begins with C3 and not with 00"));
    assert!(reason(&single, &[0, 0, 0, 0, 7, 54]).contains("begins with 00 00 and not with C3 01"));
    assert_eq!(reason(&confluent, &[0, 0, 0, 1, 0, 54]), "Avro: the schema 256 is not known");
    let unknown = [&[0xc3, 1][..], &1_u64.to_le_bytes(), &[54]].concat();
    assert_eq!(reason(&single, &unknown), "Avro: the schema with the fingerprint 0000000000000001 is not known");
    for message in [&[][..], &[0], &[0, 0, 0, 0]] {
        assert!(reason(&confluent, message).contains("no header"));
    }
}

/// Schemas that cannot be reached at times, and are counted when they are asked for.
#[derive(Default)]
struct Unsteady {
    is_down: AtomicBool,
    asked: AtomicUsize,
}

impl AvroSchemas for Unsteady {
    fn schema(&self, key: SchemaKey) -> Result<Option<Arc<AvroSchema>>, SchemasOutage> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            return Err(SchemasOutage::Unreachable { peer: "registry".to_owned(), reason: "refused".to_owned() });
        }
        match key {
            SchemaKey::Id(9) => Err(SchemasOutage::Unusable("no JSON".to_owned())),
            _ => Ok(Some(Arc::new(schema(r#""long""#)))),
        }
    }
}

#[test]
fn an_outage_is_no_fault_of_the_message_and_a_known_schema_is_not_asked_for_again() {
    let schemas = Arc::new(Unsteady::default());
    let decode = AvroMessage::<i64>::confluent(Arc::clone(&schemas));
    schemas.is_down.store(true, Ordering::Relaxed);
    let outage = decode.decode(&[0, 0, 0, 0, 7, 54]).unwrap_err().outage().unwrap();
    assert_eq!(
        (outage.class(), outage.to_string()),
        (Class::Retryable, "FS-N003: registry does not answer: refused".to_owned())
    );
    schemas.is_down.store(false, Ordering::Relaxed);
    for _ in 0..10 {
        assert_eq!(decode.decode(&[0, 0, 0, 0, 7, 54]), Ok(27));
    }
    assert_eq!(schemas.asked.load(Ordering::Relaxed), 2);
    let refused = decode.decode(&[0, 0, 0, 0, 9, 54]).unwrap_err();
    assert!(refused.outage().is_none() && refused.reason() == "Avro: the schema 9 cannot be used: no JSON");
}

#[test]
fn schemas_may_name_types_of_others_and_those_of_further_ones() {
    let order = r#"{"type": "record", "name": "Order", "namespace": "com.shop", "fields": [
        {"name": "customer", "type": "com.people.Customer"}, {"name": "again", "type": ["null", "com.people.Customer"]}]}"#;
    let customer = r#"{"type": "record", "name": "Customer", "namespace": "com.people", "fields": [
        {"name": "at", "type": "Address"}]}"#;
    let address = r#"{"type": "record", "name": "Address", "namespace": "com.people", "fields": [{"name": "city", "type": "string"}]}"#;
    #[derive(Debug, PartialEq, Deserialize)]
    struct Order {
        customer: Customer,
        again: Option<Customer>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Customer {
        at: Address,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Address {
        city: String,
    }
    let person = |city: &str| Customer { at: Address { city: city.to_owned() } };
    for others in [[customer, address], [address, customer]] {
        let schema = AvroSchema::parse_with(order, &others).unwrap();
        let body = [text("Oslo"), vec![2], text("Bern")].concat();
        assert_eq!(read(schema, &body), Ok(Order { customer: person("Oslo"), again: Some(person("Bern")) }));
    }
    let error = AvroSchema::parse_with(order, &[customer]).unwrap_err();
    assert!(error.to_string().contains("Address"), "{error}");
    assert!(AvroSchema::parse("{").unwrap_err().to_string().contains("it is no Avro schema"));
}
