//! One micro-batch, as the operators see it.

use std::fmt;
use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::ShuffleDependency;
use firesteel_core::{Context, Open, Operator};
use firesteel_state::KeySpace;
use firesteel_window::Timestamp;

use crate::plan::{Computed, Facts, Frozen, NodeId};

/// What functions over whole batches know of the micro-batch at hand.
#[derive(Clone)]
pub struct Batch {
    pub(crate) id: u64,
    pub(crate) time: Timestamp,
    pub(crate) context: Context,
    continues: bool,
    program: Arc<Frozen>,
    facts: Arc<Facts>,
}

impl Batch {
    pub(crate) fn new(id: u64, time: Timestamp, context: Context, program: &Arc<Frozen>) -> Self {
        Self { id, time, context, continues: false, program: Arc::clone(program), facts: Arc::default() }
    }

    /// The same, to fire what is left of the timers that were due in the batch before it.
    pub(crate) fn continuing(self, continues: bool) -> Self {
        Self { continues, ..self }
    }

    /// Whether it fires what is left of the timers that were due in the batch before it.
    pub(crate) fn continues(&self) -> bool {
        self.continues
    }

    /// About how many due timers of an operator fire in it.
    pub(crate) fn timers_limit(&self) -> u64 {
        self.program.timers_limit()
    }

    /// The batch's number, counting from 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The processing time at which the batch was admitted. A repetition of the batch has the same.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The context for RDDs of this batch: its default parallelism fits the batch's size.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What a node is called.
    pub(crate) fn key_space(&self) -> KeySpace {
        self.program.key_space()
    }

    pub(crate) fn operator(&self, node: NodeId) -> &Operator {
        self.program.operator(node)
    }

    /// What keeps the records of a node for several consumers, if it has them.
    pub(crate) fn keeper<K: Copy + 'static>(&self, node: NodeId) -> Option<K> {
        self.program.keeper(node)
    }

    /// Has the records of a node counted. What an output writes it counts itself.
    pub(crate) fn counted<R: Send + 'static>(&self, node: NodeId, rdd: BoxRdd<R>) -> BoxRdd<R> {
        if self.program.is_output(node) { rdd } else { rdd.counted(self.program.rows(), node.index()) }
    }

    /// The RDD of an operator with state, whose partitions `open` makes of what a shuffle brings. What no output asks for
    /// is computed all the same.
    pub(crate) fn stateful<T, O>(
        &self,
        node: NodeId,
        dependency: Arc<dyn ShuffleDependency>,
        open: impl FnOnce(Computed) -> O,
    ) -> BoxRdd<T>
    where
        T: Send + 'static,
        O: Open<T>,
    {
        let computed = Computed::none_of(dependency.num_reduces());
        let records = Arc::new(open(computed.clone()));
        let rdd = BoxRdd::stateful(&self.context, self.operator(node), dependency, records);
        self.facts.complete(node, rdd.clone(), computed, &self.context);
        rdd
    }

    /// What is known of the batch, by node.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("id", &self.id).field("time", &self.time).finish_non_exhaustive()
    }
}
