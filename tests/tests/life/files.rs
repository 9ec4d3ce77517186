//! Batches over text files, plain and compressed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use firesteel_connect_file::TextFiles;
use firesteel_connect_memory::Collector;
use firesteel_core::{Actions, RddOps};
use firesteel_streaming::{BatchLimits, ReadRdd, Stop, Trigger};
use firesteel_testkit::JobLog;
use firesteel_testkit::faults::FaultySource;
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use crate::bounded::{assert_seamless, read};
use crate::{job, sorted};

fn put(folder: &Path, name: &str, text: &str) {
    let bytes = if name.ends_with(".gz") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    } else {
        text.as_bytes().to_vec()
    };
    // A name that begins with a dot is left alone until the file is whole.
    let hidden = folder.join(format!(".{name}"));
    fs::write(&hidden, bytes).unwrap();
    fs::rename(hidden, folder.join(name)).unwrap();
}

/// Files of lines that say which file and which line they are, and how long they are.
fn lines(files: &[(bool, Vec<usize>)]) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for (number, (zipped, lens)) in files.iter().enumerate() {
        let text: Vec<String> =
            lens.iter().enumerate().map(|(line, len)| format!("{number}-{line}-{}", "x".repeat(*len))).collect();
        let name = format!("{number}.{}", if *zipped { "gz" } else { "log" });
        put(folder.path(), &name, &text.iter().map(|line| format!("{line}\n")).collect::<String>());
        all.extend(text);
    }
    (folder, sorted(all))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_line_is_lost_or_doubled_for_any_limit(
        files in prop::collection::vec((any::<bool>(), prop::collection::vec(0..30usize, 0..25)), 1..5),
        records in prop::option::of(1..40u64),
        bytes in prop::option::of(1..500u64),
        threads in 1..=2usize,
        trigger in prop_oneof![Just(Trigger::AsSoonAsPossible), Just(Trigger::AvailableNow), Just(Trigger::Once)],
    ) {
        let (folder, expected) = lines(&files);
        let limits = records.map_or(BatchLimits::default(), |records| BatchLimits::default().records(records));
        let limits = bytes.map_or(limits, |bytes| limits.bytes(bytes));
        let (all, batches) = read(TextFiles::new(folder.path()), limits, threads, trigger);
        prop_assert_eq!(sorted(all), expected.clone());
        assert_seamless(&batches, expected.len());
        if trigger == Trigger::Once {
            prop_assert!(batches.len() <= 1);
        } else if let Some(records) = records {
            prop_assert!(batches.iter().all(|batch| batch.rows_in <= records));
        }
    }
}

#[test]
fn a_folder_as_an_rdd_has_the_lines_of_all_its_files() {
    let (folder, expected) = lines(&[(false, vec![3; 20]), (true, vec![4; 30]), (false, vec![5; 10]), (true, vec![0])]);
    let context = firesteel_scheduler::local(2).unwrap();
    let all = context.read(TextFiles::new(folder.path())).unwrap();
    assert_eq!(sorted(all.clone().collect().unwrap()), expected);
    assert_eq!(all.filter(|line| line.ends_with('-')).count().unwrap(), 1);
}

#[test]
fn available_now_leaves_the_lines_and_files_that_come_while_it_runs() {
    for name in ["a.log", "a.gz"] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), name, "1\n2\n3\n4\n5\n");
        let results = Collector::new();
        let job = job(1).limits(BatchLimits::default().records(2)).build().unwrap();
        let path = folder.path().to_owned();
        job.read(TextFiles::new(folder.path()).follow())
            .inspect(move |line| {
                if line == "1" {
                    put(&path, "b.log", "late file\n");
                }
                if name == "a.log" {
                    let mut file = fs::OpenOptions::new().append(true).open(path.join(name)).unwrap();
                    file.write_all(b"late line\n").unwrap();
                }
            })
            .write(results.clone());
        job.run(Trigger::AvailableNow).unwrap();
        assert_eq!(results.records(), ["1", "2", "3", "4", "5"], "{name}");
    }
}

/// Counts per file and ten seconds of `file second` lines: what a plain computation yields.
fn counts(texts: &[String]) -> BTreeMap<(String, i64), u64> {
    let mut counts = BTreeMap::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        let (file, second) = line.split_once(' ').unwrap();
        *counts.entry((file.to_owned(), second.parse::<i64>().unwrap() / 10 * 10)).or_insert(0) += 1;
    }
    counts
}

#[test]
fn files_that_wait_to_be_read_hold_the_watermark() {
    // Each file is a stretch of time of its own; only together do they make a day.
    let texts: Vec<String> =
        (0..6).map(|file| (0..40).map(|n| format!("{file} {}\n", file * 40 + n)).collect()).collect();
    for name in ["log", "gz"] {
        for limits in [1, 2, 7, 50].map(|records| BatchLimits::default().records(records)) {
            let folder = tempfile::tempdir().unwrap();
            for (file, text) in texts.iter().enumerate() {
                put(folder.path(), &format!("{file}.{name}"), text);
            }
            let (log, results) = (JobLog::new(), Collector::new());
            let job = job(2).limits(limits).listener(log.clone()).build().unwrap();
            job.read(TextFiles::new(folder.path()))
                .map(|line| {
                    let (file, second) = line.split_once(' ').unwrap();
                    (file.to_owned(), second.parse::<i64>().unwrap())
                })
                .event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)))
                .key_by(|event| event.0.clone())
                .window(Tumbling::of(seconds(10)))
                .count()
                .write(results.clone());
            let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
            assert_eq!((summary.late, summary.rows_in), (0, 240), "{name} {limits:?}");
            let rows: BTreeMap<_, _> =
                results.records().into_iter().map(|row| ((row.key, row.window.start().as_secs()), row.value)).collect();
            assert_eq!(rows, counts(&texts), "{name} {limits:?}");
            let watermarks: Vec<_> = log.batches().iter().map(|batch| batch.watermark).collect();
            assert!(watermarks.is_sorted(), "{watermarks:?}");
        }
    }
}

#[test]
fn a_file_that_has_been_read_does_not_hold_the_watermark() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.gz", "5\n");
    let (log, results) = (JobLog::new(), Collector::new());
    let (files, faults) = FaultySource::new(TextFiles::new(folder.path()).follow());
    let job = job(1).listener(log.clone()).build().unwrap();
    job.read(files)
        .map(|line| line.parse::<i64>().unwrap())
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(0)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(10)))
        .count()
        .write(results.clone());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    log.wait_for_batches(1);
    // The job looks around in vain, and sees that the file has come to its end.
    faults.wait_for_discoveries(faults.discoveries() + 2);
    put(folder.path(), "b.gz", "25\n");
    let batches = log.wait_for_batches(2);
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    assert_eq!(batches[1].watermark, Some(Timestamp::from_secs(25)), "only the file at 25 is waited for");
    assert_eq!(results.records().iter().map(|row| row.window.start().as_secs()).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_file_that_comes_back_under_its_name_is_read_from_its_start_and_does_not_hold_the_watermark() {
    let folder = tempfile::tempdir().unwrap();
    let (log, results) = (JobLog::new(), Collector::new());
    let (files, faults) = FaultySource::new(TextFiles::new(folder.path()).follow());
    let job = job(1).listener(log.clone()).build().unwrap();
    let lines = job.read(files).map(|line| line.parse::<i64>().unwrap());
    lines.clone().write(results.clone());
    lines
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(0)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(10)))
        .count()
        .write(Collector::new());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    put(folder.path(), "a.log", "1\n2\n");
    put(folder.path(), "b.log", "50\n");
    wait_for_rows(&log, 3);
    // It may go when it has been read; the job notices, and does not wait for its next line any more.
    fs::remove_file(folder.path().join("a.log")).unwrap();
    let batches = log.batches().len();
    let batches = log.wait_for_batches(batches + 1);
    assert_eq!(batches.last().unwrap().watermark, Some(Timestamp::from_secs(50)));
    assert_eq!((batches.last().unwrap().rows_in, batches.last().unwrap().windows), (0, 1));
    faults.wait_for_discoveries(faults.discoveries() + 2);
    put(folder.path(), "a.log", "60\n61\n62\n");
    wait_for_rows(&log, 6);
    running.stop(Stop::Gracefully);
    running.await_termination().unwrap();
    assert_eq!(sorted(results.records()), [1, 2, 50, 60, 61, 62]);
}

/// Waits until this many records have been read.
fn wait_for_rows(log: &JobLog, rows: u64) {
    while log.batches().iter().map(|batch| batch.rows_in).sum::<u64>() < rows {
        log.wait_for_batches(log.batches().len() + 1);
    }
}
