//! CSV: what is read, what is refused and how that is told, and that what was written is read as it was.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use common::{in_pieces, items, resumed};
use firesteel_formats::{Csv, Format, Reading, WriteFormat, Writing};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Order {
    id: u32,
    user: String,
}

fn order(id: u32, user: &str) -> Result<Order, String> {
    Ok(Order { id, user: user.to_owned() })
}

fn refused<T>(text: &str) -> Result<T, String> {
    Err(format!("CSV: {text}"))
}

/// All records of a text, whatever comes at a time.
fn read<T>(csv: &Csv<T>, text: impl AsRef<[u8]>) -> Vec<Result<T, String>>
where
    T: DeserializeOwned + PartialEq + std::fmt::Debug + Send + 'static,
{
    let text = text.as_ref();
    let whole = in_pieces(csv, text, text.len().max(1), usize::MAX);
    for piece in 1..text.len().min(40) {
        assert_eq!(in_pieces(csv, text, piece, usize::MAX), whole, "{piece} bytes at a time");
    }
    // After each of them a job may have been started again.
    for (at, (_, end)) in whole.iter().enumerate() {
        assert_eq!(resumed(csv, text, *end, 3), whole[at + 1..], "from {end}");
    }
    items(whole)
}

fn mismatch<T: DeserializeOwned + Send + 'static>(text: &str) -> String {
    Csv::<T>::new().begin().head(text.as_bytes(), true).unwrap_err().into_reason()
}

fn write<T: Serialize + 'static>(csv: &Csv<T>, records: &[T]) -> Result<Vec<u8>, String> {
    let (mut writing, mut out) = (csv.begin(), vec![]);
    for record in records {
        Writing::<T>::write(&mut writing, record, &mut out).map_err(|error| error.reason().to_owned())?;
    }
    Ok(out)
}

#[test]
fn columns_go_by_name_and_rows_end_with_lines_that_are_not_in_quotes() {
    let expected = [order(1, "ann"), order(2, "two\r\nlines, \"quoted\""), order(3, "")];
    for text in [
        "id,user\n1,ann\n2,\"two\r\nlines, \"\"quoted\"\"\"\n3,\n",
        "\u{feff}user,x,id\r\nann,,1\r\n\r\n\"two\r\nlines, \"\"quoted\"\"\",\"\"\"\",2\r\n\"\",9,3",
    ] {
        assert_eq!(read(&Csv::new(), text), expected);
    }
    let text = "1;'a;''b'''\n2;c";
    let csv = Csv::<Order>::new().delimiter(b';').quote(b'\'');
    assert_eq!(read(&csv.clone().no_header(), text), [order(1, "a;'b'"), order(2, "c")]);
    let swapped = csv.columns(["user", "id"]);
    assert_eq!(read(&swapped, "a;1\n'b\n';2"), [order(1, "a"), order(2, "b\n")]);
    assert_eq!(read(&Csv::<Order>::new(), ""), []);
    assert_eq!(read(&Csv::<Order>::new(), "id,user\n\n"), []);
    assert_eq!(read(&Csv::<(u8, bool)>::new().no_header(), "1,true\n2,false"), [Ok((1, true)), Ok((2, false))]);
    let names = BTreeMap::from([("id".to_owned(), "1".to_owned()), ("user".to_owned(), "a".to_owned())]);
    assert_eq!(read(&Csv::<BTreeMap<String, String>>::new(), "id,user\n1,a"), [Ok(names)]);
}

#[test]
fn a_field_that_does_not_fit_costs_its_own_row() {
    let text = b"id,user\n1,a\nx,b\n-1,c\n4294967296,d\n1.0,e\n 2,f\n,g\n3\n3,h,i\n4,\xff\n\"\xc3\",\xa9\n5,j\n";
    let expected = [
        order(1, "a"),
        refused("field 1 (id): invalid digit found in string"),
        refused("field 1 (id): invalid digit found in string"),
        refused("field 1 (id): number too large to fit in target type"),
        refused("field 1 (id): invalid digit found in string"),
        refused("field 1 (id): invalid digit found in string"),
        refused("field 1 (id): cannot parse integer from empty string"),
        refused("1 fields, and the header names 2"),
        refused("3 fields, and the header names 2"),
        refused("field 2 (user): it is not UTF-8"),
        refused("field 1 (id): it is not UTF-8"),
        order(5, "j"),
    ];
    assert_eq!(read(&Csv::new(), text), expected);
    assert_eq!(
        read(&Csv::<(f64,)>::new().no_header(), "1e400\ninf"),
        [refused("field 1: number out of range"), Ok((f64::INFINITY,))]
    );
    assert_eq!(read(&Csv::<(u8,)>::new().no_header(), "1,2"), [refused("2 fields, and the type takes 1")]);
    let lists = read(&Csv::<(Vec<u8>,)>::new().no_header(), "1");
    assert_eq!(lists, [refused("field 1: a field of text holds one value: no list, no struct, no variant with data")]);
}

#[test]
fn a_header_that_does_not_fit_is_told_before_the_first_row() {
    assert_eq!(
        mismatch::<Order>("id,name,at\n"),
        "has no column \"user\" (it has id, name, at); rename the field with #[serde(rename)], or give it #[serde(default)]"
    );
    assert_eq!(
        mismatch::<Order>("id,user,id\n").split(';').next(),
        Some("has two columns \"id\" (it has id, user, id)")
    );

    /// With a time that no made-up text is at first.
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        at: std::net::IpAddr,
        #[serde(alias = "who")]
        user: String,
        #[serde(default)]
        #[allow(dead_code, reason = "only read")]
        count: u8,
        #[allow(dead_code, reason = "only read")]
        note: Option<String>,
    }
    assert!(mismatch::<Strict>("at,name\n").starts_with("has a column that the type refuses: unknown field `name`"));
    assert!(mismatch::<Strict>("at,count\n").starts_with("has no column \"user\" (it has at, count)"));
    let read = read(&Csv::<Strict>::new(), "who,at\na,127.0.0.1\n");
    assert_eq!(read[0].as_ref().unwrap().user, "a");

    #[derive(Debug, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        #[allow(dead_code, reason = "only read")]
        rest: BTreeMap<String, serde_json::Value>,
    }
    let bad = Csv::<Flat>::new().check().unwrap_err();
    assert!(bad.reason.contains("only JSON does"), "{bad:?}");
    assert!(Csv::<Order>::new().check().is_ok());
    assert_eq!(Csv::<Order>::new().columns(["id"]).check().unwrap_err().setting, "columns");
    assert_eq!(Csv::<Order>::new().delimiter(b'"').check().unwrap_err().setting, "quote");
}

#[test]
fn a_quote_that_is_not_closed_is_told_with_its_field_and_takes_no_memory() {
    let text = format!("id,user\n1,a\n2,\"b\n3,c\n{}", "4,d\n".repeat(1_000));
    let whole = in_pieces(&Csv::<Order>::new(), text.as_bytes(), 7, usize::MAX);
    assert_eq!(whole.len(), 2);
    let (Err((bytes, reason)), end) = &whole[1] else { panic!("it is read") };
    assert_eq!((bytes.len(), *end), (text.len() - 12, text.len()));
    assert_eq!(reason, "CSV: the quote that opens field 2 (user) is not closed before the file ends");
    for piece in [1, 50, 1_000, text.len()] {
        let cut = in_pieces(&Csv::<Order>::new(), text.as_bytes(), piece, 100);
        let (Err((_, reason)), end) = &cut[1] else { panic!("it is read") };
        assert_eq!((cut.len(), *end), (2, text.len()));
        assert!(
            reason
                .starts_with("CSV: a row of more than 100 bytes, which ends in field 2 (user): is a quote not closed?")
        );
    }
    // A row that is long and whole costs itself only.
    let text = format!("id,user\n1,{}\n2,b\n", "x".repeat(500));
    for piece in [1, 50, 1_000] {
        let cut = in_pieces(&Csv::<Order>::new(), text.as_bytes(), piece, 100);
        assert!(cut[0].0.is_err());
        assert_eq!(items(cut)[1], order(2, "b"));
    }
    let lines = Csv::<Order>::new().lines_are_records();
    let read = read(&lines, "id,user\n1,\"a\n2,b\r\n3,c\rd\n\n4,\"e\"\n");
    assert_eq!(
        read,
        [
            refused("the quote that opens field 2 (user) is not closed in its line"),
            order(2, "b"),
            refused("there is a carriage return in the line, which would end the row"),
            order(4, "e"),
        ]
    );
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Buy,
    #[serde(rename = "give, away")]
    Give,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct All {
    text: String,
    #[serde(rename = "a \"letter\"")]
    letter: char,
    yes: bool,
    small: i8,
    large: u64,
    huge: i128,
    double: f64,
    single: f32,
    maybe: Option<i64>,
    word: Option<String>,
    kind: Kind,
}

prop_compose! {
    fn all()(
        text in "\\PC*|[\",;\r\n x\u{feff}-]*",
        letter in any::<char>(),
        yes in any::<bool>(),
        small in any::<i8>(),
        large in any::<u64>(),
        huge in any::<i128>(),
        double in any::<u64>().prop_map(f64::from_bits).prop_filter("a number", |number| !number.is_nan()),
        single in any::<u32>().prop_map(f32::from_bits).prop_filter("a number", |number| !number.is_nan()),
        maybe in proptest::option::of(any::<i64>()),
        word in proptest::option::of(".+"),
        kind in prop_oneof![Just(Kind::Buy), Just(Kind::Give)],
    ) -> All {
        All { text, letter, yes, small, large, huge, double, single, maybe, word, kind }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_as_it_was(records in vec(all(), 1..6), delimiter in prop::sample::select(b",;\t|-1e".to_vec())) {
        let csv = Csv::<All>::new().delimiter(delimiter);
        let text = write(&csv, &records).unwrap();
        let read = read(&csv, &text);
        prop_assert_eq!(&read, &records.iter().cloned().map(Ok).collect::<Vec<_>>());
        for (read, written) in read.iter().zip(&records) {
            prop_assert_eq!(read.as_ref().unwrap().double.to_bits(), written.double.to_bits());
        }
    }

    #[test]
    fn a_row_and_a_refusal_are_the_same_whatever_comes_at_a_time(
        text in "(id,user\n)?([0-9x]{0,3}[,\"\r\n]{0,2}){0,20}",
        piece in 1..20usize,
        longest in 1..40usize,
        by_lines in any::<bool>(),
    ) {
        let csv = Csv::<(String, String)>::new().no_header();
        let csv = if by_lines { csv.lines_are_records() } else { csv };
        let bytes = text.as_bytes();
        prop_assert_eq!(in_pieces(&csv, bytes, piece, longest), in_pieces(&csv, bytes, bytes.len().max(1), longest));
    }
}

#[test]
fn what_would_not_be_read_as_it_was_is_not_written_and_the_field_is_named() {
    #[derive(Serialize)]
    struct Row<T> {
        id: u8,
        value: T,
    }
    fn refusal<T: Serialize + 'static>(value: T) -> String {
        write(&Csv::new(), &[Row { id: 1, value }]).unwrap_err()
    }
    let one = "CSV: field 2 (value): a field holds one value: no list, no map, no struct, no variant with data";
    assert_eq!(refusal(vec![1]), one);
    assert_eq!(refusal((1, 2)), one);
    assert_eq!(refusal(Some(BTreeMap::from([(1, 2)]))), one);
    assert_eq!(refusal(Ok::<u8, u8>(1)), one);
    assert!(refusal(Some("")).contains("field 2 (value): an empty text in an Option would be read as None"));
    assert_eq!(write(&Csv::new(), &[BTreeMap::from([("a", 1)])]).unwrap_err(), "CSV: a row is a struct or a tuple");
    assert_eq!(write(&Csv::new(), &[7]).unwrap_err(), "CSV: a row is a struct or a tuple");
    let lines = Csv::<(&str,)>::new().no_header().lines_are_records();
    assert!(write(&lines, &[("a\nb",)]).unwrap_err().contains("field 1: it has a line end in it"));

    #[derive(Serialize)]
    struct Uneven {
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
        b: u8,
    }
    let uneven = write(&Csv::new(), &[Uneven { a: Some(1), b: 2 }, Uneven { a: None, b: 3 }]);
    assert_eq!(uneven.unwrap_err(), "CSV: a row with the fields b in a file of a, b");
    assert!(write(&Csv::new(), &[(1, 2)]).unwrap_err().contains("have no names for a header"));
    assert_eq!(write(&Csv::new().no_header(), &[(String::new(),), ("x".into(),)]).unwrap(), b"\"\"\nx\n");
}

#[test]
fn another_program_reads_the_same() {
    let records: Vec<(String, String)> =
        [("a", "b"), ("two\nlines", "x,y"), ("\"q\"", ""), ("", "\r\n"), ("ünï", " s ")]
            .map(|(left, right)| (left.to_owned(), right.to_owned()))
            .to_vec();
    let text = write(&Csv::<(String, String)>::new().no_header(), &records).unwrap();
    let program = "import csv,json,sys,io\n\
                   print(json.dumps(list(csv.reader(io.TextIOWrapper(sys.stdin.buffer, 'utf-8', newline='')))))";
    let python = Command::new("python3").args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    // Where there is no Python, there is nothing to compare with.
    let Ok(mut python) = python else { return };
    python.stdin.take().unwrap().write_all(&text).unwrap();
    let output = python.wait_with_output().unwrap();
    let read: Vec<(String, String)> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read, records);
}

/// Nothing of it has to be there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Loose {
    id: Option<String>,
    #[serde(alias = "customer")]
    user: String,
}

#[test]
fn a_file_without_its_header_or_of_another_kind_is_no_file_of_nothing_but_defaults() {
    let told = mismatch::<Loose>("3,c\n4,d\n");
    assert!(told.contains("has none of the columns of the type (it has 3, c; the type, id, customer, user"), "{told}");
    assert!(told.contains("is its first row no header? Then read it with `columns`"), "{told}");
    // One of them is enough, also under another name; and who says which columns there are knows.
    for text in ["id,x\n1,2\n", "x,customer\n1,2\n"] {
        assert!(read(&Csv::<Loose>::new(), text)[0].is_ok(), "{text}");
    }
    assert_eq!(read(&Csv::<Loose>::new().columns(["a", "b"]), "1,2\n"), [Ok(Loose::default())]);
    // What takes any field, or one, is read.
    assert_eq!(
        read(&Csv::<BTreeMap<String, u8>>::new(), "x,y\n1,2\n"),
        [Ok([("x".into(), 1), ("y".into(), 2)].into())]
    );
    #[derive(Debug, PartialEq, Deserialize)]
    struct One {
        #[serde(default)]
        one: u8,
    }
    assert_eq!(read(&Csv::<One>::new(), "x,y\n1,2\n"), [Ok(One { one: 0 })]);
}

#[test]
fn a_header_in_the_middle_of_a_file_is_no_row() {
    let told = "CSV: it is the header again: has the file been put together from others?";
    let loose = |id: &str, user: &str| Ok(Loose { id: Some(id.to_owned()), user: user.to_owned() });
    for (header, end) in [("id,user", "\n"), ("id,user", "\r\n"), ("\"id\",user", "\n")] {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}{header}{end}1,a{end}{mark}{header}{end}2,b{end}");
            for csv in [Csv::<Loose>::new(), Csv::<Loose>::new().lines_are_records()] {
                let expected = [loose("1", "a"), Err(told.to_owned()), loose("2", "b")];
                assert_eq!(read(&csv, &text), expected, "{text:?}");
            }
        }
    }
    assert_eq!(
        read(&Csv::<BTreeMap<String, String>>::new(), "word\nword\n"),
        [Ok([("word".into(), "word".into())].into())]
    );
}

#[test]
fn a_row_that_is_called_as_its_header_comes_back() {
    let records = [loose("id", "user"), loose("1", "a"), loose("id", "user")];
    fn loose(id: &str, user: &str) -> Loose {
        Loose { id: Some(id.to_owned()), user: user.to_owned() }
    }
    let bytes = write(&Csv::<Loose>::new(), &records).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), "id,user\n\"id\",user\n1,a\n\"id\",user\n");
    assert_eq!(read(&Csv::<Loose>::new(), &bytes), records.map(Ok));
}
