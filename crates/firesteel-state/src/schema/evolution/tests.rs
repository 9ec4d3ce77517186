mod random;

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::read::read;
use super::*;
use crate::frame::TableId;
use crate::schema::TableKind;

/// The value as it is read under another type, and what is said of that.
fn evolve<A: Serialize + DeserializeOwned, B: DeserializeOwned>(value: &A) -> (B, Vec<String>) {
    let stored = TypeTag { name: String::new(), ..TypeTag::of::<A>() };
    let declared = TypeTag { name: String::new(), ..TypeTag::of::<B>() };
    let (plan, changes) = stored.plan(&declared).unwrap();
    let bytes = postcard::to_allocvec(value).unwrap();
    (read(&plan, &stored.shape.parse().unwrap(), &bytes).unwrap(), changes)
}

fn refused<A: DeserializeOwned, B: DeserializeOwned>() -> String {
    let stored = TypeTag { name: String::new(), ..TypeTag::of::<A>() };
    let declared = TypeTag { name: String::new(), ..TypeTag::of::<B>() };
    match stored.evolution(&declared) {
        Evolution::Refused { reason } => reason.split("; keep").next().unwrap().to_owned(),
        other => panic!("{stored} became {declared}: {other}"),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Address {
    street: String,
    zip: u32,
    floor: i8,
}

mod now {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Address {
        #[serde(alias = "zip")]
        pub(super) code: u64,
        pub(super) country: Option<String>,
        pub(super) street: Option<String>,
        #[serde(default = "one")]
        pub(super) persons: u8,
    }

    fn one() -> u8 {
        1
    }
}

fn old() -> Address {
    Address { street: "Main".into(), zip: 12_345, floor: -2 }
}

fn new() -> now::Address {
    now::Address { code: 12_345, country: None, street: Some("Main".into()), persons: 1 }
}

#[test]
fn fields_are_added_removed_renamed_reordered_and_widened() {
    let (address, changes) = evolve::<_, now::Address>(&old());
    assert_eq!(address, new());
    assert_eq!(
        changes,
        [
            "`street`: became an Option",
            "field `zip` renamed `code`",
            "`zip`: u32 widened to u64",
            "field `floor` removed",
            "field `country` added (none)",
            "field `persons` added (default)",
        ]
    );
    #[derive(Debug, PartialEq, Deserialize)]
    struct Turned {
        zip: u32,
        street: String,
    }
    let (turned, changes) = evolve::<_, Turned>(&old());
    assert_eq!(turned, Turned { zip: 12_345, street: "Main".into() });
    assert_eq!(changes, ["field `floor` removed", "fields reordered"]);
}

#[test]
fn the_rule_is_the_same_at_every_place() {
    fn check<A: Serialize + DeserializeOwned, B: DeserializeOwned + PartialEq + Debug>(old: A, new: B, place: &str) {
        let (value, changes) = evolve::<A, B>(&old);
        assert_eq!(value, new);
        assert!(changes.contains(&format!("{place}field `floor` removed")), "{changes:?}");
    }
    check(vec![old(), old()], vec![new(), new()], "`[]`: ");
    check((7u8, old(), "x".to_owned()), (7u8, new(), "x".to_owned()), "`1`: ");
    check([old(), old()], [new(), new()], "`0`: ");
    check(Some(old()), Some(new()), "");
    check(None::<Address>, None::<now::Address>, "");
    check(old(), Some(new()), "");
    check(BTreeMap::from([("a".to_owned(), old())]), BTreeMap::from([("a".to_owned(), new())]), "`[]`: ");
    check(vec![Some((old(), 1u8))], vec![Some((new(), 1u8))], "`[].0`: ");
    check(Box::new(old()), Box::new(new()), "");

    #[derive(Serialize, Deserialize)]
    enum Old {
        Nothing,
        At(Address),
        Between(u8, Address),
        In { place: Address, since: u32 },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum New {
        In {
            place: now::Address,
            since: u64,
            #[serde(default)]
            why: String,
        },
        Other,
        Nothing,
        Between(i16, now::Address),
        At(now::Address),
    }
    check(Old::At(old()), New::At(new()), "`At`: ");
    check(Old::Between(200, old()), New::Between(200, new()), "`Between.1`: ");
    let inside = New::In { place: new(), since: 9, why: String::new() };
    check(Old::In { place: old(), since: 9 }, inside, "`In.place`: ");
    let (nothing, changes) = evolve::<_, New>(&Old::Nothing);
    assert_eq!(nothing, New::Nothing);
    assert!(changes.contains(&"variant `Other` added".to_owned()), "{changes:?}");
    assert!(changes.contains(&"variants reordered".to_owned()), "{changes:?}");
}

#[test]
fn numbers_become_wider_and_never_narrower() {
    fn wider<A, B>(edges: &[A])
    where
        A: Serialize + DeserializeOwned + Copy,
        B: From<A> + DeserializeOwned + PartialEq + Debug,
    {
        for edge in edges {
            assert_eq!(evolve::<A, B>(edge).0, B::from(*edge));
        }
        assert!(refused::<B, A>().contains("does not fit"), "{}", refused::<B, A>());
    }
    macro_rules! all {
        ($($from:ident to $($to:ident)*;)*) => { $($(wider::<$from, $to>(&[$from::MIN, $from::MAX, 1 as $from]);)*)* };
    }
    all! {
        u8 to u16 u32 u64 u128 i16 i32 i64 i128;
        u16 to u32 u64 u128 i32 i64 i128;
        u32 to u64 u128 i64 i128;
        u64 to u128 i128;
        i8 to i16 i32 i64 i128;
        i16 to i32 i64 i128;
        i32 to i64 i128;
        i64 to i128;
        f32 to f64;
    }
    assert_eq!(refused::<u8, i8>(), "u8 does not fit i8");
    assert_eq!(refused::<i8, u64>(), "i8 does not fit u64");
    assert_eq!(refused::<u32, f64>(), "u32 does not fit f64");
    assert_eq!(refused::<i64, firesteel_window::Timestamp>(), "i64 does not fit time");
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    #[derive(Serialize, Deserialize)]
    struct Old {
        address: Inner<u64>,
        kinds: Vec<Kind>,
        by_name: BTreeMap<String, u8>,
    }
    #[derive(Serialize, Deserialize)]
    struct Inner<T> {
        zip: T,
    }
    #[derive(Serialize, Deserialize)]
    enum Kind {
        A,
        B(u8),
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Zip {
        address: Inner<u32>,
        kinds: Vec<Kind>,
        by_name: BTreeMap<String, u8>,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct NoDefault {
        address: Inner<u64>,
        kinds: Vec<Kind>,
        by_name: BTreeMap<String, u8>,
        more: u8,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Keys {
        by_name: BTreeMap<Option<String>, u8>,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Variants {
        kinds: Vec<OneKind>,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    enum OneKind {
        A,
    }
    assert_eq!(refused::<Old, Zip>(), "`address.zip`: u64 does not fit u32");
    assert_eq!(refused::<Old, NoDefault>(), "field `more` is new and has no default: mark it #[serde(default)]");
    assert_eq!(refused::<Old, Keys>(), "`by_name`: keys of a map do not evolve");
    let gone = "`kinds[]`: variant `B` is not there any more, and stored values may be of it";
    assert_eq!(refused::<Old, Variants>(), gone);
    assert_eq!(refused::<(u8, u8), (u8, u8, u8)>(), "a tuple of 2 does not fit a tuple of 3");
    assert_eq!(refused::<Option<u8>, u8>(), "Option of u8 does not fit u8");
    assert_eq!(refused::<Vec<u8>, String>(), "a sequence does not fit str");
}

#[test]
fn types_that_contain_themselves_evolve() {
    #[derive(Serialize, Deserialize)]
    struct Tree {
        value: u32,
        children: Vec<Tree>,
        name: String,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Node {
        children: Vec<Node>,
        value: u64,
        #[serde(default)]
        size: u8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Leaf {
        value: u32,
    }
    let leaf = |value| Tree { value, children: vec![], name: "leaf".into() };
    let tree =
        Tree { value: 1, children: vec![leaf(2), Tree { children: vec![leaf(4)], ..leaf(3) }], name: "x".into() };
    let (node, _) = evolve::<_, Node>(&tree);
    let leaf = |value| Node { value, children: vec![], size: 0 };
    assert_eq!(node, Node { children: vec![leaf(2), Node { children: vec![leaf(4)], ..leaf(3) }], ..leaf(1) });
    // All of the tree below is passed over.
    assert_eq!(evolve::<_, (Leaf, u8)>(&(tree, 9u8)).0, (Leaf { value: 1 }, 9));
    assert_eq!(TypeTag::of::<Tree>().evolution(&TypeTag::of::<Tree>()), Evolution::Same);
}

#[test]
fn names_versions_and_types_that_tell_nothing() {
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        #[allow(dead_code, reason = "only its shape is looked at")]
        Number(u8),
    }
    #[derive(Serialize, Deserialize)]
    struct Cents(u64);
    #[derive(Serialize, Deserialize)]
    struct Euros(u64);
    let tag = TypeTag::of::<Either>();
    let Evolution::Refused { reason } = tag.evolution(&tag) else { panic!("it tells nothing of itself") };
    assert!(reason.contains(".version(1)"), "{reason}");
    let versioned = TypeTag { version: 1, ..tag.clone() };
    assert_eq!(versioned.evolution(&versioned), Evolution::Same);
    assert!(!versioned.evolution(&TypeTag { version: 2, ..tag.clone() }).is_allowed());
    assert!(!tag.key_evolution(&tag).is_allowed());
    assert_eq!(versioned.key_evolution(&versioned), Evolution::Same);

    let (cents, euros) = (TypeTag::of::<Cents>(), TypeTag::of::<Euros>());
    let Evolution::Refused { reason } = cents.evolution(&euros) else { panic!("they mean other things") };
    assert!(reason.contains(".type_name(\"Cents\")"), "{reason}");
    assert_eq!(TypeTag { name: "Euros".into(), ..cents.clone() }.evolution(&euros), Evolution::Same);
    assert!(cents.evolution(&TypeTag::of::<Option<Cents>>()).is_allowed());
    assert!(!cents.evolution(&TypeTag { version: 3, ..cents.clone() }).is_allowed());
    // Keys stay what they are.
    assert!(!TypeTag::of::<u32>().key_evolution(&TypeTag::of::<u64>()).is_allowed());
    assert_eq!(TypeTag::of::<u32>().key_evolution(&TypeTag::of::<u32>()), Evolution::Same);
}

#[test]
fn a_table_evolves_with_all_types_it_had() {
    let table = |tag: TypeTag| TableSchema::new("t", TableKind::Value, tag);
    let mut stored = table(TypeTag::of::<u32>());
    let declared = table(TypeTag::of::<u64>());
    assert!(matches!(stored.evolution(&declared), Evolution::Evolves { .. }));
    stored.earlier.push(Earlier { id: TableId(0), value: TypeTag::of::<String>(), ttl: None, changed: None });
    let Evolution::Refused { reason } = stored.evolution(&declared) else { panic!("texts are no numbers") };
    assert!(reason.starts_with("values of String are still stored: "), "{reason}");
    let version = |version, tag| TypeTag { version, ..tag };
    let mut migrating = table(version(3, TypeTag::of::<u64>()));
    migrating.migrations = vec![version(0, TypeTag::of::<u32>()), version(2, TypeTag::of::<u32>())];
    let stored = table(TypeTag::of::<u32>());
    let migrated = stored.evolution(&migrating);
    assert_eq!(migrated, Evolution::Evolves { changes: vec!["version 0 to 2 to 3 migrated".into()] });
    let unknown = table(version(1, TypeTag::of::<u32>())).evolution(&migrating);
    assert!(unknown.to_string().contains(".migrate(1, …)"), "{unknown}");
}
