//! Results in folders by the values of columns, in files of a size.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use firesteel_connect::{Epoch, Sink, SinkContext, Source, SourceContext, SplitId, WriteTask};
use firesteel_connect_file::{FileSink, Files};
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Sale {
    country: String,
    day: u32,
    pieces: u64,
}

fn sales(count: u64) -> Vec<Sale> {
    let countries = ["DE", "FR", "", "a/b", "..", "x=y"];
    let country = |n: u64| countries[(n % 6) as usize].to_owned();
    (0..count).map(|n| Sale { country: country(n), day: (n % 5) as u32, pieces: n }).collect()
}

/// The files below a folder that are no manifests.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path).into_iter().filter(|file| !file.to_string_lossy().contains("_committed")));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn commit<S: Sink<Sale>>(sink: &S, epoch: u64, records: Vec<Sale>) {
    let half = records.len() / 2;
    let (one, two) = records.split_at(half);
    let write = |partition, records: &[Sale]| {
        sink.write(WriteTask::new(Epoch(epoch), partition), records.iter().cloned()).unwrap()
    };
    let mut pending = vec![write(0, one), write(1, two)];
    sink.commit(Epoch(epoch), &mut pending).unwrap();
}

#[test]
fn each_value_has_a_folder_and_all_is_read_back_once() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    for most_open in [1, 3, 100] {
        let folder = out.join(most_open.to_string());
        let sink = FileSink::json::<Sale>(&folder)
            .gzip()
            .partitioned_by("country", |sale| sale.country.clone())
            .partitioned_by("day", |sale| sale.day)
            .open_at_most(most_open)
            .success_marker();
        sink.start(&SinkContext::default()).unwrap();
        let all = sales(600);
        commit(&sink, 1, all[..300].to_vec());
        commit(&sink, 2, all[300..].to_vec());
        assert!(folder.join("_SUCCESS").exists());
        let found = files(&folder);
        let of = |path: &Path| path.parent().unwrap().strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        let folders: BTreeSet<String> = found.iter().map(|path| of(path)).filter(|path| !path.is_empty()).collect();
        assert_eq!(folders.len(), 30, "{folders:?}");
        for due in
            ["country=DE/day=0", "country=__HIVE_DEFAULT_PARTITION__/day=2", "country=a%2Fb/day=3", "country=../day=4"]
        {
            assert!(folders.contains(due), "{due} of {folders:?}");
        }
        let mut read = common::published(&folder, |folder| Files::json::<Sale>(folder));
        read.sort_by_key(|sale| sale.pieces);
        assert_eq!(read, all, "with {most_open} files open");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing lies outside");
    }
}

#[cfg(feature = "csv")]
#[test]
fn files_have_their_size_and_each_is_whole() {
    let place = tempfile::tempdir().unwrap();
    let sink = FileSink::csv::<Sale>(place.path()).full_at(2_000);
    sink.start(&SinkContext::default()).unwrap();
    commit(&sink, 1, sales(1_000));
    let sizes: std::collections::BTreeMap<_, _> =
        files(place.path()).into_iter().map(|path| (path.clone(), std::fs::metadata(path).unwrap().len())).collect();
    assert!(sizes.len() > 4, "{sizes:?}");
    for (path, size) in &sizes {
        assert!(*size < 2_100, "{path:?}: {size}");
        assert!(std::fs::read_to_string(path).unwrap().starts_with("country,day,pieces\n"), "{path:?}");
    }
    let full = sizes.values().filter(|size| **size >= 2_000).count();
    assert_eq!(full, sizes.len() - 2, "all but the last of each partition are full");
    assert_eq!(common::published(place.path(), |folder| Files::csv::<Sale>(folder)), sales(1_000), "in order");
}

#[test]
fn a_column_that_cannot_be_in_a_path_is_refused_at_the_start_and_a_value_with_its_record() {
    let place = tempfile::tempdir().unwrap();
    let sink = FileSink::json::<Sale>(place.path()).partitioned_by("_day", |sale| sale.day);
    let error = sink.start(&SinkContext::default()).unwrap_err();
    assert!(error.to_string().contains("\"_day\""), "{error}");

    let sink = FileSink::json::<Sale>(place.path()).partitioned_by("country", |sale| sale.country.clone());
    sink.start(&SinkContext::default()).unwrap();
    let long = Sale { country: "x".repeat(300), day: 1, pieces: 1 };
    let error = sink.write(WriteTask::new(Epoch(1), 0), [long].into_iter()).unwrap_err();
    assert!(error.to_string().contains("308 bytes"), "{error}");
    assert_eq!(files(place.path()).iter().filter(|file| file.ends_with("json")).count(), 0, "nothing is left");
}

#[test]
fn the_mark_is_there_only_while_all_that_is_there_is_committed() {
    let place = tempfile::tempdir().unwrap();
    let (folder, mark) = (place.path(), place.path().join("_SUCCESS"));
    let make = || FileSink::json::<Sale>(folder).partitioned_by("day", |sale| sale.day);
    let sink = make().success_marker();
    sink.start(&SinkContext::default()).unwrap();
    assert!(!mark.exists());
    commit(&sink, 1, sales(10));
    assert!(mark.exists());
    Sink::<Sale>::stop(&sink).unwrap();
    // A program that does not ask for it takes it away with its first results.
    let sink = make();
    sink.start(&SinkContext::default()).unwrap();
    assert!(mark.exists());
    commit(&sink, 2, sales(10));
    assert!(!mark.exists());
    // Our own source does not take it for results.
    std::fs::write(&mark, "").unwrap();
    let source = Files::json::<Sale>(folder);
    source.start(&SourceContext::default()).unwrap();
    let found = source.discover(Timestamp::EPOCH).unwrap().splits.len();
    assert_eq!(found, files(folder).len() - 1);
}

#[test]
fn however_results_are_reached_only_what_is_committed_is_read() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("out");
    let sink = FileSink::json::<Sale>(&folder).partitioned_by("day", |sale| sale.day);
    sink.start(&SinkContext::default()).unwrap();
    commit(&sink, 1, sales(100));
    // Left of a commit that was cut short.
    let torn = folder.join("day=1/part-0000000002-00000.ndjson");
    std::fs::write(&torn, "{\"country\":\"DE\",\"day\":1,\"pieces\":7}\n").unwrap();
    for (path, due) in
        [("", 100), ("*", 100), ("*/*.ndjson", 100), ("**/*.ndjson", 100), ("day=1", 20), ("day=1/*", 20)]
    {
        let source = Files::json::<Sale>(folder.join(path));
        source.start(&SourceContext::default()).unwrap();
        let splits = common::discover(&source).unwrap().splits;
        let count = |split: &SplitId| common::read(&source, &common::from(split, 0)).unwrap().0.len();
        let read: usize = splits.iter().map(|split| count(&split.id)).sum();
        assert_eq!(read, due, "{path:?}");
    }
    let read = common::published(&torn, |path| Files::json::<Sale>(path));
    assert_eq!(read.len(), 1, "what is asked for by name is read");
}
