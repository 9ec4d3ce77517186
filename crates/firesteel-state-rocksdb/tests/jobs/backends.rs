//! The backends that a job may be given: memory, or RocksDB.

use std::path::Path;
use std::sync::Arc;

use firesteel_state::StateBackend;
use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};
use firesteel_streaming::Checkpoint;

use crate::program::Backend;

/// Small, so that opening it takes little.
fn options() -> RocksDbOptions {
    RocksDbOptions::default().memory(4 << 20).write_buffer(64 << 10).background_jobs(1)
}

/// Sets the backend of a job.
pub(crate) fn choose(checkpoint: Checkpoint, backend: Backend) -> Checkpoint {
    if backend == Backend::None { checkpoint } else { checkpoint.backend(options()) }
}

/// Opens what a backend has left in a folder.
pub(crate) fn open(folder: &Path, _: Backend) -> firesteel_state::Result<Arc<dyn StateBackend>> {
    Ok(Arc::new(RocksDbBackend::open(folder, options())?))
}
