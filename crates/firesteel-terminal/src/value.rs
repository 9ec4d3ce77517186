//! A result record as a tree of values, whatever its type.
//!
//! `serde_json::Value` would do almost: it cannot tell a tuple from a list, which decides about columns, nor write a
//! 32-bit float as short as it is.

mod serializer;

use std::borrow::Cow;

use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

pub(crate) use serializer::NotARecord;

/// The name of a field.
pub(crate) type Name = Cow<'static, str>;

/// A value of serde's data model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Unsigned(u128),
    Float32(f32),
    Float64(f64),
    Text(String),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    /// Fields that the type declares.
    Struct(Vec<(Name, Value)>),
    /// Fields that only the data knows.
    Map(Vec<(Name, Value)>),
}

impl Value {
    /// The value of a record.
    pub(crate) fn of(record: &(impl Serialize + ?Sized)) -> Result<Self, NotARecord> {
        record.serialize(serializer::ToValue)
    }

    /// The record's fields: its own, `key` and `value` of a pair, a number for each part of a longer tuple, and `value`
    /// for everything that has no parts.
    pub(crate) fn into_fields(self) -> Vec<(Name, Value)> {
        match self {
            Self::Struct(fields) | Self::Map(fields) => fields,
            Self::Tuple(parts) if parts.len() == 2 => {
                [Name::from("key"), Name::from("value")].into_iter().zip(parts).collect()
            }
            Self::Tuple(parts) => numbered(parts).collect(),
            other => vec![(Name::from("value"), other)],
        }
    }
}

/// The parts of a tuple under their numbers, as Rust counts them.
pub(crate) fn numbered(parts: Vec<Value>) -> impl Iterator<Item = (Name, Value)> {
    parts.into_iter().enumerate().map(|(number, part)| (Name::from(number.to_string()), part))
}

/// Writes fields as one object.
pub(crate) struct Object<'a>(pub(crate) &'a [(Name, Value)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => match i64::try_from(*value) {
                Ok(value) => serializer.serialize_i64(value),
                Err(_) => serializer.serialize_i128(*value),
            },
            Self::Unsigned(value) => match u64::try_from(*value) {
                Ok(value) => serializer.serialize_u64(value),
                Err(_) => serializer.serialize_u128(*value),
            },
            Self::Float32(value) => float(f64::from(*value), serializer, |serializer| serializer.serialize_f32(*value)),
            Self::Float64(value) => float(*value, serializer, |serializer| serializer.serialize_f64(*value)),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) | Self::Tuple(items) => serializer.collect_seq(items),
            Self::Struct(fields) | Self::Map(fields) => Object(fields).serialize(serializer),
        }
    }
}

/// A float as a number. JSON has no numbers for infinities and for what is none: those are texts, as Spark writes them,
/// so that nobody takes them for a value that is missing.
fn float<S: Serializer>(
    value: f64,
    serializer: S,
    number: impl FnOnce(S) -> Result<S::Ok, S::Error>,
) -> Result<S::Ok, S::Error> {
    match value {
        f64::INFINITY => serializer.serialize_str("Infinity"),
        f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
        value if value.is_nan() => serializer.serialize_str("NaN"),
        _ => number(serializer),
    }
}

/// The text of a map's key.
fn key_text(key: Value) -> Result<String, NotARecord> {
    match key {
        Value::Bool(key) => Ok(key.to_string()),
        Value::Int(key) => Ok(key.to_string()),
        Value::Unsigned(key) => Ok(key.to_string()),
        Value::Text(key) => Ok(key),
        other => Err(NotARecord::custom(format_args!(
            "a map has the key {}; keys that are shown must be texts or whole numbers",
            serde_json::to_string(&other).unwrap_or_default(),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::{Object, Value};

    #[derive(Serialize)]
    struct Inner {
        start: u64,
        name: Option<&'static str>,
    }

    #[derive(Serialize)]
    enum Kind {
        Plain,
        Wrapped(i32),
        Pair(i32, i32),
        Named { depth: f32 },
    }

    #[track_caller]
    fn json(record: impl Serialize, expected: &str) {
        let fields = Value::of(&record).unwrap().into_fields();
        assert_eq!(serde_json::to_string(&Object(&fields)).unwrap(), expected);
    }

    #[test]
    fn records_become_objects() {
        json(Inner { start: 7, name: None }, r#"{"start":7,"name":null}"#);
        json(BTreeMap::from([(1, "a"), (2, "b")]), r#"{"1":"a","2":"b"}"#);
        json(("the", 3), r#"{"key":"the","value":3}"#);
        json((Inner { start: 7, name: Some("n") }, 3), r#"{"key":{"start":7,"name":"n"},"value":3}"#);
        json((1, 'x', true), r#"{"0":1,"1":"x","2":true}"#);
    }

    #[test]
    fn what_has_no_fields_is_a_value() {
        json("line", r#"{"value":"line"}"#);
        json(-5, r#"{"value":-5}"#);
        json(vec![1, 2], r#"{"value":[1,2]}"#);
        json((), r#"{"value":null}"#);
        json(Some(true), r#"{"value":true}"#);
    }

    #[test]
    fn numbers_stay_what_they_are() {
        json(0.1_f32, r#"{"value":0.1}"#);
        json(0.1_f64 + 0.2, r#"{"value":0.30000000000000004}"#);
        json(u128::MAX, r#"{"value":340282366920938463463374607431768211455}"#);
        json(i128::MIN, r#"{"value":-170141183460469231731687303715884105728}"#);
    }

    #[test]
    fn what_is_no_number_is_told_from_what_is_missing() {
        json((f64::NAN, None::<f64>), r#"{"key":"NaN","value":null}"#);
        json((f32::INFINITY, f64::NEG_INFINITY), r#"{"key":"Infinity","value":"-Infinity"}"#);
    }

    #[test]
    fn variants_are_written_as_json_does() {
        json(Kind::Plain, r#"{"value":"Plain"}"#);
        json(Kind::Wrapped(1), r#"{"Wrapped":1}"#);
        json(Kind::Pair(1, 2), r#"{"Pair":[1,2]}"#);
        json(Kind::Named { depth: 1.5 }, r#"{"Named":{"depth":1.5}}"#);
    }

    #[test]
    fn a_key_without_a_text_is_refused() {
        let error = Value::of(&BTreeMap::from([(vec![1], 2)])).unwrap_err();
        assert!(error.to_string().contains("a map has the key [1]"), "{error}");
    }
}
