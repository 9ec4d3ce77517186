//! Shuffles: moving records to the partition that their key belongs to.
//!
//! The map side of a shuffle is a task per partition of the parent; it leaves one *bucket* per partition of the
//! reduce side. Buckets stay typed: between threads nothing is serialized and, in a single-use shuffle, nothing
//! cloned. Map outputs are kept in map order, so that what a reduce partition reads never depends on the timing.

mod chunk;
mod combine;
mod exchange;
mod growing;
mod index;
mod outputs;
mod reader;
mod route;
mod table;

use crate::lineage::Lineage;
use crate::task::{TaskContext, TaskOutput};

pub use chunk::Chunk;
pub use combine::{CombineSide, Combined};
pub use exchange::{MapSide, Shuffle};
pub use outputs::{Fetched, MapOutputs};
pub use reader::CombineReader;
pub use route::{ByKey, Route, RouteSide};
pub use table::KeyedTable;

/// The number of a shuffle, unique within its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShuffleId(pub(crate) u64);

impl ShuffleId {
    /// The bare number, as it appears in events and errors.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// A shuffle as the scheduler sees it.
pub trait ShuffleDependency: Send + Sync + 'static {
    /// The shuffle's number.
    fn id(&self) -> ShuffleId;

    /// The RDD on the map side.
    fn parent(&self) -> &dyn Lineage;

    /// Partitions on the map side.
    fn num_maps(&self) -> usize;

    /// Partitions on the reduce side.
    fn num_reduces(&self) -> usize;

    /// Computes a partition of the parent and sorts it into buckets. Runs in a task.
    fn run_map(&self, split: usize, task: &TaskContext) -> TaskOutput;

    /// Takes what [`run_map`](Self::run_map) left. Returns whether that partition came in for the first time: only
    /// then does what its task counted count.
    fn accept(&self, split: usize, output: TaskOutput) -> bool;

    /// The map partitions whose output is not there, or not there any more.
    fn missing(&self) -> Vec<usize>;

    /// Forgets the output of a map partition, because some of it could not be read.
    fn discard(&self, split: usize);

    /// How many records a reduce partition will read.
    fn reduce_len(&self, reduce: usize) -> u64;

    /// Whether each bucket is read only once and may be moved out.
    fn set_single_use(&self, single_use: bool);
}
