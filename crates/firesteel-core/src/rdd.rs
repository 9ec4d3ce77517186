//! The RDD: an immutable, partitioned, lazily computed collection that knows how it was made.

use crate::block::{Blocks, Iterated};
use crate::lineage::Lineage;
use crate::task::TaskContext;

/// What can be kept, cloned and shared between threads: records that are persisted, shuffled or broadcast.
///
/// Implemented for every type that fits; never implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept or shared between executors",
    note = "derive `Clone` and use owned, thread-safe fields (`Arc` instead of `Rc`, `String` instead of `&str`)"
)]
pub trait Data: Clone + Send + Sync + 'static {}
impl<T: Clone + Send + Sync + 'static> Data for T {}

/// What can cross a shuffle: data that can also be written to disk or to another process.
///
/// A `&'static str` cannot: read back, it would have to borrow from something that lives forever. Of that the compiler
/// says that "`Deserialize` is not general enough"; the way out is `to_owned`.
///
/// Implemented for every type that fits; never implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross a shuffle",
    note = "derive `Clone`, `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Exchange: Data + serde::Serialize + serde::de::DeserializeOwned {}
impl<T: Data + serde::Serialize + serde::de::DeserializeOwned> Exchange for T {}

/// What records can be grouped by.
///
/// Implemented for every type that fits; never implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    note = "derive `Hash`, `PartialEq`, `Eq`, `Clone`, `serde::Serialize` and `serde::Deserialize` for it; \
            a floating-point number is no key: round it to an integer first"
)]
pub trait Key: Exchange + Eq + std::hash::Hash {}
impl<T: Exchange + Eq + std::hash::Hash> Key for T {}

/// The records of a partition, behind one type: what functions over whole partitions take and return.
pub type Records<'a, T> = Box<dyn Iterator<Item = T> + 'a>;

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
