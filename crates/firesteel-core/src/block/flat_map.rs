//! `flat_map`: any number of records for each.

use crate::block::{Blocks, Pace, Spare, Step, StepContext, Upstream, block_len};

/// Any number of records for each.
pub struct FlatMapStep<F> {
    f: F,
    pace: Pace,
}

impl<F> FlatMapStep<F> {
    /// The step of this function.
    pub fn new(f: F) -> Self {
        Self { f, pace: Pace::default() }
    }
}

impl<T, I, F> Step<T, I::Item> for FlatMapStep<F>
where
    T: Send + 'static,
    I: Iterator<Item: Send + 'static> + 'static,
    F: Fn(T) -> I + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Upstream<'a, T>,
        context: StepContext<'a, T, I::Item>,
    ) -> Box<dyn Blocks<I::Item> + 'a> {
        let (input, left, made) = (Spare::new(), Spare::new(), Vec::new());
        Box::new(FlatMapped { parent, step: self, current: None, context, input, left, made, ended: false })
    }
}

/// Any number of records for each.
struct FlatMapped<'a, T: 'static, I: Iterator, F> {
    parent: Upstream<'a, T>,
    step: &'a FlatMapStep<F>,
    /// What is left of the records of one.
    current: Option<I>,
    context: StepContext<'a, T, I::Item>,
    input: Spare<T>,
    /// What is left of the block before, the next record last.
    left: Spare<T>,
    /// What a slow function made of a block, the next record last.
    made: Vec<I::Item>,
    ended: bool,
}

impl<T, U, I, F> FlatMapped<'_, T, I, F>
where
    T: Send + 'static,
    U: Send + 'static,
    I: Iterator<Item = U>,
    F: Fn(T) -> I + Send + Sync + 'static,
{
    /// Moves to `block` what was made together with others, as far as there is room.
    fn hand_on(&mut self, block: &mut Vec<U>) {
        let kept = self.made.len().saturating_sub(block_len::<U>());
        block.extend(self.made.drain(kept..).rev());
    }

    fn has_more(&self) -> bool {
        !self.ended || self.current.is_some() || !self.left.is_empty() || !self.made.is_empty()
    }

    /// Moves to `block` what the records of one block become, as far as there is room: at least for one of each.
    fn flatten(&mut self, block: &mut Vec<U>) {
        let (room, f) = (block_len::<U>().max(self.input.len()), &self.step.f);
        loop {
            let mut made = if let Some(made) = self.current.take() {
                made
            } else if let Some(record) = self.left.pop() {
                f(record)
            } else {
                break;
            };
            if fill_up(block, room, &mut made) {
                self.current = Some(made);
                return;
            }
        }
        let mut records = self.input.drain(..);
        while let Some(record) = records.next() {
            let mut made = f(record);
            // Most functions make few records, and say so: then there is nothing to be looked at after each.
            if made.size_hint().1.is_some_and(|most| most <= room - block.len()) {
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

impl<T, U, I, F> Blocks<U> for FlatMapped<'_, T, I, F>
where
    T: Send + 'static,
    U: Send + 'static,
    I: Iterator<Item = U>,
    F: Fn(T) -> I + Send + Sync + 'static,
{
    fn next(&mut self) -> Option<U> {
        let Self { parent, step: FlatMapStep { f, .. }, current, context, left, made, .. } = self;
        if let Some(record) = made.pop() {
            return Some(record);
        }
        loop {
            if let Some(made) = current
                && let Some(record) = context.blame(|| made.next())
            {
                return Some(record);
            }
            *current = None;
            let record = if let Some(record) = left.pop() { record } else { parent.next()? };
            *current = Some(context.blame(|| f(record)));
        }
    }

    fn fill(&mut self, block: &mut Vec<U>) -> bool {
        let (FlatMapStep { pace, .. }, context) = (self.step, self.context);
        // What comes out of one block that goes in is of one split.
        if self.current.is_none() && self.left.is_empty() && self.made.is_empty() {
            if self.ended {
                return false;
            }
            self.ended = !self.parent.fill(&mut self.input);
            let records = self.input.len();
            let Some(watch) = pace.in_one_go(context.task, records) else {
                context.in_pieces(pace, &mut self.input, &mut self.made);
                self.made.reverse();
                self.hand_on(block);
                return self.has_more();
            };
            context.blame(|| self.flatten(block));
            if self.current.is_none() && self.left.is_empty() {
                pace.learn(watch, context.task, records);
            }
        } else if self.made.is_empty() {
            context.blame(|| self.flatten(block));
        } else {
            self.hand_on(block);
        }
        self.has_more()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::block::Iterated;
    use crate::operator::Operator;
    use crate::task::{TaskContext, TaskIdentity};

    fn task() -> TaskContext {
        let identity = TaskIdentity { job: 0, stage: 0, partition: 0, attempt: 0 };
        TaskContext::new(identity, false, Arc::new(AtomicBool::new(false)))
    }

    /// The blocks that `flat_map` makes of the numbers up to `count`, each as often as `times` says.
    fn blocks(count: u64, times: impl Fn(u64) -> usize + Send + Sync + 'static) -> Vec<Vec<u64>> {
        let (task, operator) = (task(), Operator::here("flat_map"));
        let step: Arc<dyn Step<u64, u64>> = Arc::new(FlatMapStep::new(move |n: u64| std::iter::repeat_n(n, times(n))));
        let parent: Box<dyn Blocks<u64>> = Box::new(Iterated::new(0..count, &task));
        let mut records = StepContext::open(&step, &operator, &task, parent.into());
        let mut blocks = Vec::new();
        loop {
            let mut block = Vec::new();
            let more = records.fill(&mut block);
            blocks.push(block);
            if !more {
                return blocks;
            }
        }
    }

    #[test]
    fn blocks_are_bounded_and_hold_everything_in_order_whatever_a_record_becomes() {
        let times: [fn(u64) -> usize; 5] = [
            |_| 0,
            |_| 1,
            |n| (n % 3) as usize,
            |n| if n == 700 { 10_000 } else { 1 },
            |n| if n.is_multiple_of(2) { 900 } else { 0 },
        ];
        for times in times {
            let made = blocks(3_000, times);
            assert!(made.iter().all(|block| block.len() <= block_len::<u64>()));
            let expected = (0..3_000).flat_map(|n| std::iter::repeat_n(n, times(n)));
            assert!(made.into_iter().flatten().eq(expected));
        }
    }

    #[test]
    fn a_block_stays_whole_where_each_record_becomes_a_larger_one() {
        let (task, operator) = (task(), Operator::here("flat_map"));
        let step: Arc<dyn Step<u64, [u64; 8]>> = Arc::new(FlatMapStep::new(|n: u64| Some([n; 8]).into_iter()));
        let parent: Box<dyn Blocks<u64>> = Box::new(Iterated::new(0..2_000, &task));
        let mut records = StepContext::open(&step, &operator, &task, parent.into());
        let mut block = Vec::new();
        assert!(records.fill(&mut block));
        assert!(block.len() == block_len::<u64>() && block.len() > block_len::<[u64; 8]>(), "{}", block.len());
        assert!(block.iter().map(|record| record[0]).eq(0..block.len() as u64));
    }

    #[test]
    fn records_are_taken_one_by_one_after_a_block() {
        let (task, operator) = (task(), Operator::here("flat_map"));
        let step: Arc<dyn Step<u64, u64>> = Arc::new(FlatMapStep::new(|n: u64| [n; 5].into_iter()));
        let parent: Box<dyn Blocks<u64>> = Box::new(Iterated::new(0..2_000, &task));
        let mut records = StepContext::open(&step, &operator, &task, parent.into());
        let mut found = Vec::new();
        assert!(records.fill(&mut found));
        while let Some(record) = records.next() {
            found.push(record);
        }
        assert!(found.into_iter().eq((0..2_000).flat_map(|n| [n; 5])));
    }
}
