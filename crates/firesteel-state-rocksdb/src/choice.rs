//! Choosing the backend for a job.

use std::path::Path;
use std::sync::Arc;

use firesteel_state::{MemoryBudget, OpenBackend, Result, StateBackend};

use crate::{RocksDbBackend, RocksDbOptions};

impl OpenBackend for RocksDbOptions {
    /// Opens the backend with these settings, and with the job's budget in place of their own.
    fn open(&self, folder: &Path, budget: &MemoryBudget) -> Result<Arc<dyn StateBackend>> {
        Ok(Arc::new(RocksDbBackend::open(folder, self.clone().budget(budget.clone()))?))
    }
}
