//! Edits of a program: each state and each position is kept under its name, or the start is refused before anything has
//! changed.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod edits;
#[path = "../rules/sink.rs"]
#[allow(dead_code, reason = "the tests of the rules use more of it")]
mod sink;
mod traps;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Checkpoint, Error, StreamingContext, Trigger};

use sink::Words;

fn words() -> QueueSource<String> {
    QueueSource::new(1).keep_committed()
}

fn push(words: &QueueSource<String>, batch: &str) {
    words.handle().push(batch.split_whitespace().map(str::to_owned).collect()).unwrap();
}

/// A job with a checkpoint, or without one.
fn context(folder: Option<&Path>) -> StreamingContext {
    let builder = StreamingContext::builder("names").threads(1).partitions(1);
    match folder {
        Some(folder) => builder.checkpoint(Checkpoint::in_folder(folder).every_batch()).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

/// Runs a program until it has read everything.
fn run(folder: &Path, program: impl FnOnce(&StreamingContext)) -> Result<(), Error> {
    let job = context(Some(folder));
    program(&job);
    job.run(Trigger::AvailableNow)
}

/// The text with which a program is refused; the checkpoint is as it was.
fn refused(folder: &Path, program: impl FnOnce(&StreamingContext)) -> String {
    let before = picture(folder);
    let error = run(folder, program).unwrap_err();
    assert!(matches!(error, Error::Changed { .. } | Error::Setting { .. }), "{error:?}");
    assert!(picture(folder) == before, "a refused start has changed something");
    error.to_string()
}

/// Every file below a folder.
fn picture(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                waiting.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                all.insert(path, bytes);
            }
        }
    }
    all
}

/// Writes counts as words.
fn show(counts: firesteel_streaming::Stream<(String, u64)>, out: &Words) -> firesteel_streaming::OutputHandle {
    counts.map(|(word, count)| format!("{word}{count}")).write(out.clone())
}
