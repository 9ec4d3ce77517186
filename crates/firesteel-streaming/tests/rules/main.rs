//! The rules of checkpoints and programs, as `docs/checkpoint-rules.md` of the repository states them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod evolved;
mod idle;
mod lateness;
mod loss;
mod members;
mod refused;
mod sink;
mod ttl;
mod unfinished;
mod windows;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use firesteel_connect_memory::QueueSource;
use firesteel_state::{MemoryBackend, MemoryBudget, OpenBackend, StateBackend};
use firesteel_streaming::{Checkpoint, StreamingContext};

/// Everything in a folder: folders, files, their contents, and when they were changed last.
type Picture = BTreeMap<PathBuf, (Option<Vec<u8>>, SystemTime)>;

fn picture(folder: &Path) -> Picture {
    let mut all = Picture::new();
    let Ok(entries) = fs::read_dir(folder) else { return all };
    all.insert(folder.to_owned(), (None, fs::metadata(folder).unwrap().modified().unwrap()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(picture(&path));
        } else {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            all.insert(path.clone(), (Some(fs::read(&path).unwrap()), modified));
        }
    }
    all
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A backend that forgets its values, and changes its folder whenever it is opened.
struct Touching;

impl OpenBackend for Touching {
    fn open(&self, folder: &Path, _: &MemoryBudget) -> firesteel_state::Result<Arc<dyn StateBackend>> {
        fs::create_dir_all(folder).unwrap();
        let opened = folder.join("opened");
        let times = fs::read(&opened).map_or(0, |bytes| bytes.len());
        fs::write(opened, vec![b'x'; times + 1]).unwrap();
        Ok(Arc::new(MemoryBackend::new()))
    }
}

/// A checkpoint whose epochs are batches, on a backend or in memory.
fn checkpoint(folder: &Path, with_backend: bool) -> Checkpoint {
    let checkpoint = Checkpoint::in_folder(folder).every_batch();
    if with_backend { checkpoint.backend(Touching) } else { checkpoint }
}

fn context(checkpoint: Checkpoint) -> StreamingContext {
    StreamingContext::builder("rules").threads(1).checkpoint(checkpoint).build().unwrap()
}

fn push(words: &QueueSource<String>, batch: &str) {
    words.handle().push(batch.split_whitespace().map(str::to_owned).collect()).unwrap();
}
