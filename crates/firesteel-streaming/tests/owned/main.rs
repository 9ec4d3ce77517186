//! Key groups: how many there are, and who owns them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod moves;
mod numbers;
mod program;
mod timelines;

use std::collections::HashMap;

use common::Kept;
use firesteel_connect_memory::QueueSource;
use firesteel_state::KeyGroupRange;
use firesteel_streaming::{Checkpoint, StreamingContext};

#[test]
fn two_jobs_between_which_ranges_move_are_one() {
    moves::compare(|checkpoint, _| checkpoint);
}

#[test]
fn two_jobs_between_which_ranges_move_are_one_over_backends() {
    let backends: HashMap<&str, Kept> = ["whole", "a", "b"].map(|name| (name, Kept::default())).into();
    moves::compare(|checkpoint, name| checkpoint.backend(backends[name].clone()));
}

#[test]
fn what_cannot_move_stays_where_it_is() {
    moves::refused(|checkpoint, _| checkpoint);
    let backends: HashMap<&str, Kept> = ["a", "b"].map(|name| (name, Kept::default())).into();
    moves::refused(|checkpoint, name| checkpoint.backend(backends[name].clone()));
}

#[test]
fn a_backend_that_was_not_put_back_with_its_checkpoint_is_not_believed() {
    let kept = Kept::default();
    timelines::told_apart(|checkpoint| checkpoint.backend(kept.clone()));
}

/// Two jobs that own half of the key groups each, and write to one place: each has its own marks there, and all is there once.
#[test]
fn parts_of_a_job_write_to_one_collector() {
    let root = tempfile::tempdir().unwrap();
    let (out, whole) = (program::Out::default(), program::Out::default());
    let settings = |name: &str| Checkpoint::in_folder(root.path().join(name)).every_batch();
    let part = |name: &str, start, end| settings(name).owning(KeyGroupRange::new(start, end)).part(name);
    let start = |checkpoint: Checkpoint, out: &program::Out| {
        let events = QueueSource::new(2).keep_committed();
        let job = StreamingContext::builder("parts").threads(1).checkpoint(checkpoint).build().unwrap();
        program::program(&job, &events, out);
        (events, job.begin().unwrap())
    };
    let mut jobs = [
        start(part("a", 0, 64), &out.clone()),
        start(part("b", 64, 128), &out.clone()),
        start(settings("whole"), &whole),
    ];
    for batch in program::script(5) {
        for (events, run) in &mut jobs {
            events.handle().push(batch.clone()).unwrap();
            run.next_batch().unwrap();
        }
    }
    let (mut found, mut due) = (out.records(), whole.records());
    found.sort();
    due.sort();
    assert!(due.len() > 100 && found == due, "{} rows instead of {}", found.len(), due.len());
    // Each finds its own mark at the next start, although the other has got further since.
    let [(events, a), ..] = jobs;
    drop(a);
    let job = StreamingContext::builder("parts").threads(1).checkpoint(part("a", 0, 64)).build().unwrap();
    program::program(&job, &events, &out);
    job.begin().unwrap().next_batch().unwrap();
    assert_eq!(out.records().len(), due.len());
    // A name that no sink could use is refused.
    let job = StreamingContext::builder("parts").threads(1).checkpoint(settings("c").part("a/b")).build().unwrap();
    program::program(&job, &events, &out);
    let error = job.begin().map(drop).unwrap_err();
    assert!(error.to_string().contains("letters, digits"), "{error}");
}
