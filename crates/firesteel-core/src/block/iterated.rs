//! Where a chain of known types ends and blocks begin.

use std::sync::Arc;

use crate::block::{Blocks, block_len};
use crate::task::TaskContext;

/// The steps that an iterator stands for, as one: where a chain of known types ends.
pub struct Iterated<'a, T, I> {
    records: I,
    /// What the records said of their number at first, and how many have come: to ask them again would be to ask all steps before.
    hint: (usize, Option<usize>),
    taken: usize,
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
        let hint = records.size_hint();
        Self { records, hint, taken: 0, task, origin: None, held: None }
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
        let record = self.records.next();
        self.taken += usize::from(record.is_some());
        record
    }

    fn fill(&mut self, block: &mut Vec<T>) -> bool {
        block.extend(self.take_held());
        let room = block_len::<T>();
        let first = self.size_hint().1.map_or(64, |most| most.min(room));
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
        self.taken += block.len() - before + usize::from(changed.is_some());
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
        let (least, most) = self.hint;
        (least.saturating_sub(self.taken), most.map(|most| most.saturating_sub(self.taken)))
    }
}
