use std::collections::BTreeMap;

use firesteel_state::TypeTag;
use firesteel_window::Window;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Payment {
    card: u64,
    amount: f64,
    note: Option<String>,
    at: (i16, i64, u8),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Started,
    Paid(Payment),
    Moved(i8, f32, char),
    Named { name: String, of: Vec<Event> },
    Many(Vec<Option<Event>>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tree {
    value: i128,
    children: Vec<Tree>,
    by_name: BTreeMap<String, Tree>,
    first: Option<Box<Tree>>,
    last: u128,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapper(u32);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nothing;

fn shape<T: DeserializeOwned>() -> Shape {
    TypeTag::of::<T>().shape.parse().unwrap()
}

/// What the decoder makes of a value's bytes is what JSON makes of the value.
fn check<T: Serialize + DeserializeOwned>(value: &T) {
    let bytes = postcard::to_allocvec(value).unwrap();
    let decoded = shape::<T>().decode(&bytes);
    assert_eq!(serde_json::to_string(&decoded).unwrap(), serde_json::to_string(value).unwrap(), "{decoded}");
    assert!(!decoded.is_partial());
}

fn payment() -> impl Strategy<Value = Payment> {
    let strategy = (any::<u64>(), any::<f64>(), any::<Option<String>>(), any::<(i16, i64, u8)>());
    strategy.prop_map(|(card, amount, note, at)| Payment { card, amount, note, at })
}

fn event() -> impl Strategy<Value = Event> {
    let leaf = prop_oneof![
        Just(Event::Started),
        payment().prop_map(Event::Paid),
        any::<(i8, f32, char)>().prop_map(|(a, b, c)| Event::Moved(a, b, c)),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            (any::<String>(), prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(name, of)| Event::Named { name, of }),
            prop::collection::vec(prop::option::of(inner), 0..4).prop_map(Event::Many),
        ]
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<(i128, u128)>().prop_map(|(value, last)| Tree {
        value,
        children: vec![],
        by_name: BTreeMap::new(),
        first: None,
        last,
    });
    leaf.prop_recursive(4, 20, 3, |inner| {
        let parts = (
            any::<(i128, u128)>(),
            prop::collection::vec(inner.clone(), 0..3),
            prop::collection::btree_map(any::<String>(), inner.clone(), 0..3),
            prop::option::of(inner),
        );
        parts.prop_map(|((value, last), children, by_name, first)| Tree {
            value,
            children,
            by_name,
            first: first.map(Box::new),
            last,
        })
    })
}

proptest! {
    #[test]
    fn a_struct_is_read(payment in payment()) {
        check(&payment);
    }

    #[test]
    fn an_enum_is_read_whichever_variant_it_is(event in event()) {
        check(&event);
        check(&(7u8, Some(event), "after".to_owned()));
    }

    #[test]
    fn a_type_that_contains_itself_is_read(tree in tree()) {
        check(&tree);
    }

    #[test]
    fn numbers_texts_and_collections_are_read(
        numbers: (u8, u16, u32, u64, u128),
        signed: (i8, i16, i32, i64, i128),
        floats: (f32, f64),
        others: (bool, char, String, Option<Option<u8>>, [u16; 3]),
        texts: BTreeMap<String, Vec<(bool, u8)>>,
        counts: BTreeMap<i32, ()>,
    ) {
        check(&numbers);
        check(&signed);
        check(&floats);
        check(&others);
        check(&(texts, counts));
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        for shape in [shape::<Event>(), shape::<Tree>(), shape::<Payment>(), shape::<Vec<()>>(), Shape::Unknown] {
            let shown = shape.decode(&bytes);
            assert!(!serde_json::to_string(&shown).unwrap().is_empty());
        }
    }
}

#[test]
fn times_are_read_as_times() {
    let at = Timestamp::from_micros(1_600_000_000_000_001);
    check(&(at, Timestamp::MIN, Timestamp::MAX, Duration::secs(-90), Some(Window::new(at, at + Duration::secs(5)))));
    let shown = shape::<(Timestamp, Duration)>().decode(&postcard::to_allocvec(&(at, Duration::secs(90))).unwrap());
    assert_eq!(shown.to_string(), "(2020-09-13T12:26:40.000001Z, 1m 30s)");
    check(&BTreeMap::from([(at, 1u8)]));
}

#[test]
fn wrappers_and_units_are_read() {
    check(&Wrapper(9));
    check(&(Nothing, (), Wrapper(1)));
    check(&vec![(); 5]);
}

#[test]
fn maps_with_keys_that_are_no_names_are_pairs() {
    let map = BTreeMap::from([((1u8, 2u8), "a".to_owned())]);
    let bytes = postcard::to_allocvec(&map).unwrap();
    let decoded = shape::<BTreeMap<(u8, u8), String>>().decode(&bytes);
    assert_eq!(serde_json::to_string(&decoded).unwrap(), r#"[[[1,2],"a"]]"#);
    assert_eq!(decoded.to_string(), r#"{(1, 2): "a"}"#);
}

#[test]
fn what_does_not_fit_is_shown_as_bytes() {
    let shape = shape::<Payment>();
    let whole = postcard::to_allocvec(&(1u8, 2.0f64, None::<String>, (0u8, 0u8, 0u8))).unwrap();
    assert!(!shape.decode(&whole).is_partial());
    for bytes in [&whole[..whole.len() - 1], &[&whole[..], &[0]].concat()] {
        assert_eq!(shape.decode(bytes), Value::Undecoded(bytes.to_vec()));
    }
    assert_eq!(shape.decode(&[255; 3]).to_string(), "0xffffff");
    assert!("<A|B>".parse::<Shape>().unwrap().decode(&[2]).is_partial());
    assert!("?u8".parse::<Shape>().unwrap().decode(&[2, 0]).is_partial());
    assert!("[()]".parse::<Shape>().unwrap().decode(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]).is_partial());
    let endless: Shape = "Pair{first: Pair…}".parse().unwrap();
    assert!(endless.decode(&[]).is_partial());
}

#[test]
fn a_shape_that_was_cut_shows_what_comes_before() {
    let shape: Shape = "{card: u64, step: <A|B: …>, more: u8}".parse().unwrap();
    let shown = shape.decode(&[7, 1, 0xAB, 0xCD]);
    assert_eq!(shown.to_string(), "{card: 7, step: B(0xabcd)}");
    assert!(shown.is_partial());
    assert_eq!(shape.decode(&[7, 0, 9]).to_string(), "{card: 7, step: A, more: 9}");
    assert_eq!(serde_json::to_string(&shown).unwrap(), r#"{"card":7,"step":{"B":{"hex":"abcd"}}}"#);
}

#[test]
fn values_read_as_people_write_them() {
    let event = Event::Named { name: "a \"b\"".into(), of: vec![Event::Started, Event::Moved(-1, 1.5, 'x')] };
    let shown = shape::<Event>().decode(&postcard::to_allocvec(&event).unwrap());
    assert_eq!(shown.to_string(), r#"Named {name: "a \"b\"", of: [Started, Moved(-1, 1.5, "x")]}"#);
    assert_eq!(Value::Text("a \"b\"".into()).plain(), "a \"b\"");
}
