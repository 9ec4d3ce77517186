//! The source against the contract, and files that change or go away.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::fs;
use std::path::Path;

use firesteel_connect::{
    ConnectError, Discovery, Place, ReadRange, Resumed, Source, SourceContext, SourceReader, conformance,
};
use firesteel_window::Timestamp;
use json_to_sqlite::JsonFiles;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn started(folder: &Path, resumed: impl IntoIterator<Item = Resumed>) -> JsonFiles<u32> {
    let source = JsonFiles::new(folder);
    source.start(&SourceContext::default().resumed_at(resumed)).unwrap();
    source
}

fn found(source: &JsonFiles<u32>) -> Result<Discovery, ConnectError> {
    source.discover(Timestamp::from_secs(0))
}

#[test]
fn it_keeps_the_contract_of_sources() {
    let numbers: Vec<u32> = (0..1000).collect();
    let folder = folder(&[
        ("a.json", "[1, 2, 3]"),
        ("b.json", "[]"),
        ("c.json", &serde_json::to_string(&numbers).unwrap()),
        ("d.json", "[4]"),
        ("e.txt", "[5]"),
    ]);
    conformance::source(|| JsonFiles::<u32>::new(folder.path()), &[vec![1, 2, 3], vec![], numbers, vec![4]]);
}

#[test]
fn what_is_no_record_is_told_and_the_others_are_read() {
    let folder = folder(&[("a.json", r#"[1, -2, "three", 4, {"five": [5]}, 6]"#)]);
    let broken = |text: &str| Err(text.as_bytes().to_vec());
    let expected = [Ok(1), broken("-2"), broken("\"three\""), Ok(4), broken(r#"{"five": [5]}"#), Ok(6)];
    conformance::undecodable(|| JsonFiles::<u32>::new(folder.path()), &expected);
}

#[test]
fn a_file_that_is_no_array_is_one_record_that_is_none() {
    for text in ["[1, 2", "7", "", "[1] [2]"] {
        let folder = folder(&[("a.json", text)]);
        conformance::undecodable(|| JsonFiles::<u32>::new(folder.path()), &[Err(text.as_bytes().to_vec())]);
    }
}

#[test]
fn a_file_that_has_changed_is_lost() {
    let folder = folder(&[("a.json", "[1, 2]")]);
    let path = folder.path().join("a.json");
    let source = started(folder.path(), []);
    let split = found(&source).unwrap().splits[0].id.clone();

    fs::write(&path, "[1, 2, 3]").unwrap();
    let range = ReadRange::exact(split.clone(), 0, 2);
    assert!(matches!(source.open(&range), Err(ConnectError::Lost { .. })));
    assert!(matches!(found(&source), Err(ConnectError::Lost { .. })));
    for at in [Resumed::at(split.clone(), 1), Resumed::at(split.clone(), 2).ended()] {
        assert!(matches!(found(&started(folder.path(), [at])), Err(ConnectError::Lost { .. })), "after a restart");
    }

    fs::write(&path, "[1, 2]").unwrap();
    assert_eq!(found(&source).unwrap().splits.len(), 1, "it is as it was");
    let mut reader = source.open(&range).unwrap();
    assert_eq!((reader.next_record().unwrap(), reader.next_record().unwrap()), (Some(1), Some(2)));
}

#[test]
fn a_file_that_is_gone_is_lost() {
    let folder = folder(&[("a.json", "[1, 2]")]);
    let source = started(folder.path(), []);
    let split = found(&source).unwrap().splits[0].id.clone();
    fs::remove_file(folder.path().join("a.json")).unwrap();
    assert!(matches!(found(&source), Err(ConnectError::Lost { .. })));
    assert!(matches!(source.open(&ReadRange::exact(split.clone(), 1, 2)), Err(ConnectError::Lost { .. })));
    let resumed = started(folder.path(), [Resumed::at(split, 1)]);
    assert!(matches!(found(&resumed), Err(ConnectError::Lost { .. })), "after a restart");
}

#[test]
fn a_folder_that_is_not_there_is_refused_at_the_start() {
    let refused = JsonFiles::<u32>::new("/no/such/folder").start(&SourceContext::default()).unwrap_err();
    assert!(matches!(refused, ConnectError::File { action: "list", .. }), "{refused}");
}

#[test]
fn it_knows_what_it_would_read() {
    let folder = folder(&[]);
    let source = JsonFiles::<u32>::new(folder.path().join("."));
    assert!(source.would_read(&Place::file(folder.path().join("out.json"))));
    assert!(!source.would_read(&Place::file(folder.path().join("out.db"))));
    assert!(!source.would_read(&Place::file(folder.path().join("below/out.json"))));
}
