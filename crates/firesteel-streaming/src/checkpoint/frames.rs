//! What an epoch changed, gathered from all stores on all executors.

use std::sync::Arc;

use firesteel_core::{Context, Dependency, JobOptions, Lineage, Node, Operator, Rdd, TaskContext};
use firesteel_state::{Frame, KeyGroupRange, Shard, StateError, StateStore};

use crate::error::Result;
use crate::plan::StateCell;

/// Below this many bytes in the last epoch, one thread gathers faster than several.
const SMALL: u64 = 256 << 10;
/// Ranges for each executor, so that uneven ones even out.
const RANGES: usize = 4;

/// Ends the epoch in all stores; what changed, in the order of stores and key groups. `last` is the size of what came of
/// the epoch before.
pub(crate) fn gather(states: &[&Arc<dyn StateCell>], epoch: u64, last: u64, context: &Context) -> Result<Vec<Frame>> {
    if last < SMALL || context.executors() < 2 {
        let mut frames = Vec::new();
        for cell in states {
            frames.extend(cell.store().end_epoch(epoch)?);
        }
        return Ok(frames);
    }
    let parts = context.executors() * RANGES;
    // A job that is to stop still commits what it has: this is no part of a batch.
    let context = context.with_options(JobOptions::default());
    let ranges = Ranges { node: Node::new(&context, Operator::here("end of epoch")), parts };
    let states: Vec<Arc<dyn StateCell>> = states.iter().map(|cell| Arc::clone(cell)).collect();
    let work = move |_: &Ranges, part: usize, _: &TaskContext| -> std::result::Result<Vec<Frame>, StateError> {
        let mut frames = Vec::new();
        for cell in &states {
            let store = cell.store();
            let range: KeyGroupRange = store.key_space().part(part, parts);
            frames.extend(store.end_epoch_in(range, epoch)?);
        }
        Ok(frames)
    };
    let mut frames = Vec::new();
    for part in context.run(&ranges, work)? {
        frames.extend(part?);
    }
    frames.sort_by_key(Frame::shard);
    Ok(frames)
}

/// Every shard of these stores, in the key groups that they own.
pub(crate) fn shards_of(stores: &[&dyn StateStore]) -> impl Iterator<Item = Shard> {
    stores.iter().flat_map(|store| {
        let id = store.schema().id;
        store.key_space().owned().iter().map(move |group| Shard { store: id, group })
    })
}

/// Ranges of key groups, as work for executors. Ending an epoch twice is not possible, so nothing here is tried twice.
#[derive(Clone)]
struct Ranges {
    node: Node,
    parts: usize,
}

impl Lineage for Ranges {
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.parts
    }
    fn dependencies(&self, _: &mut dyn FnMut(Dependency<'_>)) {}
    fn is_stateful(&self) -> bool {
        true
    }
}

impl Rdd for Ranges {
    type Item = ();

    fn compute<'a>(&'a self, _: usize, _: &'a TaskContext) -> impl Iterator<Item = ()> + 'a {
        std::iter::empty()
    }
}
