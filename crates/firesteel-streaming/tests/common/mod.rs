//! What several tests use.

#![allow(dead_code, reason = "not all tests use all of it")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use firesteel_state::{MemoryBackend, MemoryBudget, OpenBackend, StateBackend};
use parking_lot::Mutex;

/// A backend in memory that outlives the job, and takes nothing of its budget.
#[derive(Clone, Default)]
pub(crate) struct Kept(pub(crate) Arc<MemoryBackend>);

impl OpenBackend for Kept {
    fn open(&self, _: &Path, _: &MemoryBudget) -> firesteel_state::Result<Arc<dyn StateBackend>> {
        Ok(self.0.clone())
    }
}

/// Panics at the first attempt of each thing it is asked about; or at none.
#[derive(Clone, Default)]
pub(crate) struct Clumsy(pub(crate) Option<Arc<Mutex<BTreeSet<String>>>>);

impl Clumsy {
    pub(crate) fn handle(&self, what: String) {
        if let Some(dropped) = &self.0 {
            let first = dropped.lock().insert(what.clone());
            assert!(!first, "dropped {what}");
        }
    }
}
