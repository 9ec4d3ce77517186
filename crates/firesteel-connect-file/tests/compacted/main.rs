//! Results whose small files were merged, as readers find them: before, afterwards and in between.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/follower.rs"]
mod followers;

mod follower;
mod formats;
mod hostile;
mod origins;
mod random;

use std::path::Path;

use firesteel_connect::{CheckpointId, Epoch, Sink, SinkContext, WriteTask};

use followers::{Checkpoint, Follower};

/// Writes epochs `[from, to]` of one file each.
fn write<S: Sink<T>, T>(sink: &S, epochs: std::ops::RangeInclusive<u64>, records: impl Fn(u64) -> Vec<T>) {
    sink.start(&SinkContext::default().with_checkpoint(CheckpointId::from_bits(3))).unwrap();
    for epoch in epochs {
        let pending = sink.write(WriteTask::new(Epoch(epoch), 0), records(epoch).into_iter()).unwrap();
        sink.commit(Epoch(epoch), &mut vec![pending]).unwrap();
    }
    sink.stop().unwrap();
}

fn parts(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with("part-")).count()
}
