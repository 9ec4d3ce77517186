//! `persist`: records are kept once they have been computed.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::data::{Data, Records};
use crate::ids::RddId;
use crate::operator::Operator;
use crate::ops::either::Either;
use crate::rdd::{Dependency, Lineage, Location, Node, Rdd};
use crate::source::Numbered;
use crate::storage::{Block, Blocks, Disk, Shared, Spill, SpillMemory, StorageLevel};
use crate::task::{Apart, Counted, TaskContext, TaskIdentity};

/// The RDD of [`RddOps::persist`](crate::RddOps::persist). What it keeps is dropped with its last clone.
pub struct Persisted<R, L> {
    node: Node,
    parent: R,
    kept: Arc<Kept>,
    level: PhantomData<fn() -> L>,
}

/// What is kept of one RDD.
struct Kept {
    rdd: RddId,
    blocks: Blocks,
    enabled: AtomicBool,
    /// A partition that had to go and is computed again is not counted again.
    counted: Counted,
    filling: Arc<Filling>,
}

/// The partitions that tasks are about to keep, with the jobs of those tasks.
#[derive(Default)]
struct Filling {
    of_jobs: Mutex<HashMap<usize, u64>>,
    /// Signaled when a task has ended that was about to keep something.
    changed: Condvar,
}

/// While it lives, other tasks of the job wait for the partition that this one is about to keep.
struct Filler {
    filling: Arc<Filling>,
    split: usize,
}

impl Filling {
    /// Makes the task the one that fills a partition, or waits until the one that does has ended, and says which. A task
    /// that others may wait for waits for nobody, and nobody waits for a task of another job, which may be waiting for
    /// this one: so no two tasks ever wait for each other. Another attempt at a task does not wait for the first.
    fn begin(self: &Arc<Self>, split: usize, task: &TaskContext) -> bool {
        let TaskIdentity { job, attempt, .. } = *task.identity();
        let mut of_jobs = self.of_jobs.lock();
        match of_jobs.get(&split) {
            Some(filler) if *filler == job && attempt == 0 && !task.holds_something() => {
                self.changed.wait(&mut of_jobs);
                false
            }
            Some(_) => true,
            None => {
                of_jobs.insert(split, job);
                task.hold(Box::new(Filler { filling: Arc::clone(self), split }));
                true
            }
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.filling.of_jobs.lock().remove(&self.split);
        self.filling.changed.notify_all();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.blocks.remove(self.rdd);
    }
}

impl<R: Rdd, L: StorageLevel<R::Item>> Persisted<R, L>
where
    R::Item: Data,
{
    /// Keeps the records of `parent` as `level` says.
    #[must_use]
    pub fn new(parent: R, operator: Operator, level: L) -> Self {
        let _ = level;
        let node = Node::new(parent.node().context(), operator);
        let blocks = node.context().blocks().clone();
        let (rdd, enabled) = (node.id(), AtomicBool::new(true));
        let kept = Arc::new(Kept { rdd, blocks, enabled, counted: Counted::default(), filling: Arc::default() });
        Self { node, parent, kept, level: PhantomData }
    }

    /// Drops what is kept, and keeps nothing from now on. Records are computed again when they are needed.
    pub fn unpersist(&self) {
        self.kept.enabled.store(false, Ordering::Relaxed);
        self.kept.blocks.remove(self.kept.rdd);
    }

    /// How many partitions are kept now.
    #[must_use]
    pub fn kept_partitions(&self) -> usize {
        (0..self.num_partitions()).filter(|split| self.kept.blocks.contains(self.kept.rdd, *split)).count()
    }

    /// Computes a partition, and keeps it if the attempt succeeds.
    fn fill<'a>(&'a self, split: usize, task: &'a TaskContext) -> Filled<'a, R::Item> {
        let memory = self.node.context().memory();
        let counted = Arc::clone(&self.kept.counted);
        let mut records = Apart::new(task, split, counted, || task.guard(self.parent.compute(split, task)));
        let (mut held, mut check_at) = (Vec::new(), SpillMemory::FIRST_CHECK);
        let limit = self.kept.blocks.limit();
        // What does not belong into memory goes to disk at once; what turns out too large, as soon as it does.
        let mut fits = L::measure(&held).is_some();
        if fits {
            records.hand_out(|record| {
                held.push(record);
                if held.len() >= check_at {
                    fits = L::measure(&held).is_some_and(|bytes| bytes <= limit);
                    check_at = SpillMemory::next_check(held.len());
                }
                fits
            });
        }
        match L::disk() {
            _ if fits => Either::Left(self.keep_in_memory(split, held, task)),
            Some(disk) => {
                let run = (disk.write)(memory, &mut held.into_iter().chain(records));
                let run = run.unwrap_or_else(|error| task.fail_with(error, true));
                let (kept, copy) = (Arc::clone(&self.kept), run.clone());
                task.on_success(move || kept.if_enabled(|blocks| blocks.put_on_disk::<R::Item>(kept.rdd, split, copy)));
                Either::Right((disk.read)(&run, task))
            }
            None => Either::Right(Box::new(held.into_iter().chain(records))),
        }
    }

    fn keep_in_memory(&self, split: usize, held: Vec<R::Item>, task: &TaskContext) -> Shared<R::Item, Vec<R::Item>> {
        let bytes = L::measure(&held).unwrap_or(0);
        let held = Arc::new(held);
        let (kept, copy) = (Arc::clone(&self.kept), Arc::clone(&held));
        let (memory, disk) = (self.node.context().memory().clone(), L::disk());
        task.on_success(move || {
            kept.if_enabled(|blocks| {
                let spill = disk.map(|disk| spill(disk, memory.clone()));
                if !blocks.put_in_memory(kept.rdd, split, Arc::clone(&copy), bytes, spill)
                    && let Some(disk) = disk
                {
                    match (disk.write)(&memory, &mut copy.iter().cloned()) {
                        Ok(run) => blocks.put_on_disk::<R::Item>(kept.rdd, split, run),
                        Err(error) => tracing::warn!(split, %error, "a partition cannot be persisted to disk"),
                    }
                }
            });
        });
        Shared::new(held)
    }
}

/// Records of a block in memory, or any other way.
type Filled<'a, T> = Either<Shared<T, Vec<T>>, Records<'a, T>>;

impl Kept {
    fn if_enabled(&self, put: impl FnOnce(&Blocks)) {
        if self.enabled.load(Ordering::Relaxed) {
            put(&self.blocks);
        }
    }
}

/// How a block of known record type is moved to disk.
fn spill<T: Data>(disk: Disk<T>, memory: SpillMemory) -> Spill {
    Arc::new(move |block| match block.downcast_ref::<Block<T>>() {
        Some(Block::InMemory(records)) => {
            let run = (disk.write)(&memory, &mut records.iter().cloned())?;
            Ok(Arc::new(Block::<T>::OnDisk(run)))
        }
        _ => Ok(Arc::clone(block)),
    })
}

impl<R: Clone, L> Clone for Persisted<R, L> {
    fn clone(&self) -> Self {
        let (node, parent) = (self.node.clone(), self.parent.clone());
        Self { node, parent, kept: Arc::clone(&self.kept), level: PhantomData }
    }
}

impl<R: Rdd<Item: Data>, L: StorageLevel<R::Item>> Lineage for Persisted<R, L> {
    crate::own_node!();
    crate::same_placement!();
    fn num_partitions(&self) -> usize {
        self.parent.num_partitions()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.parent));
    }
    fn preferred_locations(&self, split: usize) -> Vec<Location> {
        self.parent.preferred_locations(split)
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        match self.kept.blocks.get::<R::Item>(self.kept.rdd, split) {
            Some(Block::InMemory(records)) => Some(records.len() as u64),
            Some(Block::OnDisk(run)) => Some(run.len()),
            None => self.parent.size_hint(split),
        }
    }
    fn is_materialized(&self) -> bool {
        self.kept_partitions() == self.num_partitions()
    }
}

impl<R: Rdd<Item: Data>, L: StorageLevel<R::Item>> Rdd for Persisted<R, L> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let kept = || self.kept.blocks.get::<R::Item>(self.kept.rdd, split);
        let mut block = kept();
        while block.is_none() && !self.kept.filling.begin(split, task) {
            block = kept();
        }
        let records = match block {
            Some(Block::InMemory(records)) => Either::Left(Shared::new(records)),
            // Only a level that writes to disk leaves a block there.
            Some(Block::OnDisk(run)) => match L::disk() {
                Some(disk) => Either::Right((disk.read)(&run, task)),
                None => self.fill(split, task),
            },
            None => self.fill(split, task),
        };
        Numbered::after_shuffle(records, task)
    }
}
