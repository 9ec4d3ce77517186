//! The records that come to a step.

use crate::block::{Blocks, Choose};
use crate::task::{RowCounter, TaskContext};

/// The records that come to a step: those of the operator before it, counted block by block.
pub struct Upstream<'a, T> {
    blocks: Box<dyn Blocks<T> + 'a>,
    counter: Option<(&'a RowCounter, &'a TaskContext)>,
    rows: u64,
}

impl<'a, T> Upstream<'a, T> {
    pub(crate) fn new(blocks: Box<dyn Blocks<T> + 'a>, counter: Option<&'a RowCounter>, task: &'a TaskContext) -> Self {
        Self { blocks, counter: counter.map(|counter| (counter, task)), rows: 0 }
    }
}

impl<'a, T> From<Box<dyn Blocks<T> + 'a>> for Upstream<'a, T> {
    /// The records, counted nowhere.
    fn from(blocks: Box<dyn Blocks<T> + 'a>) -> Self {
        Self { blocks, counter: None, rows: 0 }
    }
}

impl<T> Blocks<T> for Upstream<'_, T> {
    fn next(&mut self) -> Option<T> {
        let record = self.blocks.next();
        self.rows += u64::from(record.is_some());
        record
    }

    fn fill(&mut self, block: &mut Vec<T>) -> bool {
        let before = block.len();
        let more = self.blocks.fill(block);
        self.rows += (block.len() - before) as u64;
        more
    }

    fn fill_chosen(&mut self, choose: &mut Choose<'_, T>, block: &mut Vec<T>) -> Option<bool> {
        let rows = &mut self.rows;
        let mut counted = |records: &[T], picked: &mut [u32]| {
            *rows += records.len() as u64;
            choose(records, picked)
        };
        self.blocks.fill_chosen(&mut counted, block)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.blocks.size_hint()
    }
}

/// An attempt that fails counts for nothing: its task drops what was counted.
impl<T> Drop for Upstream<'_, T> {
    fn drop(&mut self) {
        if let Some((counter, task)) = self.counter
            && self.rows > 0
            && !std::thread::panicking()
        {
            task.rows().count(counter, self.rows);
        }
    }
}
