//! The suite for backends, with pages and files of several sizes.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_state::conformance;
use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};

/// Runs both suites, with each backend in a folder of its own.
fn conforms(options: &RocksDbOptions) {
    let folder = tempfile::tempdir().unwrap();
    let (count, last) = (AtomicU64::new(0), AtomicU64::new(0));
    let open =
        |number: u64| RocksDbBackend::open(folder.path().join(format!("backend-{number}")), options.clone()).unwrap();
    let make = || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        last.store(number, Ordering::Relaxed);
        open(number)
    };
    conformance::backend(make, &folder.path().join("snapshots"));
    conformance::backend_survives(make, |backend| {
        drop(backend);
        open(last.load(Ordering::Relaxed))
    });
}

fn small() -> RocksDbOptions {
    RocksDbOptions::default().memory(4 << 20).write_buffer(64 << 10)
}

#[test]
fn as_it_is_set_up_by_default() {
    conforms(&RocksDbOptions::default());
}

#[test]
fn with_pages_of_a_few_keys() {
    conforms(&small().page_bytes(64));
}

#[test]
fn with_a_file_for_each_call() {
    conforms(&small().page_bytes(64).file_from(0));
}
