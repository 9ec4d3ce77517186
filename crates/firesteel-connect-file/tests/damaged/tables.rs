//! Parquet files with a page that is damaged.

use std::collections::BTreeMap;
use std::path::Path;

use firesteel_connect::{ReadRange, Source, SourceContext, SplitId};
use firesteel_connect_file::{AfterReading, Files, OnUnreadable};
use firesteel_formats::Parquet;
use firesteel_window::{Duration, seconds};

use super::common::{discover, read};
use super::damage::{Row, count, numbers, table};
use super::{Checkpoint, failure, job};

/// Puts down rows `[from, to)`, damaged in the middle or not.
fn file(path: &Path, from: i64, to: i64, is_damaged: bool) {
    std::fs::write(path, table(from, to, is_damaged)).unwrap();
}

fn files(path: &Path) -> Files<Parquet<Row>> {
    Files::parquet::<Row>(path).follow().finish_after(Duration::ZERO)
}

#[test]
fn the_rows_of_a_damaged_page_are_passed_over_and_all_others_are_read_however_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder.path().join("a.parquet"), 0, 5_000, true);
    file(&folder.path().join("b.parquet"), 5_000, 6_000, false);
    let (mut all, counters) = job(files(folder.path()), Checkpoint::default());
    all.all();
    let expected = numbers(std::mem::take(&mut all.read));
    let lost = 6_000 - expected.len() as u64;
    assert!((1..1_000).contains(&lost), "{lost} rows");
    let is_lost = |number: &i64| expected.binary_search(number).is_err();
    let (first, last) = ((0..5_000).find(is_lost).unwrap(), (0..5_000).rev().find(is_lost).unwrap());
    assert!(last < 4_999 && first > 0, "what comes after the damage is read: {first} to {last}");
    assert_eq!((count(&counters, "unreadable files"), count(&counters, "rows passed over")), (1, lost));
    let (kept, _) = all.stop();
    // Nothing of it comes again, and it is not told again.
    let (mut again, counters) = job(files(folder.path()), kept);
    assert_eq!((again.batch(u64::MAX), count(&counters, "rows passed over")), (0, 0));

    // A few rows at a time, with a restart after one batch or some, and with each range repeated.
    for (most, stops) in [(97, 3), (1_000, 1), (4_999, 2)] {
        let (mut read, mut kept, mut told) = (vec![], Checkpoint::default(), 0);
        loop {
            let (mut some, counters) = job(files(folder.path()), kept);
            let mut moved = 0;
            for _ in 0..stops {
                let due = some.due();
                for range in due {
                    some.take(&range.clone().max_records(most));
                    let to = some.kept.positions[&range.split];
                    let exact = ReadRange::exact(range.split.clone(), range.from, to);
                    let repeated = super::common::read(&some.source, &exact).unwrap().0;
                    assert_eq!(some.read[some.read.len() - repeated.len()..], repeated);
                }
                some.commit();
                moved = some.read.len();
            }
            let (now, mut rows) = some.stop();
            told += count(&counters, "rows passed over");
            (kept, moved) = (now, moved.max(rows.len()));
            read.append(&mut rows);
            if moved == 0 {
                break;
            }
        }
        assert_eq!((numbers(read), told), (expected.clone(), lost), "{most} rows of each at a time");
    }

    // In ranges that others cut.
    let source = files(folder.path());
    source.start(&SourceContext::default()).unwrap();
    discover(&source).unwrap();
    let split = SplitId::new(folder.path().join("a.parquet").to_str().unwrap());
    let cut = (0..5_000).step_by(777).map(|from| ReadRange::exact(split.clone(), from, (from + 777).min(5_000)));
    let rows = cut.flat_map(|range| {
        let (rows, position) = read(&source, &range).unwrap();
        assert_eq!(Some(position), range.to);
        rows
    });
    assert_eq!(numbers(rows.collect()), expected[..expected.len() - 1_000]);
}

#[test]
fn by_policy_damage_ends_the_job_and_where_files_are_read_once_it_does() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder.path().join("a.parquet"), 0, 5_000, true);
    for strict in [files(folder.path()).on_unreadable(OnUnreadable::Fail), Files::parquet::<Row>(folder.path())] {
        let told = failure(&strict);
        assert!(told.contains("a.parquet") && told.contains("are damaged") && told.contains("restore it"), "{told}");
    }
    assert_eq!(failure(&Files::parquet::<Row>(folder.path()).on_unreadable(OnUnreadable::Retry)), "");
}

#[test]
fn a_damaged_file_is_not_removed_also_not_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    file(&at("a.parquet"), 0, 5_000, true);
    file(&at("b.parquet"), 5_000, 6_000, false);
    let source = || files(folder.path()).after_reading(AfterReading::delete());
    let (mut reader, _) = job(source(), Checkpoint::default());
    reader.all();
    reader.batch(1);
    let (kept, _) = reader.stop();
    assert!(at("a.parquet").exists() && !at("b.parquet").exists());
    let (mut reader, _) = job(source(), kept);
    reader.all();
    reader.batch(1);
    assert!(at("a.parquet").exists());
}

#[test]
fn a_file_that_no_longer_opens_while_it_is_read_costs_what_was_left_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    file(&at("a.parquet"), 0, 1_000, false);
    file(&at("b.parquet"), 1_000, 2_000, false);
    let source = files(folder.path()).look_every(seconds(1_000_000));
    let (mut reader, counters) = job(source, Checkpoint::default());
    reader.batch(300);
    let splits: BTreeMap<SplitId, u64> = reader.kept.positions.clone();
    assert!(splits.values().all(|position| *position == 300));
    // Its footer still has the same rows, and nothing else that makes sense.
    let mut bytes = std::fs::read(at("a.parquet")).unwrap();
    let (from, to) = (4_200, bytes.len() - 4_200);
    bytes[from..to].fill(0xff);
    std::fs::write(at("a.parquet"), bytes).unwrap();
    reader.all();
    let read = numbers(std::mem::take(&mut reader.read));
    assert!((1_000..2_000).all(|number| read.binary_search(&number).is_ok()), "the other file is read");
    reader.stop();
    let lost = count(&counters, "rows passed over");
    assert_eq!(read.len() as u64 + lost, 2_000);
}
