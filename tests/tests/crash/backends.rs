//! The backends that a job may be given, by their names.

use std::path::Path;
use std::sync::Arc;

use firesteel_state::StateBackend;
use firesteel_streaming::Checkpoint;

use crate::kept::{Kept, KeptBackend};
use crate::program::Backend;

/// Sets the backend of a job.
pub(crate) fn choose(checkpoint: Checkpoint, backend: Backend) -> Checkpoint {
    match backend {
        Backend::None => checkpoint,
        kept => checkpoint.backend(Kept { eager: kept == Backend::Eager }),
    }
}

/// Opens what a backend has left in a folder.
pub(crate) fn open(folder: &Path, _: Backend) -> firesteel_state::Result<Arc<dyn StateBackend>> {
    Ok(Arc::new(KeptBackend::open(folder, false)?))
}
