//! State by key, as Spark's users rely on it, with RocksDB as its backend.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

#[path = "../../../tests/tests/state/cases.rs"]
mod cases;
#[path = "../../../tests/tests/state/every_case.rs"]
mod every_case;
#[path = "../../../tests/tests/state/process.rs"]
mod process;
#[path = "../../../tests/tests/state/recovery.rs"]
mod recovery;
#[allow(dead_code, reason = "the ways without RocksDB are taken elsewhere")]
#[path = "../../../tests/tests/state/ways.rs"]
mod ways;

every_case::every_case!(ways::durable(
    "RocksDB",
    Some(|| Arc::new(firesteel_state_rocksdb::RocksDbOptions::default()))
));
