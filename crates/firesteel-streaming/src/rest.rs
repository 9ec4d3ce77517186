//! The partitions of operators with state that no output has asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_core::{Context, Operator, Rdd};
use parking_lot::Mutex;

/// What of an operator with state is left to be computed in the current batch. Its state has to see every record, also
/// where an output looks at some of the results only, or at none.
pub(crate) struct Rest {
    pub(crate) operator: Operator,
    compute: Mutex<Option<Compute>>,
}

type Compute = Box<dyn FnOnce() -> firesteel_core::Result<()> + Send>;

impl Rest {
    pub(crate) const fn of(operator: Operator) -> Self {
        Self { operator, compute: Mutex::new(None) }
    }

    /// Takes the batch's RDD, the rest of which is computed once outputs have taken what they need.
    pub(crate) fn set<R: Rdd>(&self, rdd: R, computed: Computed, context: &Context) {
        let context = context.clone();
        *self.compute.lock() = Some(Box::new(move || computed.compute_rest(&rdd, &context)));
    }

    /// Forgets the batch.
    pub(crate) fn clear(&self) {
        self.compute.lock().take();
    }

    /// Computes the rest of the batch.
    pub(crate) fn compute(&self) -> firesteel_core::Result<()> {
        let compute = self.compute.lock().take();
        compute.map_or(Ok(()), |compute| compute())
    }
}

/// The partitions of an RDD that some task has computed.
#[derive(Clone)]
pub(crate) struct Computed(Arc<[AtomicBool]>);

impl Computed {
    /// None of so many.
    pub(crate) fn none_of(partitions: usize) -> Self {
        Self((0..partitions).map(|_| AtomicBool::new(false)).collect())
    }

    /// Notes that a partition has been computed.
    pub(crate) fn note(&self, partition: usize) {
        self.0[partition].store(true, Ordering::Relaxed);
    }

    /// Computes the others, for what that does to state.
    fn compute_rest<R: Rdd>(&self, rdd: &R, context: &Context) -> firesteel_core::Result<()> {
        for (partition, _) in self.0.iter().enumerate().filter(|(_, computed)| !computed.load(Ordering::Relaxed)) {
            context.run_some(rdd, partition..partition + 1, |rdd, split, task| drop(rdd.compute(split, task)))?;
        }
        Ok(())
    }
}
