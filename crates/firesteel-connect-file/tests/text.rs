//! Files of text by pattern, of access logs, of records of several lines, and of JSON that is not one value a line.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::path::Path;

use common::{append, available, discover, from, gzip, read, split};
use firesteel_connect::{Class, ReadRange, Source, SourceContext, conformance};
use firesteel_connect_file::Files;
use firesteel_formats::{Access, Json, Multiline, Pattern};
use firesteel_window::{Timestamp, seconds};
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Event {
    level: String,
    text: String,
}

fn event(level: &str, text: &str) -> Event {
    Event { level: level.to_owned(), text: text.to_owned() }
}

const TRACE: &str = "1 ERROR no\n\tat main\n\n\tat run\r\n\n2 INFO yes\n3 WARN hm\n";

#[test]
fn events_with_stack_traces() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.log"), TRACE).unwrap();
    std::fs::write(folder.path().join("b.log.gz"), gzip(TRACE.as_bytes())).unwrap();
    let make = || {
        let events = Pattern::<Event>::new(r"(?s)\d+ (?<level>[A-Z]+) (?<text>.*)");
        Files::new(folder.path()).in_format(Multiline::starting_with(r"^\d+ [A-Z]", events))
    };
    let expected = vec![event("ERROR", "no\n\tat main\n\n\tat run"), event("INFO", "yes"), event("WARN", "hm")];
    conformance::source(make, &[expected.clone(), expected.clone()]);
    // The last one of a file that may grow is not known to be whole.
    conformance::source(|| make().follow(), &[expected[..2].to_vec(), expected]);
    let strings = ["1 ERROR no\n\tat main\n\n\tat run", "2 INFO yes", "3 WARN hm"].map(str::to_owned).to_vec();
    conformance::source(|| Files::indented(folder.path()), &[strings.clone(), strings]);
}

#[test]
fn the_last_record_of_a_file_that_grows_comes_when_the_next_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "").unwrap();
    let files = Files::indented(&path).follow();
    files.start(&SourceContext::default()).unwrap();
    let (mut at, mut found) = (0, vec![]);
    for (piece, count) in [("a\n", 0), (" b", 0), ("b\n", 0), ("\n", 0), ("c", 0), ("\n d\ne\nf", 2), ("\n", 3)] {
        append(&path, piece);
        assert_eq!(available(&files).unwrap(), [None]);
        let (records, position) = read(&files, &from(&split(&path), at)).unwrap();
        found.extend(records);
        at = position;
        assert_eq!(found.len(), count, "after {piece:?}");
        assert_eq!(available(&files).unwrap(), [Some(at)]);
    }
    assert_eq!(found, ["a\n bb", "c\n d", "e"]);
}

#[test]
fn a_file_that_is_removed_before_its_last_record_has_come_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (text, is_whole) in [("a\nb\n", false), ("{\"n\":1}", true)] {
        let path = folder.path().join("a.log");
        std::fs::write(&path, text).unwrap();
        let (lines, values) = (Files::indented(folder.path()), Files::new(folder.path()));
        let values = values.in_format(Json::<serde_json::Value>::new().values());
        let (lines, values) = (lines.follow(), values.follow());
        let look = |gone: bool| if is_whole { available(&values) } else { available(&lines) }.map(|_| gone);
        if is_whole { values.start(&SourceContext::default()) } else { lines.start(&SourceContext::default()) }
            .unwrap();
        look(false).unwrap();
        let range = from(&split(&path), 0);
        let end = if is_whole { read(&values, &range).unwrap().1 } else { read(&lines, &range).unwrap().1 };
        let positions = [(split(&path), end)];
        if is_whole { values.committed(&positions) } else { lines.committed(&positions) }.unwrap();
        std::fs::remove_file(&path).unwrap();
        // It is waited for: it may be on its way to another name.
        look(true).unwrap();
        let later = Timestamp::EPOCH + seconds(10);
        let told = if is_whole { values.discover(later) } else { lines.discover(later) };
        match told {
            Ok(_) => assert!(is_whole),
            Err(error) => assert!(!is_whole && error.to_string().contains("position 2: the file is gone"), "{error}"),
        }
    }
}

#[test]
fn json_over_several_lines_and_in_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("values.json"),
        "{\n  \"level\": \"A\",\n  \"text\": \"}\"\n}\n{\"level\":\"B\",\"text\":\"\"}",
    )
    .unwrap();
    std::fs::write(path("array.json"), "[\n{\"level\":\"A\",\"text\":\"}\"}\n, {\"level\":\"B\",\"text\":\"\"}]\n")
        .unwrap();
    std::fs::write(path("array.json.gz"), gzip(&std::fs::read(path("array.json")).unwrap())).unwrap();
    let expected = vec![event("A", "}"), event("B", "")];
    let values = || Files::new(path("values.json")).in_format(Json::<Event>::new().values());
    conformance::source(values, std::slice::from_ref(&expected));
    for name in ["array.json", "array.json.gz"] {
        let array = || Files::new(path(name)).in_format(Json::<Event>::new().array());
        conformance::source(array, std::slice::from_ref(&expected));
    }
    let refused = b"[{\"level\":\"A\",\"text\":\"\"},{},{\"level\":\"B\",\"text\":\"\"}]";
    std::fs::write(path("array.json"), refused).unwrap();
    let expected = [Ok(event("A", "")), Err(b"{}".to_vec()), Ok(event("B", ""))];
    conformance::undecodable(|| Files::new(path("array.json")).in_format(Json::<Event>::new().array()), &expected);
}

#[test]
fn an_array_that_is_cut_off_is_told_after_its_whole_elements() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a.json", b"[1, 2\n".to_vec()), ("a.json.gz", gzip(b"[1, 2\n"))] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let files = Files::new(&path).in_format(Json::<u8>::new().array());
        files.start(&SourceContext::default()).unwrap();
        let exact = |from: u64| ReadRange::exact(split(&path), from, 6);
        assert_eq!(read(&files, &ReadRange::exact(split(&path), 0, 2)).unwrap(), (vec![1], 2));
        for range in [from(&split(&path), 0), exact(0), exact(2), from(&split(&path), 5)] {
            let error = read(&files, &range).unwrap_err();
            assert_eq!((error.class(), error.code()), (Class::Fatal, "FS-N008"), "{error}");
            assert!(error.to_string().contains("the array is not closed"), "{error}");
        }
    }
}

#[test]
fn an_access_log_of_a_real_site() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/access.log.gz");
    let files = Files::combined_log(&path);
    files.start(&SourceContext::default()).unwrap();
    let splits = discover(&files).unwrap().splits;
    let mut reader = files.open(&from(&splits[0].id, 0)).unwrap();
    let (mut accesses, mut refused) = (Vec::<Access>::new(), vec![]);
    loop {
        match firesteel_connect::SourceReader::next_record(&mut reader) {
            Ok(Some(access)) => accesses.push(access),
            Ok(None) => break,
            Err(error) => refused.push(error.to_string()),
        }
    }
    assert_eq!(accesses.len(), 9_999);
    let [error] = &refused[..] else { panic!("{refused:?}") };
    assert!(error.contains("(line 8899): combined log: a user agent in quotes is expected"), "{error}");
    let bytes: u64 = accesses.iter().filter_map(|access| access.bytes).sum();
    let missing = accesses.iter().filter(|access| access.status == 404).count();
    let paths = accesses.iter().filter(|access| access.path().is_some()).count();
    let hours = accesses.iter().map(|access| access.at.to_string()[..13].to_owned());
    // As a program in another language counts them.
    let hours = hours.collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!((bytes, missing, paths, hours), (2_747_282_505, 213, 9_999, 84));
}
