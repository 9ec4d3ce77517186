//! Jobs that are stopped and started again, with their checkpoints.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::path::Path;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{Checkpoint, StreamingContext, Trigger};

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
