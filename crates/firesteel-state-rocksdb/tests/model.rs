//! State over RocksDB beside the plain model of `firesteel-state`, through crashes of the changelog and restarts.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../../firesteel-state/src/model/mod.rs"]
mod model;

use std::sync::Arc;

use firesteel_state::*;
use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};
use proptest::prelude::*;
use proptest_state_machine::{StateMachineTest, prop_state_machine};

use model::{Home, Model, Step, System};

/// A folder that outlives the backend in it. Every restart opens it with other options.
struct Disk {
    folder: tempfile::TempDir,
    opened: usize,
}

impl Home for Disk {
    fn open(&mut self) -> Option<Arc<dyn StateBackend>> {
        self.opened += 1;
        let options = RocksDbOptions::default().memory(4 << 20).page_bytes(64);
        // Through write buffers, then as files.
        let options = options.file_from(if self.opened.is_multiple_of(2) { 0 } else { usize::MAX });
        Some(Arc::new(RocksDbBackend::open(self.folder.path(), options).unwrap()))
    }
}

struct OverRocksDb;

impl StateMachineTest for OverRocksDb {
    type SystemUnderTest = System;
    type Reference = Model;

    fn init_test(_: &Model) -> System {
        System::new(Disk { folder: tempfile::tempdir().unwrap(), opened: 0 })
    }

    fn apply(system: System, model: &Model, step: Step) -> System {
        system.step(model, &step)
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn state_over_rocksdb_is_what_the_model_says(sequential 1..60 => OverRocksDb);
}
