//! The choice of RocksDB for a job's state.

use std::path::Path;
use std::sync::Arc;

use firesteel_state::{MemoryBudget, OpenBackend, Result, StateBackend};
use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};

/// RocksDB with its usual settings.
#[derive(Debug, Clone, Copy)]
pub struct OpenRocksDb;

impl OpenBackend for OpenRocksDb {
    fn open(&self, folder: &Path, budget: &MemoryBudget) -> Result<Arc<dyn StateBackend>> {
        let options = RocksDbOptions::default().budget(budget.clone());
        Ok(Arc::new(RocksDbBackend::open(folder, options)?))
    }
}
