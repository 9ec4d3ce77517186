//! Records in blocks: what goes from one step to the next where the type of a step is hidden.
//!
//! Between steps whose types are known, records flow one by one, and a whole stage becomes one loop. Behind a hidden type
//! each record would cost a virtual call. So records are handed on in blocks: a call per block, a tight loop within it.
//! Where each record has to be taken alone, because it is guarded against panics or somebody wants to know its position,
//! they come one by one all the same ([`TaskContext::is_stepwise`]).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::operator::Operator;
use crate::rdd::Rdd;
use crate::task::TaskContext;

/// The records of a partition as a step hands them on.
pub trait Blocks<T> {
    /// The next record alone.
    fn next(&mut self) -> Option<T>;

    /// Puts the next records into `block`, which is empty; `false` says that none are left after these. A block holds
    /// records of one split of a source only, and may be empty.
    fn fill(&mut self, block: &mut Vec<T>) -> bool;

    /// How many records are left, as an iterator tells it.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, None)
    }
}

/// How the records of a partition are had.
pub trait Open<T>: Send + Sync + 'static {
    /// The records of the partition `split`, on behalf of a task.
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<T> + 'a>;
}

impl<R: Rdd> Open<R::Item> for R {
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<R::Item> + 'a> {
        self.blocks(split, task)
    }
}

/// What an operator does to the records of a partition.
///
/// This, and no more, is compiled for each operator of a stream.
pub trait Step<T, U>: Send + Sync + 'static {
    /// The records that `parent`'s become.
    fn open<'a>(
        &'a self,
        parent: Box<dyn Blocks<T> + 'a>,
        operator: &'a Operator,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<U> + 'a>;

    /// Whether it needs to know the position of each record.
    fn wants_positions(&self) -> bool {
        false
    }
}

/// Each record as a function makes it.
pub struct MapStep<F>(pub F);

impl<T, U, F> Step<T, U> for MapStep<F>
where
    T: 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Box<dyn Blocks<T> + 'a>,
        operator: &'a Operator,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<U> + 'a> {
        Box::new(Mapped { parent, f: &self.0, operator, task, input: Vec::new() })
    }
}

/// The records for which a function holds.
pub struct FilterStep<F>(pub F);

impl<T, F> Step<T, T> for FilterStep<F>
where
    T: 'static,
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Box<dyn Blocks<T> + 'a>,
        operator: &'a Operator,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<T> + 'a> {
        Box::new(Filtered { parent, f: &self.0, operator, task })
    }
}

/// Any number of records for each.
pub struct FlatMapStep<F>(pub F);

impl<T, I, F> Step<T, I::Item> for FlatMapStep<F>
where
    T: 'static,
    I: Iterator + 'static,
    F: Fn(T) -> I + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Box<dyn Blocks<T> + 'a>,
        operator: &'a Operator,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<I::Item> + 'a> {
        let parent = Driven::new(parent, task);
        Box::new(FlatMapped { parent, f: &self.0, current: None, operator, task })
    }
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

/// The steps that an iterator stands for, as one: where a chain of known types ends.
pub struct Iterated<'a, T, I> {
    records: I,
    task: &'a TaskContext,
    /// The split that the records of the current block come from.
    origin: Option<u32>,
    /// A record that is the first of another split, and that split.
    held: Option<(T, Origin)>,
}

/// A split of a source: its name and its number.
type Origin = (Option<Arc<str>>, u32);

impl<'a, T, I: Iterator<Item = T>> Iterated<'a, T, I> {
    /// The records of an iterator.
    pub fn new(records: I, task: &'a TaskContext) -> Self {
        Self { records, task, origin: None, held: None }
    }

    fn take_held(&mut self) -> Option<T> {
        let (record, (name, number)) = self.held.take()?;
        self.task.set_origin(name, number);
        self.origin = Some(number);
        Some(record)
    }
}

impl<T, I: Iterator<Item = T>> Blocks<T> for Iterated<'_, T, I> {
    fn next(&mut self) -> Option<T> {
        if self.held.is_some() {
            return self.take_held();
        }
        self.records.next()
    }

    fn fill(&mut self, block: &mut Vec<T>) -> bool {
        block.extend(self.take_held());
        let room = block_len::<T>();
        let first = self.records.size_hint().1.map_or(64, |most| most.min(room));
        block.reserve(first);
        let (task, before) = (self.task, block.len());
        let mut changed = None;
        // The number is looked at after each record: most iterators read one split only, and this costs them nothing.
        let name = task.origin();
        let number = *self.origin.get_or_insert_with(|| task.origin_number());
        for record in self.records.by_ref().take(room - before) {
            if task.origin_number() != number {
                changed = Some(record);
                break;
            }
            block.push(record);
        }
        if let Some(record) = changed {
            self.held = Some((record, (task.origin(), task.origin_number())));
            if block.is_empty() {
                block.extend(self.take_held());
            } else {
                task.set_origin(name, number);
            }
            return true;
        }
        block.len() == room
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

/// A function over each record.
struct Mapped<'a, T, F> {
    parent: Box<dyn Blocks<T> + 'a>,
    f: &'a F,
    operator: &'a Operator,
    task: &'a TaskContext,
    input: Vec<T>,
}

impl<T, U, F: Fn(T) -> U> Blocks<U> for Mapped<'_, T, F> {
    fn next(&mut self) -> Option<U> {
        let record = self.parent.next()?;
        Some(self.task.blame_on(self.operator, || (self.f)(record)))
    }

    fn fill(&mut self, block: &mut Vec<U>) -> bool {
        let Self { parent, f, operator, task, input } = self;
        let more = parent.fill(input);
        task.blame_on(operator, || block.extend(input.drain(..).map(*f)));
        more
    }
}

/// Keeps the records for which `f` holds, in their order.
fn keep<T>(block: &mut Vec<T>, f: &impl Fn(&T) -> bool) {
    if size_of::<T>() > 32 {
        block.retain(|record| f(record));
        return;
    }
    // Small records are moved whether they are kept or not: no branch of the loop depends on what `f` finds.
    let mut kept = 0;
    for at in 0..block.len() {
        let is_kept = f(&block[at]);
        block.swap(kept, at);
        kept += usize::from(is_kept);
    }
    block.truncate(kept);
}

/// The records for which a function holds.
struct Filtered<'a, T, F> {
    parent: Box<dyn Blocks<T> + 'a>,
    f: &'a F,
    operator: &'a Operator,
    task: &'a TaskContext,
}

impl<T, F: Fn(&T) -> bool> Blocks<T> for Filtered<'_, T, F> {
    fn next(&mut self) -> Option<T> {
        let Self { parent, f, operator, task } = self;
        loop {
            let record = parent.next()?;
            if task.blame_on(operator, || f(&record)) {
                return Some(record);
            }
        }
    }

    fn fill(&mut self, block: &mut Vec<T>) -> bool {
        let Self { parent, f, operator, task } = self;
        let more = parent.fill(block);
        task.blame_on(operator, || keep(block, f));
        more
    }
}

/// Any number of records for each.
struct FlatMapped<'a, T, I, F> {
    parent: Driven<'a, T>,
    f: &'a F,
    current: Option<I>,
    operator: &'a Operator,
    task: &'a TaskContext,
}

impl<T, U, I: Iterator<Item = U>, F: Fn(T) -> I> FlatMapped<'_, T, I, F> {
    /// Enters the next record, or says that there is none; with `within_block`, none beyond the block that has begun.
    fn enter(&mut self, within_block: bool) -> bool {
        let Self { parent, f, current, operator, task } = self;
        if within_block && parent.is_between_blocks() {
            return false;
        }
        let Some(record) = parent.next() else { return false };
        *current = Some(task.blame_on(operator, || f(record)));
        true
    }
}

impl<T, U, I: Iterator<Item = U>, F: Fn(T) -> I> Blocks<U> for FlatMapped<'_, T, I, F> {
    fn next(&mut self) -> Option<U> {
        loop {
            if let Some(made) = self.current.as_mut().and_then(Iterator::next) {
                return Some(made);
            }
            self.current = None;
            if !self.enter(false) {
                return None;
            }
        }
    }

    fn fill(&mut self, block: &mut Vec<U>) -> bool {
        let room = block_len::<U>();
        loop {
            if let Some(current) = &mut self.current {
                for made in current.by_ref() {
                    block.push(made);
                    if block.len() >= room {
                        return true;
                    }
                }
                self.current = None;
            }
            // What comes out stems from one block of what goes in, and so from one split.
            if !self.enter(!block.is_empty()) {
                return !block.is_empty();
            }
        }
    }
}

/// The records of a partition behind a hidden type, as an iterator.
pub(crate) struct Driven<'a, T> {
    blocks: Box<dyn Blocks<T> + 'a>,
    task: &'a TaskContext,
    /// What is left of the block that was begun.
    queue: VecDeque<T>,
    ended: bool,
}

impl<'a, T> Driven<'a, T> {
    pub(crate) fn new(blocks: Box<dyn Blocks<T> + 'a>, task: &'a TaskContext) -> Self {
        Self { blocks, task, queue: VecDeque::new(), ended: false }
    }

    /// Whether the next record begins another block.
    pub(crate) fn is_between_blocks(&self) -> bool {
        self.queue.is_empty()
    }

    /// Begins the next block. `false` says that there is none.
    fn refill(&mut self) -> bool {
        while self.queue.is_empty() {
            if self.ended {
                return false;
            }
            self.task.enter_blocks();
            let mut block = Vec::from(std::mem::take(&mut self.queue));
            self.ended = !self.blocks.fill(&mut block);
            self.queue = block.into();
        }
        true
    }
}

impl<T> Iterator for Driven<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if let Some(record) = self.queue.pop_front() {
            return Some(record);
        }
        if self.task.is_stepwise() {
            return self.blocks.next();
        }
        if self.refill() { self.queue.pop_front() } else { None }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let queued = self.queue.len();
        if self.ended {
            return (queued, Some(queued));
        }
        let (least, most) = self.blocks.size_hint();
        (least.saturating_add(queued), most.and_then(|most| most.checked_add(queued)))
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, mut each: F) -> B {
        let Self { mut blocks, task, queue, mut ended } = self;
        let mut acc = start;
        let mut block = Vec::from(queue);
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
