//! A checkpoint that was put back from a copy, beside a backend that was not: what the backend has is of other epochs with the same
//! numbers, and is not believed.

use std::fs;
use std::path::Path;

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Checkpoint, StreamingContext};

use crate::program::{Event, Out, program, script};

/// A start of the job, these batches, and its end: what it has yielded.
fn run(checkpoint: Checkpoint, events: &QueueSource<Event>, batches: &[Vec<Event>], ends: bool) -> Vec<String> {
    let out = Out::default();
    let job = StreamingContext::builder("timelines").threads(2).checkpoint(checkpoint.every_batch()).build().unwrap();
    program(&job, events, &out);
    let mut run = job.begin().unwrap();
    for batch in batches {
        events.handle().push(batch.clone()).unwrap();
        run.next_batch().unwrap();
    }
    if ends {
        run.last_batch().unwrap();
    }
    drop(run);
    let mut rows = out.records();
    rows.sort();
    rows
}

/// Copies what a checkpoint consists of, without what its backend has beside it.
fn copy(from: &Path, to: &Path) {
    for part in ["changelog", "snapshots"] {
        fs::create_dir_all(to.join(part)).unwrap();
        for entry in fs::read_dir(from.join(part)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, to.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Puts a copy back, and has the job run on other input until it has more epochs than the backend, which `choose` gives, knows of.
pub(crate) fn told_apart(choose: impl Fn(Checkpoint) -> Checkpoint) {
    let root = tempfile::tempdir().unwrap();
    let [folder, saved, whole] = ["checkpoint", "saved", "whole"].map(|name| root.path().join(name));
    let plain = || Checkpoint::in_folder(&folder);
    let batches = script(16);
    let (start, first, second, rest) = (&batches[..3], &batches[3..6], &batches[6..11], &batches[11..]);

    let events = QueueSource::new(2).keep_committed();
    run(choose(plain()), &events, start, false);
    copy(&folder, &saved);
    run(choose(plain()), &events, first, false);
    for part in ["changelog", "snapshots"] {
        fs::remove_dir_all(folder.join(part)).unwrap();
    }
    copy(&saved, &folder);

    let events = QueueSource::new(2).keep_committed();
    start.iter().for_each(|batch| events.handle().push(batch.clone()).unwrap());
    run(plain(), &events, second, false);
    let found = run(choose(plain()), &events, rest, true);

    let events = QueueSource::new(2).keep_committed();
    for batches in [start, second] {
        run(Checkpoint::in_folder(&whole), &events, batches, false);
    }
    let due = run(Checkpoint::in_folder(&whole), &events, rest, true);
    assert!(due.len() > 100 && found == due, "{} rows instead of {}", found.len(), due.len());
}
