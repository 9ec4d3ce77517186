//! What happens to objects.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

#[cfg(feature = "csv")]
use std::collections::BTreeSet;

use common::{all, bucket, discover, gzip, put, read};
use firesteel_connect::{
    Class, Decoding, Epoch, Place, ReadRange, Resumed, Sink, SinkContext, Source, SourceContext, SourceReader, SplitId,
    WriteTask,
};
use firesteel_connect_object_store::{Bucket, ObjectSink, Objects, OnMissing, OnUnreadable, Order};
use firesteel_formats::Lines;
use serde::{Deserialize, Serialize};

type Text = Objects<Lines<Decoding<fn(&[u8]) -> Result<String, String>>>>;

fn decode(line: &[u8]) -> Result<String, String> {
    String::from_utf8(line.to_vec()).map_err(|error| error.to_string())
}

fn lines(bucket: &Bucket, path: &str) -> Text {
    let decode: fn(&[u8]) -> Result<String, String> = decode;
    Objects::lines(bucket, path, Decoding::new(decode))
}

fn started(source: Text, resumed: Vec<Resumed>) -> Text {
    source.start(&SourceContext::new("job", "logs").resumed_at(resumed)).unwrap();
    source
}

/// A job that reads all that there is whenever it looks, and what its checkpoint knows.
struct Reader {
    source: Text,
    seconds: i64,
    known: Vec<Resumed>,
    lines: Vec<String>,
}

impl Reader {
    fn new(source: Text) -> Self {
        Self { source: started(source, vec![]), seconds: 0, known: vec![], lines: vec![] }
    }

    /// Looks, reads, commits.
    fn step(&mut self) {
        self.seconds += 60;
        let found = discover(&self.source, self.seconds).unwrap();
        if found.is_all {
            self.known.retain(|known| found.splits.iter().any(|split| split.id == known.split));
        }
        self.known.retain(|known| !found.gone.contains(&known.split));
        for split in found.splits {
            let from = self.known.iter().find(|known| known.split == split.id).map_or(0, |known| known.position);
            if split.available.is_some_and(|available| available <= from) {
                continue;
            }
            let (lines, to) = read(&self.source, &split.id, from).unwrap();
            self.lines.extend(lines);
            let notes = self.source.notes(&[(split.id.clone(), to)]).unwrap();
            let note = notes.into_iter().find(|(noted, _)| *noted == split.id).map(|(_, note)| note);
            self.known.retain(|known| known.split != split.id);
            self.known.push(Resumed::at(split.id.clone(), to).noted(note));
            self.source.committed(&[(split.id, to)]).unwrap();
        }
    }

    fn restart(&mut self, source: Text) {
        self.source = started(source, self.known.clone());
    }
}

#[test]
fn each_object_is_read_once_whatever_becomes_of_it_running_or_stopped() {
    for stops in [false, true] {
        for compressed in [false, true] {
            let bucket = bucket();
            let store = |key: &str, text: &str| {
                put(&bucket, key, if compressed { gzip(text.as_bytes()) } else { text.as_bytes().to_vec() });
            };
            let source = || lines(&bucket, "logs").follow();
            store("logs/b", "b1\nb2\n");
            let mut reader = Reader::new(source());
            let mut due = vec![];
            let mut step = |changes: &[(&str, &str)], new: &[&str]| {
                if stops {
                    reader.restart(source());
                }
                changes.iter().for_each(|(key, text)| match *text {
                    "" => bucket.delete(key).unwrap(),
                    text => store(key, text),
                });
                if stops {
                    reader.restart(source());
                }
                reader.step();
                due.extend(new.iter().map(|line| (*line).to_owned()));
                assert_eq!(reader.lines, due, "{changes:?}, stopped: {stops}, compressed: {compressed}");
            };
            step(&[], &["b1", "b2"]);
            step(&[], &[]);
            // Keys that do not ascend.
            step(&[("logs/c", "c\n"), ("logs/a", "a\n")], &["a", "c"]);
            // Another object under the same key, and the same one again.
            step(&[("logs/a", "other a\n")], &["other a"]);
            step(&[("logs/b", ""), ("logs/c", "")], &[]);
            step(&[("logs/b", "new b\n")], &["new b"]);
            step(&[("logs/d/e/f", "deep\n"), ("logs/_hidden", "x\n"), ("other", "x\n")], &["deep"]);
        }
    }
}

#[test]
fn an_object_that_is_gone_or_replaced_before_it_was_read_is_an_error_that_says_what_to_do() {
    for replaced in [false, true] {
        let bucket = bucket();
        put(&bucket, "logs/a", "1\n2\n");
        put(&bucket, "logs/b", "3\n");
        let change = |key: &str| if replaced { put(&bucket, key, "other\n") } else { bucket.delete(key).unwrap() };
        let open = |source: &Text, key: &str| source.open(&ReadRange::starting_at(SplitId::new(key), 0));
        let source = started(lines(&bucket, "logs").follow(), vec![]);
        discover(&source, 0).unwrap();
        change("logs/a");
        let error = open(&source, "logs/a").unwrap_err();
        assert_eq!(error.class(), Class::Fatal);
        let text = error.to_string();
        assert!(text.contains("logs/a") && text.contains("--allow-loss 'split:logs/logs/a'"), "{text}");
        let error = discover(&source, 100).unwrap_err();
        assert!(error.to_string().contains(if replaced { "another object" } else { "is gone" }), "{error}");

        let source = started(lines(&bucket, "logs").follow().on_missing(OnMissing::Skip), vec![]);
        discover(&source, 0).unwrap();
        change("logs/b");
        let found = discover(&source, 100).unwrap();
        assert_eq!(found.gone, [SplitId::new("logs/b")], "{found:?}");

        // Between a look and a read, also where there is one look only.
        put(&bucket, "logs/c", "4\n");
        let source = started(lines(&bucket, "logs/c").on_missing(OnMissing::Skip), vec![]);
        discover(&source, 0).unwrap();
        change("logs/c");
        let reader = open(&source, "logs/c").unwrap();
        assert!(reader.at_end() && read(&source, &SplitId::new("logs/c"), 0).unwrap() == (vec![], 0));
    }
}

#[test]
fn an_object_that_is_damaged_harms_no_other() {
    let bucket = bucket();
    let text: String = (0..50_000).map(|n| format!("{n} {}\n", n * 7919 % 10_007)).collect();
    let packed = gzip(text.as_bytes());
    put(&bucket, "logs/a", "fine\n");
    put(&bucket, "logs/b.gz", &packed[..packed.len() / 2]);
    put(&bucket, "logs/c.zip", &b"PK\x03\x04 and so on"[..]);
    put(&bucket, "logs/d", "fine, too\n");
    let mut reader = Reader::new(lines(&bucket, "logs").follow());
    reader.step();
    let (fine, cut): (Vec<&String>, Vec<&String>) = reader.lines.iter().partition(|line| line.starts_with("fine"));
    assert_eq!(fine, ["fine", "fine, too"]);
    let whole: Vec<&str> = text.lines().take(cut.len()).collect();
    assert!(cut == whole && cut.len() > 10_000, "{} lines: {:?}", cut.len(), cut.last());
    let before = reader.lines.len();
    reader.step();
    reader.restart(lines(&bucket, "logs").follow());
    reader.step();
    assert_eq!(reader.lines.len(), before, "nothing is read again");

    for (key, expected) in [("logs/b.gz", "byte"), ("logs/c.zip", "packed by zip")] {
        let source = started(lines(&bucket, key), vec![]);
        let error = read(&source, &SplitId::new(key), 0).unwrap_err();
        assert!(error.to_string().contains(expected) && error.class() == Class::Fatal, "{error}");
        let source = started(lines(&bucket, key).on_unreadable(OnUnreadable::Skip), vec![]);
        read(&source, &SplitId::new(key), 0).unwrap();
    }
}

#[test]
fn a_large_object_that_nothing_unpacks_is_not_taken_for_text() {
    let bucket = bucket();
    let text = "a line\n".repeat(3 << 20);
    put(&bucket, "logs/large.zip", [b"PK\x03\x04", text.as_bytes()].concat());
    let source = started(lines(&bucket, "logs"), vec![]);
    let split = discover(&source, 0).unwrap().splits.remove(0);
    assert!(!split.divisible && split.available.is_none(), "{split:?}");
    let error = read(&source, &split.id, 0).unwrap_err();
    assert!(error.to_string().contains("packed by zip"), "{error}");
}

#[test]
fn what_an_object_is_packed_by_is_known_by_its_bytes() {
    let bucket = bucket();
    put(&bucket, "logs/a.log", gzip(b"packed\n"));
    put(&bucket, "logs/b.gz", "plain\n");
    assert_eq!(all(&lines(&bucket, "logs")), ["packed", "plain"]);
    assert_eq!(all(&lines(&bucket, "logs/a.log")), ["packed"], "a prefix may be a key");
    assert_eq!(all(&lines(&bucket, "logs/*.gz")), ["plain"]);
}

#[test]
fn objects_come_in_the_order_that_is_asked_for_and_a_few_at_a_time() {
    let bucket = bucket();
    for key in ["c", "a", "b"] {
        put(&bucket, &format!("logs/{key}"), format!("{key}\n"));
    }
    for (order, due) in [(Order::Key, ["a", "b", "c"]), (Order::Time, ["c", "a", "b"])] {
        let source = started(lines(&bucket, "logs").order(order).most_at_once(1), vec![]);
        let mut found = vec![];
        for turn in 0..3 {
            let discovery = discover(&source, 0).unwrap();
            assert_eq!((discovery.splits.len(), discovery.complete), (1, turn == 2));
            found.push(discovery.splits[0].id.as_str().trim_start_matches("logs/").to_owned());
        }
        assert_eq!(found, due);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sale {
    country: String,
    pieces: u64,
}

#[cfg(feature = "csv")]
#[test]
fn csv_with_a_header_is_read_from_any_position() {
    let bucket = bucket();
    let sales: Vec<Sale> = (0..100).map(|n| Sale { country: format!("x \"{n}\"\n"), pieces: n }).collect();
    let sink = ObjectSink::csv::<Sale>(&bucket, "out").partitioned_by("even", |sale| sale.pieces % 2 == 0).gzip();
    sink.start(&SinkContext::default()).unwrap();
    let mut pending = vec![sink.write(WriteTask::new(Epoch(1), 0), sales.iter().cloned()).unwrap()];
    sink.commit(Epoch(1), &mut pending).unwrap();
    let mut found = all(&Objects::csv::<Sale>(&bucket, "out"));
    found.sort_by_key(|sale| sale.pieces);
    assert_eq!(found, sales);
    let keys: BTreeSet<String> =
        bucket.list("out").unwrap().objects.into_iter().map(|object| object.location.to_string()).collect();
    assert!(keys.contains("out/even=true/part-0000000001-00000.r1-0.csv.gz"), "{keys:?}");

    let text: String =
        std::iter::once("country,pieces\n".to_owned()).chain((0..1_000).map(|n| format!("\"a\nb\",{n}\n"))).collect();
    put(&bucket, "in/plain.csv", text.as_str());
    put(&bucket, "in/packed.csv.gz", gzip(text.as_bytes()));
    let source = Objects::csv::<Sale>(&bucket, "in");
    source.start(&SourceContext::default()).unwrap();
    for split in discover(&source, 0).unwrap().splits {
        let mut pieces = vec![];
        let mut from = 0;
        loop {
            let range = ReadRange::starting_at(split.id.clone(), from).max_records(7);
            let mut reader = source.open(&range).unwrap();
            reader.for_each(|sale: Sale| pieces.push(sale.pieces)).unwrap();
            from = reader.position();
            if reader.at_end() {
                break;
            }
        }
        assert_eq!(pieces, (0..1_000).collect::<Vec<_>>(), "{}", split.id);
    }
}

#[test]
fn a_job_does_not_read_its_own_results_and_others_prefixes_are_refused() {
    let bucket = bucket();
    let sink = ObjectSink::json::<Sale>(&bucket, "logs/out").partitioned_by("country", |sale| sale.country.clone());
    let places = Sink::<Sale>::places(&sink);
    assert!(matches!(&places[..], [Place::Object { key, .. }] if key.starts_with("logs/out/country=")), "{places:?}");
    assert!(lines(&bucket, "logs").would_read(&places[0]) && lines(&bucket, "logs/**/*.ndjson").would_read(&places[0]));
    assert!(!lines(&bucket, "log").would_read(&places[0]) && !lines(&bucket, "logs/*").would_read(&places[0]));

    put(&bucket, "theirs/part-0000000001-00000.r1-0.ndjson", "1\n");
    let error = ObjectSink::json::<Sale>(&bucket, "theirs").start(&SinkContext::default()).unwrap_err();
    assert!(error.to_string().contains("a prefix of its own"), "{error}");
    let error = lines(&bucket, "nothing").start(&SourceContext::default()).unwrap_err();
    assert!(error.to_string().contains("no object is under nothing"), "{error}");
}

#[test]
fn hundreds_of_epochs_are_a_few_manifests_and_are_read_once() {
    let bucket = bucket();
    let sink = ObjectSink::json::<u64>(&bucket, "out");
    sink.start(&SinkContext::default()).unwrap();
    let mut seen = vec![];
    let source = Objects::json::<u64>(&bucket, "out").follow();
    let mut is_started = false;
    for epoch in 1..=450 {
        let mut pending = vec![sink.write(WriteTask::new(Epoch(epoch), 0), [epoch].into_iter()).unwrap()];
        sink.commit(Epoch(epoch), &mut pending).unwrap();
        if epoch % 30 == 0 {
            if !std::mem::replace(&mut is_started, true) {
                source.start(&SourceContext::default()).unwrap();
            }
            for split in discover(&source, epoch as i64 * 60).unwrap().splits {
                if split.available.is_none() {
                    let (records, to) = read(&source, &split.id, 0).unwrap();
                    source.committed(&[(split.id, to)]).unwrap();
                    seen.extend(records);
                }
            }
        }
    }
    assert_eq!(seen, (1..=450).collect::<Vec<_>>());
    let manifests = bucket.list("out/_committed").unwrap().objects.len();
    assert!(manifests < 120, "{manifests}");
}

#[test]
fn results_of_files_that_were_merged_are_read_and_refused_to_who_has_read_a_part_of_them() {
    let bucket = bucket();
    let manifest = |body: &str| format!("firesteel files {body}");
    let names = ["part-0000000001-00000.txt", "part-0000000002-00000.txt"];
    let checkpoint = "checkpoint 00000000000000000000000000000001";
    for (epoch, name) in (1..).zip(names) {
        put(&bucket, &format!("out/{name}"), "one\n");
        let text = manifest(&format!("1\n{checkpoint}\n{name} 4 1\nend 1\n"));
        put(&bucket, &format!("out/_committed/{epoch:010}"), text);
    }
    let mut reader = Reader::new(lines(&bucket, "out").follow());
    reader.step();
    assert_eq!(reader.lines, ["one", "one"]);
    // The folder is copied once more when its files were merged.
    let merged = "part-0000000001to0000000002-00001.txt";
    put(&bucket, &format!("out/{merged}"), "one\none\n");
    let parts = format!("< 0 4 0 4 0 0 {}\n< 4 4 0 4 0 0 {}\n", names[0], names[1]);
    let text = manifest(&format!("2\n{checkpoint}\n{merged} 8 2\n{parts}end 1\n"));
    put(&bucket, "out/_committed/0000000001-0000000002.1", text);
    let error = discover(&reader.source, 1_000).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.to_string().contains(&format!("it was merged into out/{merged}")), "{error}");
    assert_eq!(all(&lines(&bucket, "out")), ["one", "one"], "who knows nothing reads it");
}

/// Folders of files that were copied: other results in the place of those that were read, and one that is called like a value.
#[test]
fn results_are_known_by_what_their_manifests_say_now_and_wherever_they_are() {
    let bucket = bucket();
    let checkpoint = "checkpoint 00000000000000000000000000000001";
    let commit = |out: &str, names: &[&str]| {
        let entries: String = names.iter().map(|name| format!("{name} 4 1\n")).collect();
        let text = format!("firesteel files 1\n{checkpoint}\n{entries}end {}\n", names.len());
        put(&bucket, &format!("{out}/_committed/0000000001"), text);
    };
    let (one, two) = ("part-0000000001-00000.txt", "part-0000000001-00001.txt");
    for (out, pattern) in
        [("out", "out"), ("glob", "glob/*.txt"), ("x/env=prod", "x/env=prod/*.txt"), ("y/env=1", "y/*/part-*")]
    {
        put(&bucket, &format!("{out}/{one}"), "one\n");
        commit(out, &[one]);
        // Not committed.
        put(&bucket, &format!("{out}/{two}"), "two\n");
        let mut reader = Reader::new(lines(&bucket, pattern).follow());
        reader.step();
        assert_eq!(reader.lines, ["one"], "{pattern}");
        // Another job has begun there from the beginning.
        commit(out, &[one, two]);
        reader.step();
        assert_eq!(reader.lines, ["one", "two"], "{pattern}");
    }
}
