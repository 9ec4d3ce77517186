//! Two jobs that own a part of the key groups each, with their state in RocksDB.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../../firesteel-streaming/tests/owned/moves.rs"]
mod moves;
#[path = "../../firesteel-streaming/tests/owned/program.rs"]
mod program;
#[path = "../../firesteel-streaming/tests/owned/timelines.rs"]
mod timelines;

use firesteel_state_rocksdb::RocksDbOptions;

/// Small, so that opening it takes little.
fn options() -> RocksDbOptions {
    RocksDbOptions::default().memory(4 << 20).write_buffer(64 << 10).background_jobs(1)
}

#[test]
fn two_jobs_between_which_ranges_move_are_one() {
    moves::compare(|checkpoint, _| checkpoint.backend(options()));
}

#[test]
fn what_cannot_move_stays_where_it_is() {
    moves::refused(|checkpoint, _| checkpoint.backend(options()));
}

#[test]
fn a_backend_that_was_not_put_back_with_its_checkpoint_is_not_believed() {
    timelines::told_apart(|checkpoint| checkpoint.backend(options()));
}
