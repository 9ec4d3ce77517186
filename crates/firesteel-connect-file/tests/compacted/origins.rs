//! Where a record comes from, when its file was merged into another: by split and position it is the one that it was.

use firesteel_connect::{Sink, Source};
use firesteel_connect_file::{Compaction, FileSink, Files};
use firesteel_formats::Sourced;
use serde::{Deserialize, Serialize};

use super::{Checkpoint, Follower, write};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Row {
    epoch: u64,
    number: u64,
}

type Told = (Row, String, String, u64, Option<u64>, Option<u64>);

/// What a follower is told that takes one record of each file, then, after a merging, the rest; and one that takes all before.
fn told<K, S>(sink: impl Fn() -> K, source: impl Fn() -> S, out: &std::path::Path) -> [Vec<Told>; 2]
where
    K: Sink<Row>,
    S: Source<Item = Sourced<Row>>,
{
    let rows = |epoch| (0..3).map(|number| Row { epoch, number }).collect();
    write(&sink(), 1..=4, rows);
    let mut before = Follower::start(source(), Checkpoint::default());
    before.all();
    let mut first = Follower::start(source(), Checkpoint::default());
    first.batch(1);
    let (kept, mut read) = first.stop();
    Compaction::of(out, 1 << 20).run().unwrap();
    let mut second = Follower::start(source(), kept);
    second.batch(1);
    second.all();
    read.extend(second.stop().1);
    [before.stop().1, read].map(|read| {
        let told = |Sourced { origin, record }: Sourced<Row>| {
            let (split, path) = (origin.split().to_owned(), origin.path().to_owned());
            (record, split, path, origin.position(), origin.line(), origin.row())
        };
        let mut told: Vec<Told> = read.into_iter().map(told).collect();
        told.sort();
        told
    })
}

/// All is as it was, but for numbers that nobody knows any more.
fn check([before, after]: [Vec<Told>; 2], what: &str) {
    assert_eq!((before.len(), after.len()), (12, 12), "{what}");
    for (before, after) in before.into_iter().zip(after) {
        let place = |told: &Told| (told.0.clone(), told.1.clone(), told.2.clone(), told.3);
        assert_eq!(place(&before), place(&after), "{what}");
        assert!(after.4.is_none_or(|line| before.4 == Some(line)), "{what}: {before:?}, {after:?}");
        assert!(after.5.is_none_or(|row| before.5 == Some(row)), "{what}: {before:?}, {after:?}");
    }
}

#[test]
fn a_record_of_a_merged_file_is_told_as_it_was() {
    let folder = || tempfile::tempdir().unwrap();
    let out = folder();
    let at = out.path();
    let json = || Files::json::<Row>(at).follow().with_origin();
    check(told(|| FileSink::json::<Row>(at), json, at), "JSON");
    let out = folder();
    let at = out.path();
    let json = || Files::json::<Row>(at).follow().with_origin();
    check(told(|| FileSink::json::<Row>(at).gzip(), json, at), "packed JSON");
    #[cfg(feature = "csv")]
    for gzip in [false, true] {
        let out = folder();
        let at = out.path();
        let sink = || if gzip { FileSink::csv::<Row>(at).gzip() } else { FileSink::csv::<Row>(at) };
        check(told(sink, || Files::csv::<Row>(at).follow().with_origin(), at), "CSV");
    }
    #[cfg(feature = "parquet")]
    {
        let out = folder();
        let at = out.path();
        let source = || Files::parquet::<Row>(at).follow().with_origin();
        check(told(|| FileSink::parquet::<Row>(at), source, at), "Parquet");
    }
}
