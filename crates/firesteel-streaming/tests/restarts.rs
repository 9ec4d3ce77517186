//! Jobs that are stopped and started again, with their checkpoints.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::path::Path;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{Checkpoint, StreamingContext, Trigger};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

type Count = (String, u64);

/// Runs the job on what is in the queue, to its end or the end of what is there.
fn run(folder: &Path, words: &QueueSource<String>, counts: &Collector<Count>, threads: usize) {
    let job = StreamingContext::builder("counts")
        .threads(threads)
        .partitions(threads)
        .checkpoint(Checkpoint::in_folder(folder).every_batch())
        .build()
        .unwrap();
    job.read_named("words", words.clone())
        .map(|word| (word, 1))
        .update_state_by_key(|new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.len() as u64))
        .named("counts")
        .write(counts.clone());
    job.run(Trigger::AvailableNow).unwrap();
}

#[test]
fn a_job_that_is_started_again_for_every_batch_counts_as_one_that_runs_through() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(2).keep_committed();
    let counts = Collector::new();
    for (batch, threads) in ["a", "a b", "a b c", "a b", "a", ""].iter().zip([1, 2, 3, 1, 2, 3]) {
        words.handle().push(batch.split_whitespace().map(str::to_owned).collect()).unwrap();
        run(folder.path(), &words, &counts, threads);
    }
    let mut last = counts.records();
    last.sort();
    let mut last: Vec<_> = last.into_iter().collect();
    last.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
    assert_eq!(last, [("a".to_owned(), 5), ("b".to_owned(), 3), ("c".to_owned(), 1)]);
}

/// Counts numbers per ten seconds, a batch for each list, with a new process, so to speak, for each of the parts.
fn windows(parts: &[&[&[i64]]], threads: &[usize]) -> Vec<(i64, u8, u64)> {
    let folder = tempfile::tempdir().unwrap();
    let seconds_of = QueueSource::new(2).keep_committed();
    let counts = Collector::new();
    for (part, threads) in parts.iter().zip(threads.iter().cycle()) {
        let last = std::ptr::eq(part, parts.last().unwrap());
        let job = StreamingContext::builder("windows")
            .threads(*threads)
            .partitions(*threads)
            .checkpoint(Checkpoint::in_folder(folder.path()).every_batch().snapshot_after(200).segment_bytes(300))
            .build()
            .unwrap();
        job.read_named("seconds", seconds_of.clone())
            .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(5)))
            .key_by(|second| (*second % 3) as u8)
            .window(Tumbling::of(seconds(10)))
            .named("tens")
            .count()
            .map(|row| (row.window.start().as_secs(), row.key, row.value))
            .write(counts.clone());
        let mut run = job.begin().unwrap();
        for batch in *part {
            seconds_of.handle().push(batch.to_vec()).unwrap();
            run.next_batch().unwrap();
        }
        if last {
            run.last_batch().unwrap();
        }
    }
    let mut rows = counts.records();
    rows.sort();
    rows
}

#[test]
fn windows_that_are_open_survive_and_fire_once() {
    let batches: Vec<Vec<i64>> = (0..12).map(|batch| (0..9).map(|n| batch * 4 + (n * 5) % 13).collect()).collect();
    let batches: Vec<&[i64]> = batches.iter().map(Vec::as_slice).collect();
    let through = windows(&[&batches], &[2]);
    assert!(through.len() > 10, "{through:?}");
    let one_by_one: Vec<&[&[i64]]> = batches.chunks(1).collect();
    assert_eq!(windows(&one_by_one, &[1]), through);
    assert_eq!(windows(&one_by_one, &[3, 1, 2]), through);
    let some: Vec<&[&[i64]]> = batches.chunks(5).collect();
    assert_eq!(windows(&some, &[2, 1]), through);
}
