//! Files of JSON.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use common::{from, gzip, read, split, zstd};
use firesteel_connect::{Class, Epoch, Sink, SinkContext, Source, SourceContext, WriteTask, conformance};
use firesteel_connect_file::{FileSink, Files};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    ad: u32,
}

const TEXT: &str =
    "{\"id\":1,\"ad\":2}\n{\"id\":2,\"at\":\"12:00\",\"ad\":3}\r\n\n  \n{\"id\":3,\"ad\":4}\n\n{\"id\":4,\"ad\":5}";

fn orders(ids: impl IntoIterator<Item = u32>) -> Vec<Order> {
    ids.into_iter().map(|id| Order { id, ad: id + 1 }).collect()
}

#[test]
fn plain_and_compressed_files() {
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, Vec<u8>); 5] = [
        ("a.ndjson", TEXT.into()),
        ("b.ndjson.gz", gzip(TEXT.as_bytes())),
        ("c.ndjson.zst", zstd(TEXT.as_bytes())),
        ("d.ndjson", b"\n \n".into()),
        ("e.ndjson", [b"\xef\xbb\xbf", TEXT.as_bytes()].concat()),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let expected = [orders(1..=4), orders(1..=4), orders(1..=4), vec![], orders(1..=4)];
    conformance::source(|| Files::json::<Order>(folder.path()), &expected);
    let expected = [orders(1..=3), orders(1..=4), orders(1..=4), vec![], orders(1..=3)];
    conformance::source(|| Files::json::<Order>(folder.path()).follow(), &expected);
}

#[test]
fn what_cannot_be_decoded_is_told_with_its_bytes_and_costs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.ndjson");
    let text =
        b"{\"id\":1,\"ad\":2}\n{\"id\":2,\"at\":\"12:00\",\"ad\":\"x\"}\n\n{\"id\":\"\xff\"}\n{\"id\":3,\"ad\":4}\n";
    for bytes in [text.to_vec(), gzip(text)] {
        std::fs::write(&path, bytes).unwrap();
        let (good, bad) = (orders([1, 3]), [&text[16..46], &text[48..58]].map(|bytes| Err(bytes.to_vec())));
        let [first, second] = bad;
        let expected = [Ok(good[0].clone()), first, second, Ok(good[1].clone())];
        conformance::undecodable(|| Files::json::<Order>(&path), &expected);

        let files = Files::json::<Order>(&path);
        files.start(&SourceContext::default()).unwrap();
        let error = read(&files, &from(&split(&path), 16)).unwrap_err();
        assert_eq!(error.class(), Class::Record);
        let text = error.to_string();
        let told = "orders.ndjson, byte 16 (line 2): JSON: line 1 column 29: invalid type: string \"x\", expected u32, at field ad";
        assert!(text.ends_with(told), "{text}");
        let text = read(&files, &from(&split(&path), 47)).unwrap_err().to_string();
        assert!(text.ends_with("orders.ndjson, byte 48 (line 4): JSON: byte 7 of the record is not UTF-8"), "{text}");
    }
}

#[test]
fn results_are_published_once_and_read_again() {
    let parent = tempfile::tempdir().unwrap();
    let places = std::cell::Cell::new(0);
    let make = || {
        places.set(places.get() + 1);
        FileSink::json::<Order>(parent.path().join(places.get().to_string()))
    };
    let visible = |sink: &FileSink<_>| common::published(sink.folder(), |folder| Files::json::<Order>(folder));
    conformance::sink(make, visible, |n| Order { id: n, ad: n });
    conformance::sink(|| make().gzip(), visible, |n| Order { id: n, ad: n });
}

#[test]
fn a_record_that_has_no_form_fails_its_task_and_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::json::<(u32, f64)>(folder.path().join("out"));
    sink.start(&SinkContext::default()).unwrap();
    let error = sink.write(WriteTask::new(Epoch(3), 0), [(1, 0.5), (2, f64::NAN)].into_iter()).unwrap_err();
    assert_eq!(error.class(), Class::Record);
    let text = error.to_string();
    assert!(text.contains("writing a record of epoch 3 as JSON: JSON: at field [1]: NaN has no form"), "{text}");
    assert_eq!(std::fs::read_dir(sink.folder()).unwrap().count(), 1, "only the folder of manifests");
}
