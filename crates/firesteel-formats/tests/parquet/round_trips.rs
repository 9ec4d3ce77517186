//! What is written is read again as it was, from any row on, or is not written.

use std::collections::BTreeMap;

use firesteel_formats::{Format, Parquet, WriteFormat, Writing, epoch_time};
use firesteel_window::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{all, open, range, records, try_written, written};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Buy,
    Give,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inner {
    name: Option<String>,
    values: Vec<Option<i16>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wide {
    pub(crate) number: i64,
    pub(crate) large: u64,
    pub(crate) small: (u8, i8, u16, i32),
    pub(crate) ratio: Bits,
    pub(crate) single: f32,
    pub(crate) text: Option<String>,
    pub(crate) letter: char,
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: Timestamp,
    #[serde(with = "epoch_time::millis")]
    pub(crate) seen: Timestamp,
    pub(crate) maybe: Option<Timestamp>,
    pub(crate) kind: Kind,
    pub(crate) inner: Option<Inner>,
    pub(crate) list: Option<Vec<Option<String>>>,
    pub(crate) lists: Vec<Vec<Inner>>,
    pub(crate) map: BTreeMap<String, Option<bool>>,
    #[serde(skip)]
    pub(crate) left_out: u8,
}

/// A double that is equal to itself, bit by bit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Bits(pub(crate) f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c]{0,3}", Just("ünï \"✓\"\r\n\0,".to_owned())]
}

fn inner() -> impl Strategy<Value = Inner> {
    (proptest::option::of(text()), vec(proptest::option::of(any::<i16>()), 0..3))
        .prop_map(|(name, values)| Inner { name, values })
}

pub(crate) fn wide() -> impl Strategy<Value = Wide> {
    let numbers = (any::<i64>(), any::<u64>(), any::<(u8, i8, u16, i32)>(), any::<u64>(), -1e30f32..1e30);
    let texts = (proptest::option::of(text()), any::<char>(), vec(any::<u8>(), 0..4));
    let times = (any::<i64>(), -1_000_000_000_000_i64..1_000_000_000_000, proptest::option::of(any::<i64>()));
    let kind = prop_oneof![Just(Kind::Buy), Just(Kind::Give)];
    let nested = (
        proptest::option::of(inner()),
        proptest::option::of(vec(proptest::option::of(text()), 0..3)),
        vec(vec(inner(), 0..2), 0..3),
        btree_map(text(), proptest::option::of(any::<bool>()), 0..3),
    );
    (numbers, texts, times, kind, nested).prop_map(|(numbers, texts, times, kind, nested)| Wide {
        number: numbers.0,
        large: numbers.1,
        small: numbers.2,
        ratio: Bits(f64::from_bits(numbers.3)),
        single: numbers.4,
        text: texts.0,
        letter: texts.1,
        bytes: texts.2,
        at: Timestamp::from_micros(times.0),
        seen: Timestamp::from_millis(times.1),
        maybe: times.2.map(Timestamp::from_micros),
        kind,
        inner: nested.0,
        list: nested.1,
        lists: nested.2,
        map: nested.3,
        left_out: 0,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_record_comes_back_as_it_was(records_in in vec(wide(), 0..40), group in 1..5_000_usize) {
        let format = Parquet::<Wide>::new().row_group_bytes(group);
        let file = written(&format, &records_in);
        prop_assert_eq!(records(&format, file), records_in);
    }

    #[test]
    fn the_same_rows_are_there_from_any_row_on_in_any_order_of_ranges(
        rows in 1..9_000_u64, cuts in vec(0..9_000_u64, 0..6), backwards in any::<bool>(), batch in 1..5_000_u64,
    ) {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        struct Numbered { row: u64, text: String }
        let numbered = |row: u64| Numbered { row, text: format!("row {}", row / batch) };
        let file = written(&Parquet::new().row_group_bytes(10_000), &(0..rows).map(numbered).collect::<Vec<_>>());
        let mut borders: Vec<u64> = cuts.into_iter().map(|cut| cut % rows).chain([0, rows]).collect();
        borders.sort_unstable();
        let mut ranges: Vec<_> = borders.windows(2).map(|range| (range[0], range[1])).collect();
        if backwards {
            ranges.reverse();
        }
        let mut table = open(&Parquet::<Numbered>::new(), file).unwrap();
        for (from, to) in ranges {
            let expected: Vec<_> = (from..to).map(|row| (row, Ok(numbered(row)))).collect();
            prop_assert_eq!(range(&mut *table, from, to), expected, "{}..{}", from, to);
        }
    }
}

#[test]
fn of_a_row_that_is_refused_nothing_stays_behind() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Row {
        first: Vec<String>,
        map: BTreeMap<u8, Vec<u8>>,
        pair: (Option<u8>, String),
        #[serde(with = "epoch_time::seconds")]
        at: Timestamp,
        last: bool,
    }
    let row = |n: u8, micros: i64| Row {
        first: vec![n.to_string(); usize::from(n)],
        map: BTreeMap::from([(n, vec![n; 3]), (n + 1, vec![])]),
        pair: (Some(n), "x".repeat(usize::from(n))),
        at: Timestamp::from_micros(micros),
        last: true,
    };
    let format = Parquet::<Row>::new();
    let (mut writing, mut file) = (WriteFormat::begin(&format), Vec::new());
    for n in 0..9 {
        writing.write(&row(n, 1_000_000), &mut file).unwrap();
        let refused = writing.write(&row(n, 1_500_000), &mut file).unwrap_err().to_string();
        assert!(
            refused.starts_with("Parquet: column at: ") && refused.contains("no whole number of seconds"),
            "{refused}"
        );
    }
    Writing::<Row>::end(&mut writing, &mut file).unwrap();
    assert_eq!(records(&format, file.into()), (0..9).map(|n| row(n, 1_000_000)).collect::<Vec<_>>());
}

#[test]
fn the_columns_are_those_of_the_type_whatever_is_in_one_file() {
    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
    struct Row {
        #[serde(skip_serializing_if = "Option::is_none")]
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
    for row in &rows {
        let file = written(&Parquet::new(), std::slice::from_ref(row));
        assert_eq!(records(&Parquet::<Row>::new(), file.clone()), std::slice::from_ref(row));
        // A file whose values are all missing has the columns all the same.
        #[derive(Debug, PartialEq, Deserialize)]
        struct Other {
            number: Option<i64>,
            list: Option<Vec<Option<String>>>,
        }
        let other = records(&Parquet::<Other>::new(), file);
        assert_eq!(other, [Other { number: row.number.map(i64::from), list: row.list.clone() }]);
    }
    assert_eq!(records(&Parquet::<Row>::new(), written(&Parquet::new(), &rows)), rows);
    assert!(records(&Parquet::<Row>::new(), written::<Row>(&Parquet::new(), &[])).is_empty());
}

/// Why a record of the type is not written.
fn refused<T: Serialize + serde::de::DeserializeOwned + 'static>(record: T) -> String {
    try_written(&Parquet::new(), &[record]).unwrap_err()
}

#[test]
fn what_has_no_form_is_refused_and_the_column_is_named() {
    #[derive(Serialize, Deserialize)]
    struct Of<T> {
        it: T,
    }
    #[derive(Serialize, Deserialize)]
    enum Data {
        Some(u8),
    }
    #[derive(Serialize, Deserialize)]
    struct Empty {}
    #[derive(Serialize, Deserialize)]
    struct Endless {
        more: Vec<Endless>,
    }
    assert_eq!(refused(7_u8), "Parquet: a row is a struct: each of its fields is a column");
    let text = refused(Of { it: Some(Some(1_u8)) });
    assert_eq!(text, "Parquet: column it: an Option in an Option has no form");
    for text in [
        refused(Of { it: Data::Some(1) }),
        refused(Of { it: Empty {} }),
        refused(Of { it: () }),
        refused(Of { it: 1_i128 }),
        refused(Of { it: BTreeMap::from([(Some(1), 1)]) }),
        refused(Of { it: serde_json::Value::Null }),
        refused(Of { it: Endless { more: vec![] } }),
    ] {
        assert!(text.starts_with("Parquet: column it") && text.contains("has no form"), "{text}");
    }

    #[derive(Serialize, Deserialize)]
    struct Unlike {
        #[serde(rename(serialize = "other"))]
        it: u8,
    }
    let text = refused(Unlike { it: 1 });
    assert!(text.starts_with("Parquet: column other: it is written and not read"), "{text}");

    #[derive(Serialize, Deserialize)]
    struct Half {
        #[serde(skip_serializing)]
        #[allow(dead_code, reason = "never read")]
        it: u8,
    }
    let text = refused(Half { it: 1 });
    assert!(text.starts_with("Parquet: column it: nothing is written there"), "{text}");
}

#[test]
fn rows_of_many_row_groups_are_written_as_they_come() {
    let rows: Vec<(u64, String)> = (0..20_000).map(|n| (n, format!("text {n}"))).collect();
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        n: u64,
        text: String,
    }
    let format = Parquet::<Row>::new().row_group_bytes(64 << 10).lz4();
    let (mut writing, mut sizes) = (WriteFormat::<Row>::begin(&format), vec![]);
    let mut file = vec![];
    for (n, text) in rows {
        let before = file.len();
        writing.write(&Row { n, text }, &mut file).unwrap();
        sizes.push(file.len() - before);
    }
    assert!(sizes.iter().filter(|size| **size > 0).count() > 2, "it is not kept until the end");
    Writing::<Row>::end(&mut writing, &mut file).unwrap();
    let read = all(&format, file.into());
    assert!(
        read.iter().enumerate().all(|(n, (at, row))| *at == n as u64 && row.as_ref().is_ok_and(|row| row.n == *at))
    );
    assert_eq!((read.len(), Format::name(&format)), (20_000, "Parquet"));
}
