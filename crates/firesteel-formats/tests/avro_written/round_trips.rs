//! Whatever is written comes back, and files are whole.

use std::collections::BTreeMap;
use std::net::IpAddr;

use firesteel_formats::{Avro, WriteFormat, Writing, epoch_time};
use firesteel_window::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{read, records, schema, try_written, unpacked, written};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    Buy,
    Give,
}

/// One whose variants are no names for Avro.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Grade {
    #[serde(rename = "A+")]
    Best,
    #[serde(rename = "not good", alias = "bad")]
    Bad,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inner {
    name: Option<String>,
    values: Vec<Option<i16>>,
}

/// A float that is equal to itself, bit by bit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Bits<T>(pub(crate) T);

impl PartialEq for Bits<f64> {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl PartialEq for Bits<f32> {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wide {
    pub(crate) number: i64,
    pub(crate) large: u64,
    pub(crate) small: (u8, i8, u16, i32),
    pub(crate) whole: u32,
    pub(crate) yes: bool,
    pub(crate) ratio: Bits<f64>,
    pub(crate) single: Bits<f32>,
    pub(crate) text: Option<String>,
    pub(crate) letter: char,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Option<[u8; 3]>,
    pub(crate) address: IpAddr,
    pub(crate) at: Timestamp,
    #[serde(with = "epoch_time::millis")]
    pub(crate) seen: Timestamp,
    #[serde(with = "epoch_time::seconds")]
    pub(crate) since: Timestamp,
    pub(crate) maybe: Option<Timestamp>,
    pub(crate) kind: Kind,
    pub(crate) grade: Option<Grade>,
    pub(crate) inner: Option<Inner>,
    pub(crate) again: Inner,
    pub(crate) list: Option<Vec<Option<String>>>,
    pub(crate) lists: Vec<Vec<Inner>>,
    pub(crate) map: BTreeMap<String, Option<bool>>,
    pub(crate) kinds: BTreeMap<Kind, Vec<(Kind, f64)>>,
    #[serde(skip)]
    pub(crate) left_out: u8,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c]{0,3}", Just("ünï \"✓\"\r\n\0,".to_owned())]
}

fn inner() -> impl Strategy<Value = Inner> {
    (option::of(text()), vec(option::of(any::<i16>()), 0..3)).prop_map(|(name, values)| Inner { name, values })
}

/// Times up to their ends, of this many microseconds.
fn time(unit: i64) -> impl Strategy<Value = Timestamp> {
    let whole = i64::MAX / unit;
    prop_oneof![Just(0), Just(-1), Just(-whole), Just(whole), -whole..whole]
        .prop_map(move |n| Timestamp::from_micros(n * unit))
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![Just(f64::NAN), Just(-0.0), Just(f64::INFINITY), Just(5e-324), any::<u64>().prop_map(f64::from_bits)]
}

pub(crate) fn wide() -> impl Strategy<Value = Wide> {
    let long = prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()];
    let numbers = (long, 0..=i64::MAX as u64, any::<(u8, i8, u16, i32)>(), any::<u32>(), any::<bool>());
    let floats = (double(), any::<u32>().prop_map(f32::from_bits));
    let texts =
        (option::of(text()), any::<char>(), vec(any::<u8>(), 0..4), option::of(any::<[u8; 3]>()), any::<IpAddr>());
    let times = (time(1), time(1_000), time(1_000_000), option::of(time(1)));
    let kind = || prop_oneof![Just(Kind::Buy), Just(Kind::Give)];
    let kinds = (kind(), option::of(prop_oneof![Just(Grade::Best), Just(Grade::Bad)]));
    let nested = (
        option::of(inner()),
        inner(),
        option::of(vec(option::of(text()), 0..3)),
        vec(vec(inner(), 0..2), 0..3),
        btree_map(text(), option::of(any::<bool>()), 0..3),
        btree_map(kind(), vec((kind(), -1e9..1e9), 0..3), 0..3),
    );
    (numbers, floats, texts, times, kinds, nested).prop_map(|(numbers, floats, texts, times, kinds, nested)| Wide {
        number: numbers.0,
        large: numbers.1,
        small: numbers.2,
        whole: numbers.3,
        yes: numbers.4,
        ratio: Bits(floats.0),
        single: Bits(floats.1),
        text: texts.0,
        letter: texts.1,
        bytes: texts.2,
        digest: texts.3,
        address: texts.4,
        at: times.0,
        seen: times.1,
        since: times.2,
        maybe: times.3,
        kind: kinds.0,
        grade: kinds.1,
        inner: nested.0,
        again: nested.1,
        list: nested.2,
        lists: nested.3,
        map: nested.4,
        kinds: nested.5,
        left_out: 0,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_record_comes_back_as_it_was_and_the_same_file_is_made_again(records_in in vec(wide(), 0..40)) {
        for format in [Avro::<Wide>::new(), Avro::new().snappy(), Avro::new().uncompressed()] {
            let file = try_written(&format, &records_in).unwrap();
            prop_assert_eq!(&records::<Wide>(&file), &records_in);
            prop_assert_eq!(try_written(&format, &records_in).unwrap(), file);
        }
    }
}

#[test]
fn the_schema_is_that_of_the_type_whatever_is_in_one_file() {
    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
    struct Row {
        #[serde(skip_serializing_if = "Option::is_none", alias = "count")]
        number: Option<i32>,
        list: Option<Vec<Option<String>>>,
        inner: Option<(u8, Option<f64>)>,
    }
    let rows = [
        Row::default(),
        Row { list: Some(vec![]), ..Row::default() },
        Row { list: Some(vec![None]), ..Row::default() },
        Row { list: Some(vec![Some(String::new())]), inner: Some((0, None)), number: Some(1) },
    ];
    let due = r#"{"type":"record","name":"Row","fields":[{"name":"number","type":["null","int"],"default":null},{"name":"list","type":["null",{"type":"array","items":["null","string"]}],"default":null},{"name":"inner","type":["null",{"type":"record","name":"inner","namespace":"Row","fields":[{"name":"_0","type":"int"},{"name":"_1","type":["null","double"],"default":null}]}],"default":null}]}"#;
    for row in &rows {
        let file = written(std::slice::from_ref(row));
        assert_eq!((records::<Row>(&file), schema(&file)), (vec![row.clone()], due.to_owned()));
    }
    assert_eq!(records::<Row>(&written(&rows)), rows);
    let none = written::<Row>(&[]);
    assert_eq!((records::<Row>(&none), schema(&none)), (vec![], due.to_owned()), "a file without records is whole");
}

#[test]
fn of_a_record_that_is_refused_nothing_stays_behind() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Row {
        first: Vec<String>,
        #[serde(with = "epoch_time::seconds")]
        at: Timestamp,
        last: bool,
    }
    let row = |n: u8, micros| Row { first: vec![n.to_string(); 3], at: Timestamp::from_micros(micros), last: n > 3 };
    let format = Avro::<Row>::new();
    let (mut writing, mut file) = (WriteFormat::begin(&format), Vec::new());
    for n in 0..9 {
        writing.write(&row(n, 1_000_000), &mut file).unwrap();
        let refused = writing.write(&row(n, 1_500_000), &mut file).unwrap_err().to_string();
        assert!(refused.starts_with("Avro: field at: ") && refused.contains("no whole number of seconds"), "{refused}");
    }
    Writing::<Row>::end(&mut writing, &mut file).unwrap();
    assert_eq!(records::<Row>(&file), (0..9).map(|n| row(n, 1_000_000)).collect::<Vec<_>>());
}

#[test]
fn blocks_are_written_as_they_come_and_are_as_long_as_is_said_or_one_record() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Row {
        n: u32,
        text: String,
    }
    let row = |n: u32| Row { n, text: if n % 5_000 == 4_999 { "x".repeat(100_000) } else { format!("text {n}") } };
    let rows: Vec<_> = (0..20_000).map(row).collect();
    let format = Avro::<Row>::new();
    let (mut writing, mut file, mut parts) = (WriteFormat::begin(&format), vec![], 0);
    for row in &rows {
        let before = file.len();
        writing.write(row, &mut file).unwrap();
        parts += usize::from(file.len() > before);
    }
    assert!(parts >= 5, "{parts}: it is not kept until the end");
    Writing::<Row>::end(&mut writing, &mut file).unwrap();
    assert!(records::<Row>(&file) == rows);
    let (bytes, mut sizes) = (unpacked(&file), vec![]);
    let mut left = &bytes[4 + schema(&file).len()..];
    while let Some((before, rest)) = left.split_first_chunk::<16>() {
        let [count, size] = [&before[..8], &before[8..]].map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        sizes.push((count, size));
        left = &rest[size as usize..];
    }
    assert!(sizes.iter().all(|(count, size)| *size <= 64_000 || *count == 1), "{sizes:?}");
    assert_eq!(sizes.iter().filter(|(count, size)| *size > 64_000 && *count == 1).count(), 4);
}

#[test]
fn files_of_other_records_have_other_marks() {
    let mark = |file: &[u8]| file[file.len() - 16..].to_vec();
    #[derive(Serialize, Deserialize)]
    struct Row {
        n: u32,
    }
    let (one, other, none) = (written(&[Row { n: 1 }]), written(&[Row { n: 2 }]), written::<Row>(&[]));
    assert_ne!(mark(&one), mark(&other));
    assert_ne!(mark(&one), mark(&none));
    #[derive(Serialize, Deserialize)]
    struct Holder {
        file: Vec<u8>,
    }
    // A file within a file.
    let held = written(&[Holder { file: one.clone() }]);
    assert_ne!(mark(&held), mark(&one));
    assert!(read::<Holder>(&held)[0].as_ref().is_ok_and(|holder| holder.file == one));
}
