//! Spark's cases 14 and 16: a job that is started again.

use std::fs;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::Error;
use firesteel_testkit::TestJob;
use firesteel_window::seconds;

use crate::ways::{Lives, Way};

/// The program: counts words.
fn count(test: &TestJob, words: &QueueSource<&'static str>, out: &Collector<String>) {
    test.context()
        .read(words.clone())
        .named("words")
        .map(|word| (word.to_owned(), 1))
        .update_state_by_key(|new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>()))
        .map(|(word, count)| format!("{word}{count}"))
        .write(out.clone());
}

/// Case 14. Spark shows `a7` twice, since a batch is shown before it is committed; here it is shown with its epoch, once.
pub(crate) fn what_was_not_committed_is_run_again_and_shown_once(ways: &[Way]) {
    for way in ways.iter().filter(|way| way.is_durable()) {
        let (words, counts) = (QueueSource::new(1).keep_committed(), Collector::new());
        for _ in 0..10 {
            words.handle().push(vec!["a"]).unwrap();
        }
        let words = words.one_at_a_time();
        let mut lives = Lives::of(way).with_epochs_of(seconds(2));
        let test = lives.begin(0, 1, |test| count(test, &words, &counts));
        let last = (0..7).map(|_| test.batch().unwrap()).last().unwrap();
        assert!(!last.ends_epoch, "the seventh batch waits for the eighth, {}", way.name);
        assert_eq!(counts.records(), ["a1", "a2", "a3", "a4", "a5", "a6"], "{}", way.name);
        drop(test);

        let test = lives.begin(7, 1, |test| count(test, &words, &counts));
        let again: Vec<_> = (0..4).map(|_| test.batch().unwrap()).collect();
        assert_eq!(again[0].batch, 7, "it resumes after what was committed, {}", way.name);
        drop(test);
        let shown = counts.records();
        assert_eq!(shown, (1..=shown.len()).map(|count| format!("a{count}")).collect::<Vec<_>>(), "{}", way.name);
        assert!(shown.len() >= 9, "{shown:?}, {}", way.name);
    }
}

/// Case 16: an empty path begins a checkpoint, a good one is resumed, a corrupt one is an error. There is no
/// setting to start over in place of an error: that is for a person to decide.
pub(crate) fn a_checkpoint_is_begun_resumed_or_refused(ways: &[Way]) {
    for way in ways.iter().filter(|way| way.is_durable()) {
        let (words, counts) = (QueueSource::new(1).keep_committed(), Collector::new());
        let mut lives = Lives::of(way);
        for batch in 1..=2 {
            words.handle().push(vec!["a"]).unwrap();
            let test = lives.begin(10 * batch, 1, |test| count(test, &words, &counts));
            assert_eq!(test.batch().unwrap().batch, batch.unsigned_abs(), "{}", way.name);
        }
        assert_eq!(counts.records(), ["a1", "a2"], "{}", way.name);

        let files = fs::read_dir(lives.folder().join("changelog")).unwrap().map(|entry| entry.unwrap().path());
        let segments: Vec<_> = files.filter(|path| path.is_file()).collect();
        assert!(!segments.is_empty(), "{}", way.name);
        for segment in segments {
            let mut bytes = fs::read(&segment).unwrap();
            bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
            fs::write(&segment, bytes).unwrap();
        }
        let error = lives.begin(30, 1, |test| count(test, &words, &counts)).batch().unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error:?}, {}", way.name);
        assert_eq!(counts.records(), ["a1", "a2"], "{}", way.name);
    }
}
