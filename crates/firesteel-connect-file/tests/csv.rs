//! Files of CSV.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use common::{append, available, discover, from, gzip, read, split, zstd};
use firesteel_connect::{Class, ReadRange, Source, SourceContext, conformance};
use firesteel_connect_file::{FileSink, Files};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    user: String,
}

fn order(id: u32, user: &str) -> Order {
    Order { id, user: user.to_owned() }
}

const TEXT: &str = "at,user,id\r\n12:00,ann,1\n\n,\"two\r\nlines, \"\"quoted\"\"\",2\r\n,,3\n\n,\"id\nuser,at\",4";

fn orders() -> Vec<Order> {
    vec![order(1, "ann"), order(2, "two\r\nlines, \"quoted\""), order(3, ""), order(4, "id\nuser,at")]
}

#[test]
fn plain_and_compressed_files_each_with_a_header_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, Vec<u8>); 6] = [
        ("a.csv", TEXT.into()),
        ("b.csv.gz", gzip(TEXT.as_bytes())),
        ("c.csv.zst", zstd(TEXT.as_bytes())),
        ("d.csv", b"user,id\n".into()),
        ("e.csv", [b"\xef\xbb\xbf", TEXT.as_bytes()].concat()),
        ("f.csv", b"".into()),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let expected = [orders(), orders(), orders(), vec![], orders(), vec![]];
    conformance::source(|| Files::csv::<Order>(folder.path()), &expected);
    let whole = |orders: Vec<Order>| orders[..3].to_vec();
    let expected = [whole(orders()), orders(), orders(), vec![], whole(orders()), vec![]];
    conformance::source(|| Files::csv::<Order>(folder.path()).follow(), &expected);
}

#[test]
fn files_whose_rows_are_lines_may_be_cut_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "id,user\n1,a\r\n2,\"b, c\"\n\n3,\n4,d").unwrap();
    let expected = [vec![order(1, "a"), order(2, "b, c"), order(3, ""), order(4, "d")]];
    let make = || Files::csv::<Order>(folder.path()).change_format(|csv| csv.lines_are_records());
    conformance::source(make, &expected);
    assert!(discover(&make()).unwrap().splits[0].divisible);
    assert!(!discover(&Files::csv::<Order>(folder.path())).unwrap().splits[0].divisible);
}

#[test]
fn what_cannot_be_decoded_is_told_with_its_bytes_and_costs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.csv.gz");
    let text = b"id,user\n1,a\nx,\"b\nc\"\n2,d\n3\n4,\"e\n";
    for bytes in [gzip(text), text.to_vec()] {
        std::fs::write(&path, bytes).unwrap();
        let bad = |bytes: &[u8]| Err(bytes.to_vec());
        let expected = [Ok(order(1, "a")), bad(b"x,\"b\nc\""), Ok(order(2, "d")), bad(b"3"), bad(b"4,\"e\n")];
        conformance::undecodable(|| Files::csv::<Order>(&path), &expected);
        let files = Files::csv::<Order>(&path);
        files.start(&SourceContext::default()).unwrap();
        let told = |at| read(&files, &from(&split(&path), at)).unwrap_err().to_string();
        let text = told(12);
        assert!(
            text.ends_with("orders.csv.gz, byte 12 (line 3): CSV: field 1 (id): invalid digit found in string"),
            "{text}"
        );
        let text = told(24);
        assert!(text.ends_with("byte 24 (line 6): CSV: 1 fields, and the header names 2"), "{text}");
        let text = told(26);
        assert!(
            text.ends_with(
                "byte 26 (line 7): CSV: the quote that opens field 2 (user) is not closed before the file ends"
            ),
            "{text}"
        );
    }
}

#[test]
fn a_file_that_grows_in_the_middle_of_a_row_or_of_its_header_gives_whole_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.csv");
    let text = "id,user\n1,\"two\nlines\"\n2,b\n";
    for cut in 1..text.len() {
        std::fs::write(&path, &text[..cut]).unwrap();
        let files = Files::csv::<Order>(&path).follow();
        files.start(&SourceContext::default()).unwrap();
        let (mut found, mut at) = (vec![], 0);
        for piece in [&text[cut..cut], &text[cut..], "3,c\n4", ",d", "\n"] {
            append(&path, piece);
            let end = available(&files).unwrap()[0];
            assert!(end.is_none() || piece.is_empty(), "only reading can tell");
            let (records, position) = read(&files, &from(&split(&path), at)).unwrap();
            // The same range holds the same again.
            let again = read(&files, &ReadRange::exact(split(&path), at, position)).unwrap();
            assert_eq!(again.0, records, "cut at {cut}, {at} to {position}");
            found.extend(records);
            at = position;
            assert_eq!(available(&files).unwrap(), [Some(at)]);
        }
        assert_eq!(found, [order(1, "two\nlines"), order(2, "b"), order(3, "c"), order(4, "d")], "cut at {cut}");
        assert_eq!(at, 34);
    }
}

#[test]
fn a_header_without_a_column_that_is_needed_is_told_wherever_reading_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.csv");
    for bytes in [b"id,name\n1,a\n".to_vec(), gzip(b"id,name\n1,a\n")] {
        std::fs::write(&path, bytes).unwrap();
        let files = Files::csv::<Order>(&path);
        let at_start = files.start(&SourceContext::default()).unwrap_err();
        let read = |at| read(&files, &from(&split(&path), at)).unwrap_err();
        for error in [at_start, read(0), read(8)] {
            assert_eq!((error.class(), error.code()), (Class::Program, "FS-N020"));
            assert!(error.to_string().contains("orders.csv has no column \"user\" (it has id, name)"), "{error}");
        }
    }
    let error = Files::csv::<Order>(&path).change_format(|csv| csv.delimiter(b'\n')).start(&SourceContext::default());
    assert!(error.unwrap_err().to_string().contains("delimiter of CSV"));
}

#[test]
fn results_are_published_once_and_read_again() {
    let parent = tempfile::tempdir().unwrap();
    let places = std::cell::Cell::new(0);
    let make = || {
        places.set(places.get() + 1);
        FileSink::csv::<Order>(parent.path().join(places.get().to_string()))
    };
    let visible = |sink: &FileSink<_>| common::published(sink.folder(), |folder| Files::csv::<Order>(folder));
    conformance::sink(make, visible, |n| order(n, "a\n\"b\""));
    conformance::sink(|| make().gzip(), visible, |n| order(n, ""));
}
