use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::of;

#[derive(Serialize, Deserialize)]
struct Payment {
    card: u64,
    amount: f64,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum Step {
    Start,
    Paid(Payment),
}

#[derive(Serialize, Deserialize)]
enum First {
    Paid { card: u64 },
    Other,
}

#[derive(Serialize, Deserialize)]
struct Tree {
    value: u8,
    children: Vec<Tree>,
}

#[derive(Serialize, Deserialize)]
struct List {
    value: u8,
    next: Option<Box<List>>,
}

#[derive(Serialize, Deserialize)]
struct Wrapper(u32);

#[test]
fn a_shape_names_what_is_read() {
    assert_eq!(of::<u64>(), "u64");
    assert_eq!(of::<(String, i8)>(), "(str, i8)");
    assert_eq!(of::<Payment>(), "{card: u64, amount: f64, note: ?str}");
    assert_eq!(of::<Vec<Option<Payment>>>(), "[?{card: u64, amount: f64, note: ?str}]");
    assert_eq!(of::<BTreeMap<String, HashSet<u8>>>(), "[str: [u8]]");
    assert_eq!(of::<[u16; 3]>(), "(u16, u16, u16)");
    assert_eq!(of::<Wrapper>(), "u32");
    assert_eq!(of::<NonZeroU32>(), "u32");
    assert_eq!(of::<firesteel_window::Timestamp>(), "i64");
}

#[test]
fn an_enum_shows_its_variants_and_the_first_ones_contents() {
    assert_eq!(of::<Step>(), "<Start|Paid>");
    assert_eq!(of::<First>(), "<Paid|Other>{card: u64}");
}

#[test]
fn a_type_that_contains_itself_ends_somewhere() {
    assert_eq!(of::<Tree>(), "{value: u8, children: [Tree…]}");
    assert_eq!(of::<List>(), "{value: u8, next: ?List……");
}

#[test]
fn a_type_that_needs_to_know_what_comes_is_marked() {
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
        Text(String),
    }
    assert_eq!(of::<Either>(), "?…");
}
