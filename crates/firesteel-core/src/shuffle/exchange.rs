//! One shuffle: its parent, how the map side sorts records into buckets, and the buckets.

use crate::ids::ShuffleId;
use crate::rdd::{Context, Lineage, Rdd, ShuffleDependency};
use crate::shuffle::MapOutputs;
use crate::task::{TaskContext, TaskOutput};

/// Sorts the records of a map partition into buckets, one per reduce partition.
pub trait MapSide<T>: Send + Sync + 'static {
    /// What is left for one reduce partition.
    type Bucket: Send + Sync + 'static;

    /// How many reduce partitions there are.
    fn num_reduces(&self) -> usize;

    /// Consumes the records, through [`TaskContext::drain`], and returns exactly
    /// [`num_reduces`](Self::num_reduces) buckets.
    fn write(&self, records: impl Iterator<Item = T>, task: &TaskContext) -> Vec<Self::Bucket>;

    /// The same for a partition of an RDD. Overridden where records are better had in blocks.
    fn write_partition<R: Rdd<Item = T>>(&self, parent: &R, split: usize, task: &TaskContext) -> Vec<Self::Bucket> {
        self.write(parent.compute(split, task), task)
    }

    /// How many records a bucket holds.
    fn len(&self, bucket: &Self::Bucket) -> u64;
}

/// A shuffle of the records of `R`, sorted by `W`.
pub struct Shuffle<R, W, B> {
    id: ShuffleId,
    parent: R,
    side: W,
    outputs: MapOutputs<B>,
}

impl<R: Rdd, W: MapSide<R::Item>> Shuffle<R, W, W::Bucket> {
    /// A shuffle that has not run yet.
    #[must_use]
    pub fn new(context: &Context, parent: R, side: W) -> Self {
        let id = context.next_shuffle_id();
        let outputs = MapOutputs::new(id, parent.num_partitions());
        Self { id, parent, side, outputs }
    }

    /// What the map tasks left.
    #[must_use]
    pub fn outputs(&self) -> &MapOutputs<W::Bucket> {
        &self.outputs
    }

    /// How the map side sorts.
    #[must_use]
    pub fn side(&self) -> &W {
        &self.side
    }
}

impl<R: Rdd, W: MapSide<R::Item>> ShuffleDependency for Shuffle<R, W, W::Bucket> {
    fn id(&self) -> ShuffleId {
        self.id
    }
    fn parent(&self) -> &dyn Lineage {
        &self.parent
    }
    fn num_maps(&self) -> usize {
        self.outputs.num_maps()
    }
    fn num_reduces(&self) -> usize {
        self.side.num_reduces()
    }
    fn run_map(&self, split: usize, task: &TaskContext) -> TaskOutput {
        let buckets = self.side.write_partition(&self.parent, split, task);
        let mut records = 0;
        for bucket in &buckets {
            records += self.side.len(bucket);
        }
        task.count_shuffle_written(records);
        Box::new(buckets)
    }
    fn accept(&self, split: usize, output: TaskOutput) -> bool {
        let buckets: Box<Vec<W::Bucket>> = output.downcast().expect("the output of this shuffle's own map task");
        self.outputs.accept(split, *buckets)
    }
    fn missing(&self) -> Vec<usize> {
        self.outputs.missing()
    }
    fn discard(&self, split: usize) {
        self.outputs.discard(split);
    }
    fn reduce_len(&self, reduce: usize) -> u64 {
        self.outputs.sum(reduce, &|bucket| self.side.len(bucket))
    }
    fn set_single_use(&self, single_use: bool) {
        self.outputs.set_single_use(single_use);
    }
}
