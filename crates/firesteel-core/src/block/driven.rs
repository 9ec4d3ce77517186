//! Where blocks end and a chain of known types begins.

use crate::block::{Blocks, Spare, Upstream};
use crate::task::TaskContext;

/// The records of a partition behind a hidden type, as an iterator.
pub struct Driven<'a, T: 'static> {
    blocks: Upstream<'a, T>,
    task: &'a TaskContext,
    /// What is left of the block that was begun, the next record last.
    left: Spare<T>,
    ended: bool,
}

impl<'a, T: 'static> Driven<'a, T> {
    /// The records of `blocks`, on behalf of a task.
    pub fn new(blocks: impl Into<Upstream<'a, T>>, task: &'a TaskContext) -> Self {
        Self { blocks: blocks.into(), task, left: Spare::new(), ended: false }
    }

    /// Hands block after block to `each`, which takes the records out. Not for tasks that are
    /// [stepwise](TaskContext::is_stepwise), nor after records have been taken one by one.
    pub fn for_each_block(self, mut each: impl FnMut(&mut Vec<T>)) {
        let Self { mut blocks, task, left: mut block, mut ended } = self;
        task.enter_blocks();
        while !ended {
            ended = !blocks.fill(&mut block);
            each(&mut block);
        }
    }

    /// Begins the next block. `false` says that there is none.
    fn refill(&mut self) -> bool {
        while self.left.is_empty() {
            if self.ended {
                return false;
            }
            self.task.enter_blocks();
            self.ended = !self.blocks.fill(&mut self.left);
            self.left.reverse();
        }
        true
    }
}

impl<T: 'static> Iterator for Driven<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if let Some(record) = self.left.pop() {
            return Some(record);
        }
        if self.task.is_stepwise() {
            return self.blocks.next();
        }
        if self.refill() { self.left.pop() } else { None }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let queued = self.left.len();
        if self.ended {
            return (queued, Some(queued));
        }
        let (least, most) = self.blocks.size_hint();
        (least.saturating_add(queued), most.and_then(|most| most.checked_add(queued)))
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, mut each: F) -> B {
        let Self { mut blocks, task, left: mut block, mut ended } = self;
        let mut acc = start;
        block.reverse();
        let is_stepwise = task.is_stepwise();
        if !is_stepwise {
            task.enter_blocks();
        }
        // One call of `each`, so that the loop takes it in whole.
        loop {
            for record in block.drain(..) {
                acc = each(acc, record);
            }
            if ended {
                return acc;
            }
            if is_stepwise {
                block.extend(blocks.next());
                ended = block.is_empty();
            } else {
                ended = !blocks.fill(&mut block);
            }
        }
    }
}
