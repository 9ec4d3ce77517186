//! The RDD: an immutable, partitioned, lazily computed collection that knows how it was made.

mod context;
mod job;
mod lineage;
mod long;

use crate::block::{Blocks, Iterated, Open};
use crate::task::TaskContext;

pub use context::{Context, Settings};
pub use job::{Job, JobOptions, JobOutput, JobRunner, Work};
pub use lineage::{Dependency, Lineage, Location, Node, ShuffleDependency, to_debug_string};
pub use long::STACK_SIZE;
pub(crate) use long::{Beyond, LONGEST, NoRecords};

/// A resilient distributed dataset.
///
/// The five properties of the RDD paper (Zaharia et al., NSDI 2012) are its partitions, its dependencies, its
/// partitioner and its preferred locations, all in [`Lineage`], and the [`compute`](Self::compute) function here.
///
/// Operators nest statically, as those of [`Iterator`] do: a whole stage compiles to one loop. The operators are in
/// [`RddOps`](crate::RddOps) and [`PairOps`](crate::PairOps), the actions in [`Actions`](crate::Actions). A clone is
/// cheap and shares everything.
#[diagnostic::on_unimplemented(message = "`{Self}` is not an RDD")]
pub trait Rdd: Lineage + Clone {
    /// A record.
    type Item: Send + 'static;

    /// The records of one partition, computed from the parents' partitions.
    ///
    /// Called in a task; the same partition always yields the same records in the same order. Failures leave through
    /// [`TaskContext::fail`], so that nothing downstream ever takes a cut-off partition for a whole one.
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a;

    /// The same records in blocks, for steps whose type is hidden. Overridden where blocks can be filled faster than
    /// record by record.
    fn blocks<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<Self::Item> + 'a> {
        Box::new(Iterated::new(self.compute(split, task), task))
    }
}

impl<R: Rdd> Open<R::Item> for R {
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<R::Item> + 'a> {
        self.blocks(split, task)
    }
}
