//! Files of other writers: each value as it was written, or refused by the name of its column.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use firesteel_formats::{Format, Parquet, epoch_time};
use firesteel_window::{Timestamp, days};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{all, open, records, told, written};

pub(crate) fn data(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(path).unwrap().into()
}

const OF_PYARROW: [&str; 3] = ["pyarrow.v1.snappy.parquet", "pyarrow.v2.gzip.parquet", "pyarrow.v2.lz4.parquet"];

fn instant(n: i64) -> Timestamp {
    "2025-01-27T12:00:00.25Z".parse::<Timestamp>().unwrap() + days(n)
}

fn maybe<T>(n: i64, value: T) -> Option<T> {
    (n % 2 == 0).then_some(value)
}

#[derive(Debug, PartialEq, Deserialize)]
enum Kind {
    Buy,
    Give,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Inner {
    values: Vec<Option<i64>>,
    name: String,
}

/// Not in the order of the file, and without some of its columns.
#[derive(Debug, PartialEq, Deserialize)]
struct Everything {
    map: BTreeMap<String, Option<i64>>,
    inner: Option<Inner>,
    list: Option<Vec<Option<String>>>,
    clock: String,
    local: String,
    #[serde(rename = "nanos")]
    nanoseconds: Timestamp,
    #[serde(with = "epoch_time::millis")]
    millis: Timestamp,
    micros: Option<Timestamp>,
    day: Option<String>,
    huge: String,
    sum: String,
    price: Option<String>,
    fixed: Vec<u8>,
    bytes: Option<Vec<u8>>,
    kind: Kind,
    text: Option<String>,
    flag: Option<bool>,
    ratio: Option<f64>,
    single: f32,
    half: f64,
    maybe: Option<i64>,
    small: i8,
    large: u64,
    #[serde(default)]
    absent: Option<u8>,
}

fn everything(n: i64) -> Everything {
    let lists: [Option<&[Option<&str>]>; 8] = [
        None,
        Some(&[]),
        Some(&[None]),
        Some(&[Some("a"), Some("")]),
        Some(&[Some("b")]),
        None,
        Some(&[]),
        Some(&[Some("c"), None]),
    ];
    let list = lists[n as usize].map(|list| list.iter().map(|text| text.map(str::to_owned)).collect());
    let entries = [("k".to_owned(), Some(n)), ("l".to_owned(), None)];
    Everything {
        map: maybe(n, BTreeMap::from(entries)).unwrap_or_default(),
        inner: maybe(n, Inner { values: vec![Some(n), None], name: format!("n{n}") }),
        list,
        clock: format!("23:59:0{n}.0005"),
        local: instant(n).to_string().trim_end_matches('Z').to_owned(),
        nanoseconds: instant(n),
        millis: instant(n),
        micros: maybe(n, instant(n)),
        day: maybe(n, ["1969-12-28", "", "1969-12-30", "", "1970-01-01", "", "1970-01-03"][n as usize % 7].to_owned()),
        huge: format!("-1{n:0>60}"),
        sum: format!("1{}.00{n}", "0".repeat(27)),
        price: maybe(n, if n == 0 { "-0.05".to_owned() } else { format!("{}.95", n - 1) }),
        fixed: vec![n as u8, 1, 2],
        bytes: maybe(n, vec![0, 255, n as u8]),
        kind: if n % 2 == 0 { Kind::Buy } else { Kind::Give },
        text: maybe(n, format!("ünï {n}")),
        flag: maybe(n, n % 4 == 0),
        ratio: maybe(n, n as f64 / 10.0),
        single: n as f32 / 8.0,
        half: n as f64 / 2.0,
        maybe: maybe(n, n),
        small: n as i8 - 4,
        large: u64::MAX - n as u64,
        absent: None,
    }
}

#[test]
fn every_type_of_column_of_another_writer_has_the_value_that_was_written() {
    for name in OF_PYARROW {
        for (n, row) in all(&Parquet::<Everything>::new(), data(name)) {
            assert_eq!(row.unwrap(), everything(n as i64), "{name}");
        }
    }
}

#[test]
fn each_row_is_the_same_alone() {
    for name in OF_PYARROW {
        let mut table = open(&Parquet::<Everything>::new(), data(name)).unwrap();
        for n in [7, 0, 3, 2, 5, 6, 1, 4] {
            let row = table.row(n, n + 1).unwrap().unwrap();
            assert_eq!((row.at, row.item.unwrap()), (n, everything(n as i64)), "{name}");
        }
        assert!(table.row(3, 3).unwrap().is_none() && table.row(8, 100).unwrap().is_none());
    }
}

#[test]
fn files_of_spark_duckdb_and_polars() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Old {
        at: Timestamp,
        price: Option<f64>,
        text: Option<String>,
    }
    let expected = |n: i64| Old {
        at: if n == 0 { Timestamp::from_micros(253_402_300_799_999_999) } else { instant(n) },
        price: maybe(n, (n * 100 - 5) as f64 / 100.0),
        text: maybe(n, format!("ünï {n}")),
    };
    assert_eq!(records(&Parquet::<Old>::new(), data("spark-like.parquet")), (0..8).map(expected).collect::<Vec<_>>());

    #[derive(Debug, PartialEq, Deserialize)]
    struct OfDuckDb {
        large: u64,
        small: i64,
        maybe: Option<u8>,
        ratio: f64,
        text: Option<String>,
        kind: Kind,
        price: String,
        day: String,
        local: Timestamp,
        at: Timestamp,
        clock: String,
        id: String,
        list: Vec<Option<u32>>,
        inner: BTreeMap<String, String>,
        map: BTreeMap<String, u64>,
    }
    let expected = |n: i64| OfDuckDb {
        large: 18_446_744_073_709_551_608 + n as u64,
        small: n - 4,
        maybe: maybe(n, n as u8),
        ratio: n as f64 / 10.0,
        text: maybe(n, format!("ünï {n}")),
        kind: if n % 2 == 0 { Kind::Buy } else { Kind::Give },
        price: if n == 0 { "-0.050".to_owned() } else { format!("{}.950", n - 1) },
        day: [
            "1969-12-28",
            "1969-12-29",
            "1969-12-30",
            "1969-12-31",
            "1970-01-01",
            "1970-01-02",
            "1970-01-03",
            "1970-01-04",
        ][n as usize]
            .to_owned(),
        local: instant(n),
        at: instant(n),
        clock: format!("12:00:0{n}"),
        id: format!("00000000-0000-0000-0000-00000000000{n}"),
        list: vec![Some(n as u32), None],
        inner: BTreeMap::from([("name".to_owned(), format!("n{n}"))]),
        map: BTreeMap::from([("k".to_owned(), n as u64)]),
    };
    let format = Parquet::<OfDuckDb>::new().local_times_are_utc();
    assert_eq!(records(&format, data("duckdb.parquet")), (0..8).map(expected).collect::<Vec<_>>());

    #[derive(Debug, PartialEq, Deserialize)]
    struct OfPolars {
        #[serde(with = "epoch_time::micros")]
        at: Timestamp,
        inner: (String,),
    }
    let expected = |n: i64| OfPolars { at: instant(n), inner: (format!("n{n}"),) };
    assert_eq!(records(&Parquet::<OfPolars>::new(), data("polars.parquet")), (0..8).map(expected).collect::<Vec<_>>());
}

#[test]
fn types_that_ask_what_there_is_are_told() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        large: Either,
        kind: Either,
        #[serde(flatten)]
        rest: BTreeMap<String, serde_json::Value>,
    }
    let rows = records(&Parquet::<Row>::new(), data("pyarrow.v2.lz4.parquet").clone());
    assert_eq!((&rows[1].large, &rows[1].kind), (&Either::Number(u64::MAX - 1), &Either::Text("Give".to_owned())));
    assert_eq!(rows[0].rest["price"], serde_json::json!("-0.05"));
    assert_eq!(rows[1].rest["price"], serde_json::Value::Null);
    let row = &records(&Parquet::<serde_json::Value>::new(), data("polars.parquet"))[2];
    assert_eq!(row["at"], serde_json::json!("2025-01-29T12:00:00.25Z"));
}

/// What is said before the first row, of a type that asks for this column.
fn mismatch<T: DeserializeOwned + Send + 'static>(name: &str, format: Parquet<T>) -> String {
    let text = told(&format, data(name));
    assert!(text.starts_with("it has "), "{text}");
    text
}

#[test]
fn a_file_that_does_not_fit_is_told_before_its_first_row() {
    macro_rules! asks {
        ($($field:ident: $type:ty),*) => {{
            #[derive(Debug, Deserialize)]
            #[allow(dead_code, reason = "never read")]
            struct Asks { $($field: $type),* }
            mismatch("pyarrow.v1.snappy.parquet", Parquet::<Asks>::new())
        }};
    }
    let text = asks!(user: String);
    assert!(text.starts_with("it has no column \"user\" (it has large, small, maybe, "), "{text}");
    assert!(text.ends_with("rename the field with #[serde(rename)], or give it #[serde(default)]"), "{text}");
    let text = asks!(text: Option<u32>);
    assert_eq!(
        text,
        "it has a column that does not fit the type: column text: it holds texts, and the type asks for a u32"
    );
    let text = asks!(millis: i64);
    assert!(text.contains("column millis: it holds times, and the type asks for an i64: take a `Timestamp`"), "{text}");
    let text = asks!(local: Timestamp);
    assert!(
        text.contains("column local: it holds times without a zone") && text.contains("local_times_are_utc"),
        "{text}"
    );
    let text = asks!(price: Option<i64>);
    assert!(text.contains("column price: it holds decimals with 2 digits of a fraction"), "{text}");
    for text in [
        asks!(ratio: Option<f32>),
        asks!(ratio: Option<i64>),
        asks!(large: String),
        asks!(large: bool),
        asks!(day: Option<i32>),
        asks!(clock: i64),
        asks!(flag: Option<u8>),
        asks!(list: Option<Vec<u8>>),
        asks!(list: String),
        asks!(inner: Option<(u8,)>),
        asks!(inner: Option<BTreeMap<String, String>>),
        asks!(map: Vec<u8>),
        asks!(text: Option<f64>),
    ] {
        assert!(text.starts_with("it has a column that does not fit the type: column "), "{text}");
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "never read")]
    struct Deep {
        inner: Option<Part>,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "never read")]
    struct Part {
        size: u8,
    }
    let text = mismatch("pyarrow.v2.gzip.parquet", Parquet::<Deep>::new());
    assert!(text.starts_with("it has no \"size\" in \"inner\""), "{text}");

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "never read")]
    struct Strict {
        large: u64,
    }
    let text = mismatch("pyarrow.v2.gzip.parquet", Parquet::<Strict>::new());
    assert!(text.contains("the type refuses: unknown field `small`"), "{text}");

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "never read")]
    struct Twice {
        #[serde(alias = "text")]
        kind: Option<String>,
    }
    let text = mismatch("pyarrow.v2.gzip.parquet", Parquet::<Twice>::new());
    assert!(text.contains("two columns are the field `kind`"), "{text}");
}

#[test]
fn a_value_that_does_not_fit_costs_its_own_row() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        small: u8,
        large: u64,
    }
    let rows = all(&Parquet::<Row>::new(), data("pyarrow.v2.lz4.parquet"));
    for (n, row) in &rows[..4] {
        let text = row.as_ref().unwrap_err();
        assert_eq!(*text, format!("Parquet: column small: invalid value: integer `{}`, expected u8", *n as i64 - 4));
    }
    assert_eq!(rows[4].1, Ok(Row { small: 0, large: u64::MAX - 4 }));
    let mut table = open(&Parquet::<Row>::new(), data("pyarrow.v2.lz4.parquet")).unwrap();
    let refused = table.row(0, 1).unwrap().unwrap().item.unwrap_err();
    assert_eq!(refused.payload, br#"{"large":18446744073709551615,"small":-4}"#);

    #[derive(Debug, PartialEq, Deserialize)]
    struct NoNull {
        text: String,
    }
    let rows = all(&Parquet::<NoNull>::new(), data("pyarrow.v2.lz4.parquet"));
    assert_eq!(rows[1].1, Err("Parquet: column text: there is no value, and the type is no Option".to_owned()));
    assert_eq!(rows[2].1, Ok(NoNull { text: "ünï 2".to_owned() }));

    #[derive(Debug, PartialEq, Deserialize)]
    struct Seconds {
        #[serde(with = "epoch_time::seconds")]
        millis: Timestamp,
    }
    let rows = all(&Parquet::<Seconds>::new(), data("pyarrow.v2.lz4.parquet"));
    assert!(rows[0].1.as_ref().unwrap_err().contains("column millis: the time has a fraction of the unit"), "{rows:?}");

    #[derive(Debug, PartialEq, Deserialize)]
    struct Float {
        large: f64,
    }
    let rows = all(&Parquet::<Float>::new(), data("pyarrow.v2.lz4.parquet"));
    assert!(rows[0].1.as_ref().unwrap_err().contains("no f64 is equal to 18446744073709551615"), "{rows:?}");
}

#[test]
fn a_text_that_is_none_costs_its_own_row() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        n: i64,
        text: Option<String>,
    }
    let rows = all(&Parquet::<Row>::new(), data("not-utf8.parquet"));
    let row = |n, text: Option<&str>| (n as u64, Ok(Row { n, text: text.map(str::to_owned) }));
    assert_eq!((&rows[0], &rows[2], &rows[3]), (&row(0, Some("good")), &row(2, None), &row(3, Some("fine"))));
    assert_eq!(rows[1].1, Err("Parquet: column text: byte 0 of the text is not UTF-8".to_owned()));
    let rows = all(&Parquet::<BTreeMap<String, serde_json::Value>>::new(), data("not-utf8.parquet"));
    assert_eq!(rows.len(), 4);
}

#[test]
fn a_type_that_wants_nothing_of_a_file_has_as_many_records_as_it_has_rows() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Nothing {
        #[serde(default)]
        absent: Option<u8>,
    }
    assert_eq!(records(&Parquet::<Nothing>::new(), data("pyarrow.v1.snappy.parquet")).len(), 8);
    let rows = Parquet::<Nothing>::new().rows().unwrap();
    assert_eq!(rows(std::sync::Arc::new(data("duckdb.parquet"))).unwrap(), 8);
}

#[test]
fn columns_that_cannot_be_unpacked_are_told_before_the_first_row() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        n: u64,
    }
    let text = told(&Parquet::<Row>::new(), data("brotli.parquet"));
    assert!(text.starts_with("it has a column \"n\" compressed by brotli, which is not read"), "{text}");
    #[cfg(feature = "parquet-zstd")]
    assert_eq!(records(&Parquet::<Row>::new(), data("zstd.parquet")).len(), 8);
    #[cfg(not(feature = "parquet-zstd"))]
    assert!(told(&Parquet::<Row>::new(), data("zstd.parquet")).contains("compressed by zstd: build with the feature"));
}

#[test]
fn a_file_of_which_the_type_has_no_column_is_none_of_defaults() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Written {
        user: String,
        ad: u32,
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Loose {
        id: Option<u8>,
        name: Option<String>,
    }
    let file = written(&Parquet::<Written>::new(), &[Written { user: "a".into(), ad: 1 }]);
    let told = told(&Parquet::<Loose>::new(), file);
    assert!(told.contains("has none of the columns of the type (it has user, ad; the type, id, name)"), "{told}");
}
