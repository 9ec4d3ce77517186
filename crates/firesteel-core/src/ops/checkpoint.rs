//! `checkpoint`: records in files that are kept, without the lineage that made them.

mod files;

use std::any::Any;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use crate::data::Exchange;
use crate::error::Result;
use crate::ids::PartitionerId;
use crate::operator::Operator;
use crate::rdd::{Context, Dependency, Lineage, Node, Rdd};
use crate::source::Numbered;
use crate::task::TaskContext;

use files::Manifest;

/// The RDD of [`RddOps::checkpoint`](crate::RddOps::checkpoint) and [`Context::read_checkpoint`].
pub struct Checkpointed<T> {
    node: Node,
    folder: Arc<Path>,
    manifest: Arc<Manifest>,
    placed: Option<(PartitionerId, Option<Arc<dyn Any + Send + Sync>>)>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Exchange> Checkpointed<T> {
    /// Writes the records of `rdd` into a new folder, by a job.
    ///
    /// # Errors
    /// When the folder exists or cannot be written to, or when the job fails.
    pub fn write<R: Rdd<Item = T>>(rdd: &R, operator: Operator, folder: &Path) -> Result<Self> {
        let manifest = files::write(rdd, &operator, folder)?;
        let placed = rdd.partitioner().map(|id| (id, rdd.placement()));
        let node = Node::new(rdd.node().context(), operator);
        Ok(Self { node, folder: folder.into(), manifest: Arc::new(manifest), placed, kind: PhantomData })
    }

    /// Takes up what an earlier [`write`](Self::write) left.
    ///
    /// # Errors
    /// When the folder holds no complete checkpoint.
    pub fn read(context: &Context, operator: Operator, folder: &Path) -> Result<Self> {
        let manifest = Arc::new(Manifest::read(folder)?);
        let node = Node::new(context, operator);
        Ok(Self { node, folder: folder.into(), manifest, placed: None, kind: PhantomData })
    }
}

impl<T> Clone for Checkpointed<T> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            folder: Arc::clone(&self.folder),
            manifest: Arc::clone(&self.manifest),
            placed: self.placed.clone(),
            kind: PhantomData,
        }
    }
}

impl<T: Exchange> Lineage for Checkpointed<T> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.manifest.records.len()
    }
    fn dependencies(&self, _: &mut dyn FnMut(Dependency<'_>)) {}
    fn partitioner(&self) -> Option<PartitionerId> {
        self.placed.as_ref().map(|(id, _)| *id)
    }
    fn placement(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.placed.as_ref().and_then(|(_, placement)| placement.clone())
    }
    fn size_hint(&self, split: usize) -> Option<u64> {
        self.manifest.records.get(split).copied()
    }
    fn is_materialized(&self) -> bool {
        true
    }
}

impl<T: Exchange> Rdd for Checkpointed<T> {
    type Item = T;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = T> + 'a {
        Numbered::new(files::records(&self.folder, split, self.manifest.records[split], task), task)
    }
}

impl Context {
    /// The RDD that [`checkpoint`](crate::RddOps::checkpoint) wrote into a folder, be it in an earlier run of the
    /// program. `T` is the type it was written with.
    ///
    /// # Errors
    /// When the folder holds no complete checkpoint. What is damaged fails the job that reads it.
    #[track_caller]
    pub fn read_checkpoint<T: Exchange>(&self, folder: impl AsRef<Path>) -> Result<Checkpointed<T>> {
        Checkpointed::read(self, Operator::here("read_checkpoint"), folder.as_ref())
    }
}
