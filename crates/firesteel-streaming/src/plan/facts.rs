//! What is known of one batch, by node: ranges to read, records that are kept, what is left to compute.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_core::{Context, Rdd};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::plan::NodeId;

/// The facts of one batch. They end with it.
#[derive(Default)]
pub(crate) struct Facts {
    by_node: Mutex<SmallVec<[(NodeId, Box<dyn Any + Send>); 4]>>,
    rests: Mutex<BTreeMap<NodeId, Compute>>,
}

type Compute = Box<dyn FnOnce() -> firesteel_core::Result<()> + Send>;

impl Facts {
    /// Notes what is known of a node.
    pub(crate) fn set<F: Send + 'static>(&self, node: NodeId, fact: F) {
        self.put(node, Box::new(fact));
    }

    fn put(&self, node: NodeId, fact: Box<dyn Any + Send>) {
        let mut by_node = self.by_node.lock();
        match by_node.binary_search_by_key(&node, |(of, _)| *of) {
            Ok(at) => by_node[at].1 = fact,
            Err(at) => by_node.insert(at, (node, fact)),
        }
    }

    /// What was noted of a node.
    pub(crate) fn get<F: Clone + 'static>(&self, node: NodeId) -> Option<F> {
        let mut found = None;
        self.look(node, &mut |fact| found = fact.downcast_ref().cloned());
        found
    }

    fn look(&self, node: NodeId, at: &mut dyn FnMut(&dyn Any)) {
        let by_node = self.by_node.lock();
        if let Ok(found) = by_node.binary_search_by_key(&node, |(of, _)| *of) {
            at(&*by_node[found].1);
        }
    }

    /// What was noted of a node, or what `make` says now.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn get_or<F: Clone + Send + 'static, E>(
        &self,
        node: NodeId,
        make: impl FnOnce() -> Result<F, E>,
    ) -> Result<F, E> {
        if let Some(fact) = self.get(node) {
            return Ok(fact);
        }
        let fact = make()?;
        self.set(node, fact.clone());
        Ok(fact)
    }

    /// Takes the batch's RDD of an operator with state. Its state has to see every record, also where an output looks at
    /// some of the results only: what no output asks for is computed once outputs have taken what they need.
    pub(crate) fn complete<R: Rdd>(&self, node: NodeId, rdd: R, computed: Computed, context: &Context) {
        let context = context.clone();
        self.rests.lock().insert(node, Box::new(move || computed.compute_rest(&rdd, &context)));
    }

    /// The operators with state that were asked for something and may not be complete, in the order of the program.
    pub(crate) fn incomplete(&self) -> Vec<(NodeId, Compute)> {
        std::mem::take(&mut *self.rests.lock()).into_iter().collect()
    }
}

/// The partitions of an RDD that some task has computed.
#[derive(Clone)]
pub(crate) struct Computed(Arc<[AtomicBool]>);

impl Computed {
    /// None of this many.
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
