//! The same of formats whose files have a schema.

use std::io::Read;
use std::sync::Arc;

use apache_avro::types::Value;
use apache_avro::{Schema, Writer};
use bytes::Bytes;
use firesteel_connect::Decode;
use firesteel_formats::{Avro, Csv, Format, Json, Parquet, Protobuf, WriteFormat, Writing, epoch_time};
use firesteel_window::Timestamp;
use prost::Message;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::common::{in_pieces, items};

/// What a program wants.
#[derive(Clone, PartialEq, Message, Deserialize)]
struct Wanted {
    #[prost(int64, tag = "1")]
    number: i64,
    #[prost(uint64, tag = "2")]
    large: u64,
    #[prost(uint32, tag = "3")]
    small: u32,
    #[prost(double, tag = "4")]
    ratio: f64,
    #[prost(string, tag = "5")]
    text: String,
    #[prost(uint32, optional, tag = "6")]
    maybe: Option<u32>,
}

/// What a file has: wider numbers, in another order.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Written {
    maybe: Option<i64>,
    text: String,
    large: i64,
    number: i64,
    ratio: f64,
    small: i64,
}

const SCHEMA: &str = r#"{"type": "record", "name": "Wanted", "fields": [
    {"name": "maybe", "type": ["null", "long"]}, {"name": "text", "type": "string"}, {"name": "large", "type": "long"},
    {"name": "number", "type": "long"}, {"name": "ratio", "type": "double"}, {"name": "small", "type": "long"}
]}"#;

fn parquet<W, R>(record: &W) -> Result<R, String>
where
    W: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + Send + 'static,
{
    let (mut writing, mut file) = (WriteFormat::<W>::begin(&Parquet::<W>::new()), vec![]);
    writing.write(record, &mut file).unwrap();
    Writing::<W>::end(&mut writing, &mut file).unwrap();
    let table = Parquet::<R>::new().table(Arc::new(Bytes::from(file))).unwrap();
    let row = table.map_err(|error| error.to_string())?.row(0, 1).unwrap().unwrap();
    row.item.map_err(|refused| refused.undecodable.reason().to_owned())
}

/// What a type of ours writes, and another one reads.
fn own<W, R>(record: &W) -> Result<R, String>
where
    W: Serialize + DeserializeOwned + 'static,
    R: DeserializeOwned + Send + 'static,
{
    let (mut writing, mut file) = (WriteFormat::<W>::begin(&Avro::<W>::new()), vec![]);
    writing.write(record, &mut file).unwrap();
    Writing::<W>::end(&mut writing, &mut file).unwrap();
    let mut bytes = vec![];
    Avro::<R>::new().unpack(Box::new(std::io::Cursor::new(file))).unwrap().read_to_end(&mut bytes).unwrap();
    items(in_pieces(&Avro::<R>::new(), &bytes, 100, usize::MAX)).remove(0)
}

fn avro<R: DeserializeOwned + Send + 'static>(schema: &str, fields: Vec<(String, Value)>) -> Result<R, String> {
    let schema = Schema::parse_str(schema).unwrap();
    let mut writer = Writer::new(&schema, vec![]).unwrap();
    writer.append_value_ref(&Value::Record(fields)).unwrap();
    let mut bytes = vec![];
    let file = std::io::Cursor::new(writer.into_inner().unwrap());
    Avro::<R>::new().unpack(Box::new(file)).unwrap().read_to_end(&mut bytes).unwrap();
    items(in_pieces(&Avro::<R>::new(), &bytes, 100, usize::MAX)).remove(0)
}

fn json<R: DeserializeOwned + Send + 'static>(text: &str) -> Result<R, String> {
    Json::<R>::new().decode(text.as_bytes()).map_err(|refused| refused.reason().to_owned())
}

fn csv<R: DeserializeOwned + Send + 'static>(text: &str) -> Result<R, String> {
    items(in_pieces(&Csv::<R>::new(), text.as_bytes(), 7, usize::MAX)).remove(0)
}

/// The record from each format.
fn read(of: &Written) -> [(&'static str, Result<Wanted, String>); 5] {
    let Written { maybe, text, large, number, ratio, small } = of.clone();
    let maybe_text = maybe.map_or_else(String::new, |maybe| maybe.to_string());
    let row = format!("text,maybe,large,number,ratio,small\n{text},{maybe_text},{large},{number},{ratio},{small}\n");
    let in_union =
        maybe.map_or(Value::Union(0, Box::new(Value::Null)), |maybe| Value::Union(1, Box::new(Value::Long(maybe))));
    let fields = [
        ("maybe", in_union),
        ("text", Value::String(text)),
        ("large", Value::Long(large)),
        ("number", Value::Long(number)),
        ("ratio", Value::Double(ratio)),
        ("small", Value::Long(small)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    [
        ("JSON", json(&serde_json::to_string(of).unwrap())),
        ("CSV", csv(&row)),
        ("Avro", avro(SCHEMA, fields)),
        ("Avro, written by us", own(of)),
        ("Parquet", parquet(of)),
    ]
}

#[test]
fn one_type_is_equal_from_every_format() {
    for of in [
        Written { maybe: None, text: "ünï".to_owned(), large: i64::MAX, number: i64::MIN, ratio: 0.1, small: 0 },
        Written {
            maybe: Some(4_294_967_295),
            text: String::new(),
            large: 9_007_199_254_740_993,
            number: -9_007_199_254_740_993,
            ratio: 5e-324,
            small: 4_294_967_295,
        },
        Written { maybe: Some(0), text: "a".to_owned(), large: 0, number: 0, ratio: -0.0, small: 7 },
    ] {
        let expected = Wanted {
            number: of.number,
            large: of.large as u64,
            small: of.small as u32,
            ratio: of.ratio,
            text: of.text.clone(),
            maybe: of.maybe.map(|maybe| maybe as u32),
        };
        for (format, read) in read(&of) {
            let read = read.unwrap();
            assert_eq!((&read, read.ratio.to_bits()), (&expected, expected.ratio.to_bits()), "{format}");
        }
        let message = Protobuf::<Wanted>::new().decode(&expected.encode_to_vec()).unwrap();
        // What is equal to the default is not written: so zero loses its sign, as the library sees it.
        assert_eq!(message, expected, "Protobuf");
    }
}

#[test]
fn what_does_not_fit_is_refused_by_every_format() {
    let good = Written { maybe: None, text: String::new(), large: 1, number: 1, ratio: 1.0, small: 1 };
    for (field, bad) in [
        ("large", Written { large: -1, ..good.clone() }),
        ("small", Written { small: -1, ..good.clone() }),
        ("small", Written { small: 1 << 32, ..good.clone() }),
        ("maybe", Written { maybe: Some(-1), ..good.clone() }),
    ] {
        for (format, read) in read(&bad) {
            let error = read.expect_err(format);
            assert!(error.contains(field), "{format}: {error}");
        }
    }
}

#[test]
fn a_time_is_the_same_whatever_its_unit_is_in_the_file() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Millis {
        #[serde(with = "epoch_time::millis")]
        at: Timestamp,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Micros {
        #[serde(with = "epoch_time::micros")]
        at: Timestamp,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Own {
        at: Timestamp,
    }
    for millis in [0, -1, 1_738_324_800_250, -62_135_596_800_000] {
        let at = Timestamp::from_millis(millis);
        assert_eq!(json(&format!("{{\"at\":{millis}}}")), Ok(Millis { at }));
        assert_eq!(csv(&format!("at\n{millis}\n")), Ok(Millis { at }));
        assert_eq!(json(&format!("{{\"at\":\"{at}\"}}")), Ok(Own { at }));
        let schema = r#"{"type": "record", "name": "Millis", "fields": [
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"#;
        assert_eq!(avro(schema, vec![("at".to_owned(), Value::TimestampMillis(millis))]), Ok(Millis { at }));
        // A column has a unit of its own, and a field may ask for another.
        assert_eq!(parquet(&Millis { at }), Ok(Millis { at }));
        assert_eq!(parquet(&Millis { at }), Ok(Micros { at }));
        assert_eq!(parquet(&Micros { at }), Ok(Millis { at }));
        assert_eq!(parquet(&Own { at }), Ok(Micros { at }));
        assert_eq!(parquet(&Millis { at }), Ok(Own { at }));
        assert_eq!(own(&Millis { at }), Ok(Micros { at }));
        assert_eq!(own(&Micros { at }), Ok(Millis { at }));
        assert_eq!(own(&Own { at }), Ok(Micros { at }));
        assert_eq!(own(&Millis { at }), Ok(Own { at }));
    }
    let fraction = Micros { at: Timestamp::from_micros(1) };
    let refused = parquet::<_, Millis>(&fraction).unwrap_err();
    assert!(refused.starts_with("Parquet: column at: the time has a fraction of the unit"), "{refused}");
    let refused = own::<_, Millis>(&fraction).unwrap_err();
    assert!(refused.starts_with("Avro: field at: the time has a fraction of the unit"), "{refused}");
}
