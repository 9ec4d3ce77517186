//! Spark's cases 14 and 16: a job that is started again.

use std::fs;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{Checkpoint, Error};
use firesteel_testkit::TestJob;
use firesteel_window::seconds;

/// A life of a job that counts `a`, with an epoch every two seconds.
fn life(folder: &std::path::Path, second: i64, words: &QueueSource<&'static str>, out: &Collector<String>) -> TestJob {
    let checkpoint = Checkpoint::in_folder(folder).interval(seconds(2));
    let test = TestJob::builder().configure(|job| job.checkpoint(checkpoint)).build();
    test.advance(seconds(second));
    test.context()
        .read_named("words", words.clone())
        .map(|word| (word.to_owned(), 1))
        .update_state_by_key(|new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>()))
        .map(|(word, count)| format!("{word}{count}"))
        .write(out.clone());
    test
}

/// Case 14. Spark shows `a7` twice, since a batch is shown before it is committed; here it is shown with its epoch, once.
#[test]
fn what_was_not_committed_is_run_again_and_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let (words, counts) = (QueueSource::new(1).keep_committed(), Collector::new());
    for _ in 0..10 {
        words.handle().push(vec!["a"]).unwrap();
    }
    let words = words.one_at_a_time();
    let test = life(folder.path(), 0, &words, &counts);
    let last = (0..7).map(|_| test.batch().unwrap()).last().unwrap();
    assert!(!last.ends_epoch, "the seventh batch waits for the eighth");
    assert_eq!(counts.records(), ["a1", "a2", "a3", "a4", "a5", "a6"]);
    drop(test);

    let test = life(folder.path(), 7, &words, &counts);
    let again: Vec<_> = (0..4).map(|_| test.batch().unwrap()).collect();
    assert_eq!(again[0].batch, 7, "it goes on behind what was committed");
    drop(test);
    let shown = counts.records();
    assert_eq!(shown, (1..=shown.len()).map(|count| format!("a{count}")).collect::<Vec<_>>());
    assert!(shown.len() >= 9, "{shown:?}");
}

/// Case 16: an empty path begins a checkpoint, a good one is gone on with, a corrupt one is an error. There is no
/// setting to begin anew in place of an error: that is for a person to decide.
#[test]
fn a_checkpoint_is_begun_gone_on_with_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (words, counts) = (QueueSource::new(1).keep_committed(), Collector::new());
    for batch in 0..2 {
        words.handle().push(vec!["a"]).unwrap();
        let test = life(folder.path(), 10 * (batch + 1), &words, &counts);
        assert_eq!(test.batch().unwrap().batch, u64::try_from(batch).unwrap() + 1);
    }
    assert_eq!(counts.records(), ["a1", "a2"]);

    let segments = fs::read_dir(folder.path().join("changelog")).unwrap().map(|entry| entry.unwrap().path());
    let segments: Vec<_> = segments.filter(|path| path.is_file()).collect();
    assert!(!segments.is_empty());
    for segment in segments {
        let mut bytes = fs::read(&segment).unwrap();
        bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(&segment, bytes).unwrap();
    }
    let error = life(folder.path(), 30, &words, &counts).batch().unwrap_err();
    assert!(matches!(error, Error::State { .. }), "{error:?}");
    assert_eq!(counts.records(), ["a1", "a2"]);
}
