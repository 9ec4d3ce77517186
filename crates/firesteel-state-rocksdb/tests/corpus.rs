//! The corpus of cases of event time, with RocksDB as the backend of open windows.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

#[path = "../../../tests/tests/corpus/case.rs"]
mod case;
#[path = "../../../tests/tests/corpus/every_file.rs"]
mod every_file;
#[path = "../../../tests/tests/corpus/run.rs"]
mod run;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "../../../tests/tests/state/ways.rs"]
mod ways;

every_file::every_file!(
    concat!(env!("CARGO_MANIFEST_DIR"), "/../.."),
    ways::durable("RocksDB", Some(|| Arc::new(firesteel_state_rocksdb::RocksDbOptions::default())))
);
