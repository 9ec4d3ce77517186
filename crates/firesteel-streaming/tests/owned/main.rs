//! Key groups: how many there are, and who owns them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod moves;
mod numbers;
mod program;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use firesteel_state::{MemoryBackend, MemoryBudget, OpenBackend, StateBackend};

/// A backend in memory that outlives the job.
#[derive(Clone, Default)]
struct Kept(Arc<MemoryBackend>);

impl OpenBackend for Kept {
    fn open(&self, _: &Path, _: &MemoryBudget) -> firesteel_state::Result<Arc<dyn StateBackend>> {
        Ok(self.0.clone())
    }
}

#[test]
fn two_jobs_between_which_ranges_move_are_one() {
    moves::compare(|checkpoint, _| checkpoint);
}

#[test]
fn two_jobs_between_which_ranges_move_are_one_over_backends() {
    let backends: HashMap<&str, Kept> = ["whole", "a", "b"].map(|name| (name, Kept::default())).into();
    moves::compare(|checkpoint, name| checkpoint.backend(backends[name].clone()));
}

#[test]
fn what_cannot_move_stays_where_it_is() {
    moves::refused(|checkpoint, _| checkpoint);
    let backends: HashMap<&str, Kept> = ["a", "b"].map(|name| (name, Kept::default())).into();
    moves::refused(|checkpoint, name| checkpoint.backend(backends[name].clone()));
}
