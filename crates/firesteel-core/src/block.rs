//! Records in blocks: what goes from one step to the next where the type of a step is hidden.
//!
//! Between steps whose types are known, records flow one by one, and a whole stage becomes one loop. Behind a hidden type
//! each record would cost a virtual call. So records are handed on in blocks: a call per block, a tight loop within it.
//! Where each record has to be taken alone, because it is guarded against panics or somebody wants to know its position,
//! they come one by one all the same ([`TaskContext::is_stepwise`]).

mod spare;

use std::sync::Arc;

use crate::operator::Operator;
use crate::rdd::Rdd;
use crate::rows::Upstream;
use crate::task::TaskContext;

pub use spare::Spare;

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
        parent: Upstream<'a, T>,
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
        parent: Upstream<'a, T>,
        operator: &'a Operator,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<U> + 'a> {
        Box::new(Mapped { parent, f: &self.0, operator, task, input: Spare::new() })
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
        parent: Upstream<'a, T>,
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
        parent: Upstream<'a, T>,
        operator: &'a Operator,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<I::Item> + 'a> {
        let (input, left) = (Spare::new(), Spare::new());
        Box::new(FlatMapped { parent, f: &self.0, current: None, operator, task, input, left, ended: false })
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
struct Mapped<'a, T: 'static, F> {
    parent: Upstream<'a, T>,
    f: &'a F,
    operator: &'a Operator,
    task: &'a TaskContext,
    input: Spare<T>,
}

impl<T: 'static, U, F: Fn(T) -> U> Blocks<U> for Mapped<'_, T, F> {
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

/// Picks the records for which `f` holds. No branch of the loop depends on what `f` finds.
fn pick<T>(records: &[T], picked: &mut [u32], f: &impl Fn(&T) -> bool) -> usize {
    let mut count = 0;
    for (at, record) in records.iter().enumerate() {
        picked[count] = at as u32;
        count += usize::from(f(record));
    }
    count
}

/// The records for which a function holds.
struct Filtered<'a, T, F> {
    parent: Upstream<'a, T>,
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
        let mut choose = |records: &[T], picked: &mut [u32]| task.blame_on(operator, || pick(records, picked, f));
        parent.fill_chosen(&mut choose, block).unwrap_or_else(|| {
            let more = parent.fill(block);
            task.blame_on(operator, || keep(block, f));
            more
        })
    }
}

/// Any number of records for each.
struct FlatMapped<'a, T: 'static, I, F> {
    parent: Upstream<'a, T>,
    f: &'a F,
    /// What is left of the records of one.
    current: Option<I>,
    operator: &'a Operator,
    task: &'a TaskContext,
    input: Spare<T>,
    /// What is left of the block before, the next record last.
    left: Spare<T>,
    ended: bool,
}

impl<T: 'static, U, I: Iterator<Item = U>, F: Fn(T) -> I> FlatMapped<'_, T, I, F> {
    /// Moves to `block` what the records of one block become, as far as there is room.
    fn flatten(&mut self, block: &mut Vec<U>) {
        let room = block_len::<U>();
        let mut current = self.current.take().or_else(|| self.left.pop().map(self.f));
        while let Some(mut made) = current {
            if fill_up(block, room, &mut made) {
                self.current = Some(made);
                return;
            }
            current = self.left.pop().map(self.f);
        }
        block.reserve(self.input.len());
        let mut records = self.input.drain(..);
        while let Some(record) = records.next() {
            let mut made = (self.f)(record);
            // Most functions make few records, and say so: then there is nothing to be looked at after each.
            if made.size_hint().1.is_some_and(|most| most < room - block.len()) {
                made.for_each(|record| block.push(record));
            } else if fill_up(block, room, &mut made) {
                self.current = Some(made);
                self.left.extend(records.rev());
                return;
            }
        }
    }
}

/// Moves records to `block` until they end or it has `room` of them, and says which.
#[inline]
fn fill_up<U>(block: &mut Vec<U>, room: usize, records: &mut impl Iterator<Item = U>) -> bool {
    for record in records {
        block.push(record);
        if block.len() >= room {
            return true;
        }
    }
    false
}

impl<T: 'static, U, I: Iterator<Item = U>, F: Fn(T) -> I> Blocks<U> for FlatMapped<'_, T, I, F> {
    fn next(&mut self) -> Option<U> {
        let Self { parent, f, current, operator, task, left, .. } = self;
        loop {
            if let Some(made) = current
                && let Some(record) = task.blame_on(operator, || made.next())
            {
                return Some(record);
            }
            *current = None;
            let record = left.pop().or_else(|| parent.next())?;
            *current = Some(task.blame_on(operator, || f(record)));
        }
    }

    fn fill(&mut self, block: &mut Vec<U>) -> bool {
        // What comes out of one block that goes in is of one split.
        if self.current.is_none() && self.left.is_empty() {
            if self.ended {
                return false;
            }
            self.ended = !self.parent.fill(&mut self.input);
        }
        let (task, operator) = (self.task, self.operator);
        task.blame_on(operator, || self.flatten(block));
        !self.ended || self.current.is_some() || !self.left.is_empty()
    }
}

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
