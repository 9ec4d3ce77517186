//! JSON: what is read, what is refused and how that is told, and that what was written is read as it was.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::collections::BTreeMap;

use common::in_pieces;
use firesteel_connect::{Decode, Encode};
use firesteel_formats::Json;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Click {
    user: String,
    ad: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Nothing,
    Number(i64),
    Pair { left: f64, right: Option<Box<Kind>> },
}

/// All that a record may have in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct All {
    text: String,
    letter: char,
    yes: bool,
    small: i8,
    large: u64,
    signed: i64,
    huge: i128,
    double: f64,
    single: f32,
    maybe: Option<f64>,
    list: Vec<Option<String>>,
    names: BTreeMap<String, u64>,
    pair: (u8, String),
    kind: Kind,
}

fn kind() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![Just(Kind::Nothing), any::<i64>().prop_map(Kind::Number)];
    leaf.prop_recursive(4, 8, 1, |inner| {
        (finite(), proptest::option::of(inner))
            .prop_map(|(left, right)| Kind::Pair { left, right: right.map(Box::new) })
    })
}

fn finite() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("a number", |number| number.is_finite())
}

prop_compose! {
    fn all()(
        text in "\\PC*|[\"\\\\\n\r\t\u{0}\u{2028}/]*",
        letter in any::<char>(),
        yes in any::<bool>(),
        small in any::<i8>(),
        large in any::<u64>(),
        (signed, huge) in any::<(i64, i128)>(),
        double in finite(),
        single in any::<u32>().prop_map(f32::from_bits).prop_filter("a number", |number| number.is_finite()),
        maybe in proptest::option::of(finite()),
        list in vec(proptest::option::of(".*"), 0..4),
        names in btree_map(".*", any::<u64>(), 0..3),
        pair in (any::<u8>(), ".*"),
        kind in kind(),
    ) -> All {
        All { text, letter, yes, small, large, signed, huge, double, single, maybe, list, names, pair, kind }
    }
}

fn refusal<T: DeserializeOwned + Send + 'static>(text: impl AsRef<[u8]>) -> String {
    match Json::<T>::new().decode(text.as_ref()) {
        Ok(_) => panic!("it is taken"),
        Err(refused) => refused.reason().to_owned(),
    }
}

fn unwritten<T: Serialize + 'static>(record: &T) -> String {
    Json::new().encode(record, &mut vec![]).unwrap_err().reason().to_owned()
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_field() {
    let cases: [(&[u8], &str); 9] = [
        (br#"{"user":"a","ad":"x"}"#, r#"line 1 column 20: invalid type: string "x", expected u32, at field ad"#),
        (br#"{"user":"a","ad":-1}"#, "line 1 column 19: invalid value: integer `-1`, expected u32, at field ad"),
        (
            br#"{"user":"a","ad":4294967296}"#,
            "line 1 column 27: invalid value: integer `4294967296`, expected u32, at field ad",
        ),
        (
            br#"{"user":"a","ad":1.0}"#,
            "line 1 column 20: invalid type: floating point `1.0`, expected u32, at field ad",
        ),
        (br#"{"ad":1}"#, "line 1 column 8: missing field `user`"),
        (br#"{"user":"a","ad":1"#, "line 1 column 18: EOF while parsing an object"),
        (br#"{"user":"a","ad":1} {}"#, "line 1 column 21: trailing characters"),
        (br#"{"user":"a","ad":1,"ad":2}"#, "line 1 column 23: duplicate field `ad`"),
        (b"", "line 1 column 0: EOF while parsing a value"),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal::<Click>(text), format!("JSON: {expected}"));
    }
    assert_eq!(refusal::<Click>(b"{\"user\":\"caf\xe9\"}"), "JSON: byte 12 of the record is not UTF-8");
    // Also where the type does not look.
    assert_eq!(
        refusal::<Click>(b"{\"user\":\"a\",\"ad\":1,\"x\":\"\xe9\"}"),
        "JSON: byte 24 of the record is not UTF-8"
    );
    let nested = r#"{"text":"","kind":{"Pair":{"left":1,"right":{"Number":"x"}}}}"#;
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct Nested {
        kind: Kind,
    }
    let reason = refusal::<Nested>(nested);
    assert!(reason.ends_with(r#"invalid type: string "x", expected i64, at field kind.Pair.right.Number"#), "{reason}");
}

#[test]
fn a_number_that_a_double_cannot_hold_and_a_depth_that_a_stack_cannot_are_refused() {
    assert!(refusal::<f64>("1e400").contains("number out of range"));
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    assert!(refusal::<serde_json::Value>(&deep).contains("recursion limit exceeded"));
    // What is not looked at takes no stack.
    let click = format!(r#"{{"user":"a","deep":{deep},"ad":1}}"#);
    let read = Json::<Click>::new().decode(click.as_bytes());
    assert!(read.is_ok() || read.unwrap_err().reason().contains("recursion limit exceeded"));
}

#[test]
fn a_byte_order_mark_before_the_first_record_is_none_of_it() {
    let click = Json::<Click>::new().decode("\u{feff}{\"user\":\"a\",\"ad\":1}".as_bytes()).unwrap();
    assert_eq!(click.ad, 1);
    assert_eq!(refusal::<Click>("\u{feff}{"), "JSON: line 1 column 1: EOF while parsing an object");
}

#[test]
fn a_number_that_is_none_is_not_written_and_the_field_is_named() {
    #[derive(Serialize)]
    struct Ratio {
        name: &'static str,
        nothing: Option<u8>,
        parts: Vec<(u8, f32)>,
    }
    let ratio = |number| Ratio { name: "a", nothing: None, parts: vec![(1, 0.5), (2, number)] };
    let advice = "has no form in JSON; make the field an Option, or leave such records out";
    assert_eq!(unwritten(&ratio(f32::NAN)), format!("JSON: at field parts[1][1]: NaN {advice}"));
    assert_eq!(unwritten(&f64::NEG_INFINITY), format!("JSON: -inf {advice}"));
    let mut out = vec![];
    Json::new().encode(&ratio(1.5), &mut out).unwrap();
    assert_eq!(out, br#"{"name":"a","nothing":null,"parts":[[1,0.5],[2,1.5]]}"#);
    // What is no number among the keys of an object.
    assert!(unwritten(&BTreeMap::from([(vec![1], 2)])).contains("key must be a string"));
}

#[test]
fn blank_lines_are_no_records() {
    let text = b"\n{\"user\":\"a\",\"ad\":1}\r\n \t\r\n\n{\"user\":\"b\",\"ad\":2}\n\n";
    for piece in 1..text.len() {
        let read = in_pieces(&Json::<Click>::new().lines(), text, piece, 100);
        let read: Vec<_> = read.into_iter().map(|(click, at)| (click.unwrap().ad, at)).collect();
        assert_eq!(read, [(1, 22), (2, 47)]);
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_as_it_was(records in vec(all(), 0..8)) {
        let (json, mut out) = (Json::<All>::new(), vec![]);
        for record in &records {
            json.encode(record, &mut out).unwrap();
            out.push(b'\n');
        }
        let read: Vec<All> =
            in_pieces(&json.lines(), &out, out.len().max(1), usize::MAX).into_iter().map(|(all, _)| all.unwrap()).collect();
        prop_assert_eq!(&read, &records);
        for (read, written) in read.iter().zip(&records) {
            prop_assert_eq!(read.double.to_bits(), written.double.to_bits());
            prop_assert_eq!(read.single.to_bits(), written.single.to_bits());
        }
    }

    #[test]
    fn a_record_and_a_refusal_are_the_same_whatever_comes_at_a_time(
        text in vec(prop_oneof![
            4 => Just(&b"{\"user\":\"a\",\"ad\":1}"[..]),
            1 => Just(&b"{\"user\":\"\xff\",\"ad\":1}"[..]),
            1 => Just(&b"{\"user\":\"a\"}"[..]),
            3 => Just(&b"\n"[..]),
            1 => Just(&b"\r\n"[..]),
            1 => Just(&b" "[..]),
        ], 0..12).prop_map(|parts| parts.concat()),
        piece in 1..40usize,
        longest in 1..60usize,
    ) {
        let lines = Json::<Click>::new().lines();
        prop_assert_eq!(in_pieces(&lines, &text, piece, longest), in_pieces(&lines, &text, text.len().max(1), longest));
    }
}
