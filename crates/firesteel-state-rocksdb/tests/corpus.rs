//! The corpus of cases of event time, with RocksDB as the backend of open windows.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

#[path = "../../../tests/tests/corpus/aggregate.rs"]
mod aggregate;
#[path = "../../../tests/tests/corpus/case.rs"]
mod case;
#[path = "../../../tests/tests/corpus/every_file.rs"]
mod every_file;
#[path = "../../../tests/tests/corpus/pattern.rs"]
mod pattern;
#[path = "../../../tests/tests/corpus/program.rs"]
mod program;
#[path = "../../../tests/tests/corpus/read.rs"]
mod read;
#[path = "../../../tests/tests/corpus/run.rs"]
mod run;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "../../../tests/tests/state/ways.rs"]
mod ways;

/// Bytes that the database takes, the fewest that it can do with.
const TAKEN: u64 = 4 << 20;

every_file::every_file!(
    concat!(env!("CARGO_MANIFEST_DIR"), "/../.."),
    ways::durable("RocksDB", Some(|| Arc::new(firesteel_state_rocksdb::RocksDbOptions::default().memory(TAKEN)))),
    TAKEN + 4_096
);
