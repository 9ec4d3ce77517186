//! Files by a schema that is given.

use std::collections::BTreeMap;

use firesteel_formats::Avro;
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{read, records, try_written};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    at: Timestamp,
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    note: Option<String>,
    tags: Vec<String>,
}

fn row(millis: i64) -> Row {
    Row { at: Timestamp::from_millis(millis), id: 7, note: None, tags: vec!["a".to_owned(), String::new()] }
}

/// With the fields in another order, and one that the type lacks.
const SCHEMA: &str = r#"{"type": "record", "name": "Other", "namespace": "com.example", "fields": [
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "note", "type": ["null", "string"]},
    {"name": "ratio", "type": "double", "default": 1},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "default": "B"},
    {"name": "id", "type": "int"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"#;

#[test]
fn fields_go_to_their_places_and_those_that_are_lacking_have_their_default() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Full {
        ratio: f64,
        kind: String,
        id: u8,
    }
    let rows: Vec<_> = [0, -1, 1 << 40].map(row).to_vec();
    let file = try_written(&Avro::<Row>::new().written_as(SCHEMA), &rows).unwrap();
    assert_eq!(records::<Row>(&file), rows);
    assert_eq!(records::<Full>(&file)[0], Full { ratio: 1.0, kind: "B".to_owned(), id: 7 });
    assert_eq!(apache_avro::Reader::new(&file[..]).unwrap().map(Result::unwrap).count(), 3);
}

#[test]
fn what_does_not_fit_is_refused_and_the_field_is_named() {
    let refused = |schema: &str, row: Row| try_written(&Avro::<Row>::new().written_as(schema), &[row]).unwrap_err();
    let fraction = Row { at: Timestamp::from_micros(1), ..row(0) };
    assert!(refused(SCHEMA, fraction).starts_with("Avro: field at: the time has a fraction of the schema's unit"));
    let without = SCHEMA.replace("\"name\": \"id\"", "\"name\": \"number\"");
    assert!(
        refused(&without, row(0)).starts_with("Avro: field id: the record has such a field, and the schema has none")
    );
    let without = SCHEMA.replace(", \"default\": 1", "");
    assert!(refused(&without, row(0)).starts_with("Avro: field ratio: the record has no such field"));
    let large = Row { id: u32::MAX, ..row(0) };
    assert_eq!(
        refused(SCHEMA, large),
        "Avro: field id: the integer 4294967295 does not go into the schema, which has an int there"
    );
    let plain = SCHEMA.replace(r#"{"type": "long", "logicalType": "timestamp-millis"}"#, "\"long\"");
    assert!(refused(&plain, row(0)).starts_with("Avro: field at: a time does not go into the schema"), "of what unit?");
    assert!(refused("{", row(0)).starts_with("Avro: "));
}

#[test]
fn a_branch_of_a_union_is_the_one_that_the_value_fits() {
    let schema = r#"{"type": "record", "name": "R", "fields": [{"name": "it", "type": ["string", "null", "double",
        "int", "long", {"type": "array", "items": "long"}, {"type": "map", "values": ["null", "boolean"]}]}]}"#;
    let values = [
        json!(null),
        json!("x"),
        json!(1),
        json!(1_i64 << 40),
        json!(-0.5),
        json!([1, 2]),
        json!({"a": true, "b": null}),
    ];
    let rows: Vec<_> = values.iter().map(|value| BTreeMap::from([("it".to_owned(), value.clone())])).collect();
    let file = try_written(&Avro::<BTreeMap<String, serde_json::Value>>::new().written_as(schema), &rows).unwrap();
    assert_eq!(records::<BTreeMap<String, serde_json::Value>>(&file), rows);
    let branches: Vec<_> = apache_avro::Reader::new(&file[..])
        .unwrap()
        .map(|record| match record.unwrap() {
            apache_avro::types::Value::Record(fields) => match fields[0].1 {
                apache_avro::types::Value::Union(branch, _) => branch,
                _ => panic!("a union"),
            },
            _ => panic!("a record"),
        })
        .collect();
    assert_eq!(branches, [1, 0, 3, 4, 2, 5, 6]);
}

#[test]
fn flattened_types_and_types_without_end_are_written_by_a_schema() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Outer {
        id: u8,
        #[serde(flatten)]
        rest: Rest,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Rest {
        more: Vec<Outer>,
        text: String,
    }
    let schema = r#"{"type": "record", "name": "Outer", "fields": [{"name": "text", "type": "string"},
        {"name": "more", "type": {"type": "array", "items": "Outer"}}, {"name": "id", "type": "int"}]}"#;
    let leaf = |id| Outer { id, rest: Rest { more: vec![], text: format!("text {id}") } };
    let tree = Outer { id: 1, rest: Rest { more: vec![leaf(2), leaf(3)], text: String::new() } };
    let file = try_written(&Avro::<Outer>::new().written_as(schema), std::slice::from_ref(&tree)).unwrap();
    assert_eq!(read::<Outer>(&file), [Ok(tree)]);
    // Deeper than is read, nothing is written.
    let deep =
        (0..130).fold(leaf(0), |inner, _| Outer { id: 0, rest: Rest { more: vec![inner], text: String::new() } });
    let refused = try_written(&Avro::<Outer>::new().written_as(schema), &[deep]).unwrap_err();
    assert!(refused.contains("nested more than 128 deep"), "{refused}");
}
