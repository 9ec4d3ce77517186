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

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    last: bool,
}

#[derive(Serialize, Deserialize)]
struct Wrapper(u32);

#[test]
fn a_shape_names_what_is_read() {
    assert_eq!(of::<u64>(), "u64");
    assert_eq!(of::<(String, i8)>(), "(str, i8)");
    assert_eq!(of::<Payment>(), "{card: u64, amount: f64, note=: ?str}");
    assert_eq!(of::<Vec<Option<Payment>>>(), "[?{card: u64, amount: f64, note=: ?str}]");
    assert_eq!(of::<BTreeMap<String, HashSet<u8>>>(), "[str: [u8]]");
    assert_eq!(of::<[u16; 3]>(), "(u16, u16, u16)");
    assert_eq!(of::<Wrapper>(), "u32");
    assert_eq!(of::<NonZeroU32>(), "u32");
    assert_eq!(of::<firesteel_window::Timestamp>(), "time");
    assert_eq!(of::<(firesteel_window::Window, firesteel_window::Duration)>(), "({start: time, end: time}, span)");
}

#[test]
fn what_aggregators_keep_is_described_whole() {
    use firesteel_window::aggregate::{Hashes, MeanParts, Moments, Sizes};
    use firesteel_window::{Counted, Wide};

    assert_eq!(of::<MeanParts<Wide<i128>>>(), "{sum: i128, count: u64}");
    assert_eq!(of::<Hashes>(), "<Few: [u64]|Registers: [u8]>");
    assert_eq!(of::<Sizes>(), "{counts: [(i32, u64)], least: i64, most: i64}");
    assert_eq!(of::<Counted<u64>>(), "{seen: u64, open=: ?u64, older: [u64], newer: [u64], of_newer=: ?u64}");
    let total = "{first: f64, second: f64, third: f64}";
    assert_eq!(of::<Moments>(), format!("{{count: u64, sum: {total}, squares: {total}}}"));
}

#[test]
fn an_enum_shows_the_contents_of_all_variants() {
    #[derive(Serialize, Deserialize)]
    enum Event {
        Login,
        Moved(u8, u8),
        Named(String),
        Stepped { step: Step, before: Option<First> },
    }
    assert_eq!(of::<Step>(), "<Start|Paid: {card: u64, amount: f64, note=: ?str}>");
    assert_eq!(of::<First>(), "<Paid: {card: u64}|Other>");
    assert_eq!(
        of::<(Event, u8)>(),
        "(<Login|Moved: (u8, u8)|Named: str|Stepped: {step: <Start|Paid: {card: u64, amount: f64, note=: ?str}>, \
         before=: ?<Paid: {card: u64}|Other>}>, u8)"
    );
    assert_eq!(of::<BTreeMap<First, Vec<Step>>>(), format!("[{}: [{}]]", of::<First>(), of::<Step>()));
}

#[test]
fn a_type_that_contains_itself_ends_somewhere() {
    #[derive(Serialize, Deserialize)]
    enum Expression {
        Add(Box<Expression>, Box<Expression>),
        Number(i64),
        Call { name: String, arguments: BTreeMap<String, Expression> },
    }
    assert_eq!(of::<Tree>(), "Tree{value: u8, children: [Tree…]}");
    assert_eq!(of::<List>(), "List{value: u8, next=: ?List…, last: bool}");
    assert_eq!(
        of::<(Expression, u8)>(),
        "(Expression<Add: (Expression…, …)|Number: i64|Call: {name: str, arguments: [str: Expression…]}>, u8)"
    );
}

#[test]
fn a_type_that_refuses_what_it_gets_is_described_up_to_there() {
    #[derive(Serialize)]
    struct Even(u8);
    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let value = u8::deserialize(deserializer)?;
            if value % 2 == 0 { Ok(Self(value)) } else { Err(serde::de::Error::custom("odd")) }
        }
    }
    #[derive(Serialize, Deserialize)]
    enum Maybe {
        Even(Even, u8),
        Not,
    }
    assert_eq!(of::<(u64, Even, u64)>(), "(u64, u8, …)");
    assert_eq!(of::<(Maybe, Option<Even>, Vec<Even>, u64)>(), "(<Even: (u8, …)|Not>, ?u8, [u8], u64)");
}

#[test]
fn a_long_shape_is_cut() {
    type Ten = (Payment, Payment, Payment, Payment, Payment, Payment, Payment, Payment, Payment, Payment);
    type Hundred = (Ten, Ten, Ten, Ten, Ten, Ten, Ten, Ten, Ten, Ten);
    let shape = of::<(Hundred, Hundred, Hundred, Hundred, Hundred)>();
    assert!((16_000..16_010).contains(&shape.len()) && shape.ends_with('…'), "{}", shape.len());
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

#[test]
fn fields_tell_their_defaults_and_other_names() {
    #[derive(Serialize, Deserialize)]
    struct Address {
        #[serde(alias = "zip_code", alias = "a_zip")]
        zip: u32,
        #[serde(default)]
        city: String,
        street: String,
    }
    #[derive(Serialize, Deserialize, Default)]
    #[serde(default)]
    struct Defaults {
        a: u8,
        b: NonZero,
    }
    #[derive(Serialize, Deserialize)]
    struct NonZero(NonZeroU32);
    impl Default for NonZero {
        fn default() -> Self {
            Self(NonZeroU32::MIN)
        }
    }
    #[derive(Serialize, Deserialize)]
    enum Event {
        None,
        Moved { to: Address, why: Option<Defaults> },
    }
    let address = "{zip/a_zip/zip_code: u32, city=: str, street: str}";
    assert_eq!(of::<Address>(), address);
    assert_eq!(of::<Defaults>(), "{a=: u8, b=: u32}");
    assert_eq!(of::<Vec<Event>>(), format!("[<None|Moved: {{to: {address}, why=: ?{{a=: u8, b=: u32}}}}>]"));
    assert_eq!(of::<BTreeMap<u8, Option<(u8, Address)>>>(), format!("[u8: ?(u8, {address})]"));
    assert_eq!(of::<std::time::Duration>(), "{secs: u64, nanos: u32}");
}

#[test]
fn a_variant_with_two_names_is_not_described() {
    #[derive(Serialize, Deserialize)]
    enum Event {
        #[serde(alias = "Began")]
        Started,
        Ended,
    }
    assert_eq!(of::<(u8, Event)>(), "(u8, …)");
}

#[test]
fn a_type_that_is_written_as_text_is_offered_some() {
    #[derive(Serialize)]
    struct Date(String);
    impl<'de> Deserialize<'de> for Date {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Text;
            impl serde::de::Visitor<'_> for Text {
                type Value = Date;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a date")
                }
                fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Date, E> {
                    let is_date = text.len() == 10 && text.as_bytes()[4] == b'-';
                    if is_date { Ok(Date(text.to_owned())) } else { Err(E::custom("no date")) }
                }
            }
            deserializer.deserialize_str(Text)
        }
    }
    #[derive(Serialize, Deserialize)]
    struct Sale {
        on: Date,
        before: Option<Date>,
        amount: u64,
    }
    assert_eq!(of::<Vec<Sale>>(), "[{on: str, before=: ?str, amount: u64}]");
}
