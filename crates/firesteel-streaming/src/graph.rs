//! The program under construction: what a context's streams share.

use std::sync::Arc;

use firesteel_core::Operator;
use parking_lot::Mutex;

use crate::input::{Input, SplitNumbers};
use crate::output::Output;
use crate::rest::Rest;
use crate::state::{ChangesOf, StateCell};
use crate::stream::Samples;
use crate::time::{FiredWindows, Tracker};

/// Inputs, outputs and what lies between them that has a life of its own.
#[derive(Default)]
pub(crate) struct Graph {
    parts: Mutex<Parts>,
}

#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) inputs: Vec<Box<dyn Input>>,
    pub(crate) split_numbers: SplitNumbers,
    pub(crate) outputs: Vec<Box<dyn Output>>,
    pub(crate) trackers: Vec<Arc<Tracker>>,
    pub(crate) counters: Vec<Counted>,
    /// Some of the records that operators refuse.
    pub(crate) samples: Vec<Arc<Samples>>,
    pub(crate) fired: Vec<firesteel_core::Accumulator<FiredWindows>>,
    pub(crate) rests: Vec<Arc<Rest>>,
    /// The operators' states, with what takes note of their changes.
    pub(crate) states: Vec<(Arc<dyn StateCell>, firesteel_core::Accumulator<ChangesOf>)>,
    /// What must hold before the job starts, found while the program was built.
    pub(crate) faults: Vec<crate::Error>,
}

/// Something that is counted across the job and reported per batch.
pub(crate) struct Counted {
    pub(crate) what: What,
    pub(crate) count: firesteel_core::Accumulator<u64>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Malformed,
    Late,
}

impl Graph {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Parts) -> T) -> T {
        change(&mut self.parts.lock())
    }

    pub(crate) fn counter(&self, what: What) -> firesteel_core::Accumulator<u64> {
        let count = firesteel_core::Accumulator::new();
        self.change(|parts| parts.counters.push(Counted { what, count: count.clone() }));
        count
    }

    /// What keeps some of the records that one operator refuses.
    pub(crate) fn samples(&self) -> Arc<Samples> {
        let samples = Arc::<Samples>::default();
        self.change(|parts| parts.samples.push(Arc::clone(&samples)));
        samples
    }

    /// What completes the batches of one operator with state.
    pub(crate) fn rest(&self, operator: Operator) -> Arc<Rest> {
        let rest = Arc::new(Rest::of(operator));
        self.change(|parts| parts.rests.push(Arc::clone(&rest)));
        rest
    }

    /// What notes the windows that one operator fires.
    pub(crate) fn fired(&self) -> firesteel_core::Accumulator<FiredWindows> {
        let fired = firesteel_core::Accumulator::new();
        self.change(|parts| parts.fired.push(fired.clone()));
        fired
    }
}
