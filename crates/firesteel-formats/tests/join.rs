//! Files that become one: what is odd in them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::{self, Cursor, Read, Write};

use firesteel_formats::{Avro, Csv, Joined, Joiner, NotJoined, Parquet, WriteFormat, Writing};
use serde::{Deserialize, Serialize};

fn add(joiner: &mut Joiner, file: &[u8], records: u64, out: &mut Vec<u8>) -> Result<Joined, NotJoined> {
    let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(file.to_vec()))) };
    joiner.add(&open, records, out)
}

/// All of them, and where they stand.
fn joined(extension: &str, files: &[(&[u8], u64)]) -> (Vec<u8>, Vec<Result<Joined, String>>) {
    let (mut joiner, mut out) = (Joiner::of_extension(extension).unwrap(), vec![]);
    let mut stands = vec![];
    for (file, records) in files {
        let before = out.len();
        let found = add(&mut joiner, file, *records, &mut out).map_err(|error| error.to_string());
        assert!(found.is_ok() || out.len() == before, "nothing of a file that is refused is there");
        stands.push(found);
    }
    joiner.end(&mut out).unwrap();
    (out, stands)
}

fn at(at: u64, length: u64, begin: u64) -> Result<Joined, String> {
    Ok(Joined { at, length, begin })
}

#[test]
fn lines_stay_lines() {
    let mark = "\u{feff}";
    let marked = format!("{mark}b\n");
    let files: [(&[u8], u64); 5] = [(b"a\n", 1), (b"", 0), (marked.as_bytes(), 1), (b"c", 1), (b"d\n\n", 2)];
    let (out, stands) = joined("txt", &files);
    assert_eq!(out, b"a\nb\nc\nd\n\n");
    assert_eq!(stands, [at(0, 2, 0), at(2, 0, 0), at(2, 2, 3), at(4, 1, 0), at(6, 3, 0)]);
    let (out, _) = joined("txt", &[(marked.as_bytes(), 1), (b"a\n", 1)]);
    assert_eq!(out, format!("{mark}b\na\n").as_bytes(), "at the beginning it is what it was");
    let (out, _) = joined("pb", &[(b"\x01a", 1), (b"\x01b", 1)]);
    assert_eq!(out, b"\x01a\x01b");
    assert!(Joiner::of_extension("xml").is_none());
}

#[test]
fn rows_of_csv_follow_one_header_and_what_is_unclear_is_refused() {
    let files: [(&[u8], u64); 7] = [
        (b"a,b\n1,\"x\ny\"\n", 1),
        (b"a,b\n2,z", 1),
        (b"a,c\n3,z\n", 1),
        (b"4,z\n", 1),
        (b"a,b\n5,z\n6,z\n", 1),
        (b"a,b\n7,\"z\n", 1),
        (b"a,b\n8,z\n", 1),
    ];
    let (out, stands) = joined("csv", &files);
    assert_eq!(out, b"a,b\n1,\"x\ny\"\n2,z\n8,z\n");
    assert_eq!([&stands[0], &stands[1], &stands[6]], [&at(4, 8, 4), &at(12, 3, 4), &at(16, 4, 4)]);
    let reasons: Vec<&str> = stands[2..6].iter().map(|found| found.as_ref().unwrap_err().as_str()).collect();
    assert!(reasons[..2].iter().all(|reason| reason.contains("another header")), "{reasons:?}");
    assert!(reasons[2].contains("3 rows and 1 records") && reasons[3].contains("not closed"), "{reasons:?}");
    let (out, stands) = joined("csv", &[(b"1;2\n", 1), (b"3;4\n5;6\n", 2), (b"a;b\n7;8\n", 1)]);
    assert_eq!(out, b"1;2\n3;4\n5;6\n", "files without headers");
    assert!(stands[2].is_err());
}

#[derive(Serialize, Deserialize)]
struct Row {
    number: i32,
    text: String,
}

/// With another quote, `"` is a letter as others are: rows cannot be counted, and a header is not known from a row.
#[test]
fn csv_with_another_quote_is_refused_where_that_is_seen() {
    type Pair = (u32, String);
    let quoted = Csv::<Pair>::new().quote(b'\'');
    assert!(!WriteFormat::<Pair>::may_be_joined(&quoted) && WriteFormat::<Pair>::may_be_joined(&Csv::<Pair>::new()));
    let texts = ["5\" pipe", "6\" pipe", "plain"];
    // The first two rows would be one, and the header a row.
    let file = format!("number,text\n{}", (0..3).map(|n| format!("{n},{}\n", texts[n])).collect::<String>());
    let mut joiner = Joiner::of_extension("csv").unwrap();
    let mut out = vec![];
    let refused = add(&mut joiner, file.as_bytes(), 3, &mut out);
    assert!(matches!(&refused, Err(NotJoined::Unfit(reason)) if reason.contains("another quote")), "{refused:?}");
    assert_eq!(out, b"");
    // Ours are known as what they are, whatever is in them.
    let odd = ["\"", "\"\"", "", " \"x\" ", "a\nb", ",", ";\";", "\u{feff}\"", "'\"'\r\n\""];
    for delimiter in [b',', b';', b'\t'] {
        let csv = Csv::<Pair>::new().delimiter(delimiter).no_header();
        let file = written(&csv, odd.iter().enumerate().map(|(n, text)| (n as u32, (*text).to_owned())));
        for mark in ["", "\u{feff}"] {
            let file = [mark.as_bytes(), &file].concat();
            let joined = add(&mut Joiner::of_extension("csv").unwrap(), &file, odd.len() as u64, &mut out).unwrap();
            assert_eq!(joined.begin, mark.len() as u64);
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Other {
    number: i64,
}

fn written<T>(format: &impl WriteFormat<T>, records: impl IntoIterator<Item = T>) -> Vec<u8> {
    let (mut writing, mut file) = (format.begin(), vec![]);
    for record in records {
        let mut bytes = vec![];
        writing.write(&record, &mut bytes).unwrap();
        file.write_all(&bytes).unwrap();
    }
    let mut bytes = vec![];
    writing.end(&mut bytes).unwrap();
    [file, bytes].concat()
}

#[test]
fn what_is_damaged_or_has_other_columns_is_refused_before_anything_of_it_is_written() {
    let schema = |version: &str| {
        format!(
            r#"{{"type": "record", "name": "Row", "doc": "{version}", "fields": [
            {{"name": "number", "type": "int"}}, {{"name": "text", "type": "string"}}]}}"#
        )
    };
    let row = |number| Row { number, text: "t".repeat(number as usize) };
    let avro = |version| written(&Avro::<Row>::new().written_as(&schema(version)), (0..50).map(row));
    let parquet = written(&Parquet::<Row>::new(), (0..50).map(row));
    let others = written(&Parquet::<Other>::new(), [Other { number: 1 }]);
    let packed = written(&Parquet::<Row>::new().lz4(), (0..50).map(row));
    let csv = written(&Csv::<Row>::new(), (0..50).map(row));
    for (extension, file, different) in [
        ("avro", avro("1"), vec![avro("2")]),
        ("parquet", parquet, vec![others, packed]),
        ("csv", csv, vec![b"number\n1\n".to_vec()]),
    ] {
        let mut joiner = Joiner::of_extension(extension).unwrap();
        let mut out = vec![];
        add(&mut joiner, &file, 50, &mut out).unwrap();
        let before = out.len();
        for other in different {
            let found = add(&mut joiner, &other, 1, &mut out).or_else(|_| add(&mut joiner, &other, 50, &mut out));
            assert!(found.is_err_and(|error| !matches!(error, NotJoined::Write(_))), "{extension}");
        }
        for cut in [file.len() - 1, file.len() / 2, 3] {
            let found = add(&mut joiner, &file[..cut], 50, &mut out);
            assert!(
                matches!(found, Err(NotJoined::Damaged(_) | NotJoined::Unfit(_))) || extension == "csv",
                "{extension}: {found:?}"
            );
        }
        assert!(add(&mut joiner, &file, 49, &mut out).is_err(), "{extension}: it has more than is said");
        if extension != "csv" {
            assert_eq!(out.len(), before, "{extension}");
        }
        add(&mut joiner, &file, 50, &mut out).unwrap();
        joiner.end(&mut out).unwrap();
    }
}
