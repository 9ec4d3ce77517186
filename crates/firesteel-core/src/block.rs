//! Records in blocks: what goes from one step to the next where the type of a step is hidden.
//!
//! Between steps whose types are known, records flow one by one, and a whole stage becomes one loop. Behind a hidden type
//! each record would cost a virtual call. So records are handed on in blocks: a call per block, a tight loop within it.
//! Where each record has to be taken alone, because it is guarded against panics or somebody wants to know its position,
//! they come one by one all the same ([`TaskContext::is_stepwise`]).
mod driven;
mod filter;
mod flat_map;
mod iterated;
mod map;
mod pace;
mod spare;
mod step;
mod upstream;

use crate::task::TaskContext;

pub use driven::Driven;
pub use filter::FilterStep;
pub use flat_map::FlatMapStep;
pub use iterated::Iterated;
pub use map::MapStep;
pub use pace::{Applied, Pace, Watch};
pub use spare::Spare;
pub use step::{Step, StepContext};
pub use upstream::Upstream;

/// The records of a partition as a step hands them on.
pub trait Blocks<T> {
    /// The next record alone.
    fn next(&mut self) -> Option<T>;

    /// Puts the next records into `block`, which is empty; `false` says that none are left after these. A block holds
    /// records of one split of a source only, and may be empty.
    fn fill(&mut self, block: &mut Vec<T>) -> bool;

    /// As [`fill`](Self::fill), but puts only those records into `block` that `choose` picks. `None` says that all have to
    /// be had for that, and that none has been taken.
    fn fill_chosen(&mut self, choose: &mut Choose<'_, T>, block: &mut Vec<T>) -> Option<bool> {
        let _ = (choose, block);
        None
    }

    /// How many records are left, as an iterator tells it.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, None)
    }
}

/// Picks records: writes the indices of those that are wanted, in their order, to the beginning of a list that is at least
/// as long as the records, and returns how many they are.
pub type Choose<'c, T> = dyn FnMut(&[T], &mut [u32]) -> usize + 'c;

/// How the records of a partition are had.
pub trait Open<T>: Send + Sync + 'static {
    /// The records of the partition `split`, on behalf of a task.
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<T> + 'a>;
}

/// How many records a block holds at most: so many that it stays in the first level of a processor's cache together with
/// the block it becomes.
pub const fn block_len<T>() -> usize {
    let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
    let len = 16_384 / size;
    if len > 1024 {
        1024
    } else if len < 32 {
        32
    } else {
        len
    }
}
