//! The RDD of a shared stream: records are kept together with the place in the source that they come from.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use firesteel_core::ops::Persisted;
use firesteel_core::{Data, Dependency, Lineage, Location, MemoryOnly, Node, Operator, Rdd, TaskContext};
use parking_lot::Mutex;

/// The RDD of a stream with several consumers.
pub(super) struct SharedRdd<R: Rdd<Item: Data>> {
    node: Node,
    parent: Persisted<Positioned<R>, MemoryOnly>,
    /// For each partition, the split its records were read from.
    origins: Arc<Mutex<HashMap<usize, Origin>>>,
    /// What its parents have said of its partitions. A stream may be parted and united again many times over: asked each
    /// time again, they would be asked twice as often with every union.
    said: Arc<Said>,
}

#[derive(Default)]
struct Said {
    partitions: OnceLock<usize>,
    sizes: Mutex<HashMap<usize, u64>>,
}

/// The name of a split, where there is one, and its number.
type Origin = (Option<Arc<str>>, u32);

impl<R: Rdd<Item: Data>> SharedRdd<R> {
    pub(super) fn new(parent: R, operator: Operator) -> Self {
        let node = Node::new(parent.node().context(), operator.clone());
        let positioned = Positioned { node: Node::new(parent.node().context(), operator.clone()), parent };
        Self {
            node,
            parent: Persisted::new(positioned, operator, MemoryOnly),
            origins: Arc::default(),
            said: Arc::default(),
        }
    }
}

impl<R: Rdd<Item: Data>> Clone for SharedRdd<R> {
    fn clone(&self) -> Self {
        let (origins, said) = (Arc::clone(&self.origins), Arc::clone(&self.said));
        Self { node: self.node.clone(), parent: self.parent.clone(), origins, said }
    }
}

impl<R: Rdd<Item: Data>> Lineage for SharedRdd<R> {
    firesteel_core::own_node!();
    firesteel_core::same_placement!();
    fn num_partitions(&self) -> usize {
        *self.said.partitions.get_or_init(|| self.parent.num_partitions())
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.parent));
    }
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        self.parent.preferred_locations(split)
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        let said = self.said.sizes.lock().get(&split).copied();
        said.or_else(|| {
            let size = self.parent.size_hint(split)?;
            self.said.sizes.lock().insert(split, size);
            Some(size)
        })
    }
    fn wants_positions(&self) -> bool {
        // They are kept with the records.
        !self.parent.is_materialized()
    }
}

impl<R: Rdd<Item: Data>> Rdd for SharedRdd<R> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let records = self.parent.compute(split, task);
        let mut origins = self.origins.lock();
        match origins.get(&split) {
            Some((name, number)) => task.set_origin(name.clone(), *number),
            None => drop(origins.insert(split, (task.origin(), task.origin_number()))),
        }
        Restored { records, task }
    }
}

/// Tells the task where each record stood in its source.
struct Restored<'a, I> {
    records: I,
    task: &'a TaskContext,
}

/// Stands for a record that comes from no source.
const NOWHERE: u64 = u64::MAX;

impl<T, I: Iterator<Item = (u64, T)>> Iterator for Restored<'_, I> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (position, record) = self.records.next()?;
        restore(position, self.task);
        Some(record)
    }

    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, mut each: F) -> B {
        /// Dropped after whatever numbers the records below, which does so only at the end.
        struct Last<'a>(u64, &'a TaskContext);
        impl Drop for Last<'_> {
            fn drop(&mut self) {
                restore(self.0, self.1);
            }
        }
        let mut last = Last(NOWHERE, self.task);
        self.records.fold(start, |acc, (position, record)| {
            last.0 = position;
            each(acc, record)
        })
    }
}

fn restore(position: u64, task: &TaskContext) {
    if position != NOWHERE {
        task.set_position(position);
    }
}

/// Each record with its position in the source.
pub(crate) struct Positioned<R> {
    node: Node,
    parent: R,
}

impl<R: Clone> Clone for Positioned<R> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), parent: self.parent.clone() }
    }
}

impl<R: Rdd> Lineage for Positioned<R> {
    firesteel_core::narrow_lineage!();
    firesteel_core::same_placement!();
}

impl<R: Rdd> Rdd for Positioned<R> {
    type Item = (u64, R::Item);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = (u64, R::Item)> + 'a {
        // Records are kept one by one, so that the position is true for each.
        self.parent.compute(split, task).map(|record| (task.position().unwrap_or(NOWHERE), record))
    }
}
