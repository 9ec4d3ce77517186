//! The number of key groups is a checkpoint's for good, and none of a result's.

use std::fs;
use std::path::Path;

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Checkpoint, Error, StreamingContext};

use crate::program::{Event, Out, program, script};

/// Powers of two, as the upper bits of hashes tell them apart, and others.
const NUMBERS: [u16; 7] = [1, 3, 8, 128, 192, 1_024, 32_768];

fn job(checkpoint: Checkpoint, events: &QueueSource<Event>, out: &Out) -> StreamingContext {
    let job = StreamingContext::builder("numbers").threads(2).checkpoint(checkpoint.every_batch()).build().unwrap();
    program(&job, events, out);
    job
}

/// Runs the program, which is started again before each batch; only the first start says how many key groups there are.
fn run(folder: &Path, groups: u16) -> Vec<String> {
    let (events, out) = (QueueSource::new(2).keep_committed(), Out::default());
    for (number, batch) in script(4).into_iter().enumerate() {
        events.handle().push(batch).unwrap();
        let checkpoint = Checkpoint::in_folder(folder);
        let checkpoint = if number == 0 { checkpoint.key_groups(groups) } else { checkpoint };
        let job = job(checkpoint, &events, &out);
        let mut run = job.begin().unwrap();
        run.next_batch().unwrap();
        if number == 3 {
            run.last_batch().unwrap();
        }
    }
    let mut rows = out.records();
    rows.sort();
    rows
}

#[test]
fn results_are_the_same_at_any_number_of_key_groups() {
    let mut expected = None;
    for groups in NUMBERS {
        let folder = tempfile::tempdir().unwrap();
        let rows = run(folder.path(), groups);
        assert!(rows.iter().any(|row| row.starts_with("late")) && rows.len() > 300, "{}", rows.len());
        let expected = expected.get_or_insert_with(|| rows.clone());
        assert!(rows == *expected, "{groups} key groups");
    }
}

#[test]
fn another_number_is_refused_before_anything_changes_and_everyone_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (events, out) = (QueueSource::new(1).keep_committed(), Out::default());
    events.handle().push(script(1).remove(0)).unwrap();
    let stored = |groups: Option<u16>| {
        let checkpoint = Checkpoint::in_folder(folder.path());
        job(groups.map_or(checkpoint.clone(), |groups| checkpoint.key_groups(groups)), &events, &out)
    };
    stored(Some(8)).begin().unwrap().next_batch().unwrap();
    let names = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let before = (names(), fs::read_dir(folder.path().join("changelog")).unwrap().count());
    for said in [stored(Some(128)).begin().map(drop), stored(Some(128)).explain().map(drop)] {
        let refused = said.unwrap_err();
        assert!(matches!(refused, Error::Changed { .. }), "{refused}");
        assert!(refused.to_string().contains("key groups = 128, and keys have their places in 8"), "{refused}");
    }
    assert_eq!(stored(Some(128)).describe().unwrap().key_groups, Some(128), "which diff compares");
    assert_eq!((names(), fs::read_dir(folder.path().join("changelog")).unwrap().count()), before);
    for same in [Some(8), None] {
        assert_eq!(stored(same).explain().unwrap().key_groups, Some(8));
        stored(same).begin().unwrap().next_batch().unwrap();
    }
}

#[test]
fn a_number_that_cannot_be_is_refused_and_nothing_is_made() {
    for groups in [0, 32_769] {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("checkpoint");
        let (events, out) = (QueueSource::new(1), Out::default());
        let new = || job(Checkpoint::in_folder(&at).key_groups(groups), &events, &out);
        for refused in [new().begin().map(drop).unwrap_err(), new().explain().map(drop).unwrap_err()] {
            assert!(format!("{refused:?}").contains("FS-T010: there can be 1 to 32768 key groups"), "{refused:?}");
        }
        assert!(!at.exists());
    }
}
