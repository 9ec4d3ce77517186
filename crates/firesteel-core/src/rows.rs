//! How many records go from each operator of a program to the next.

use std::cell::RefCell;

use crate::accumulator::{Accumulate, Accumulator};
use crate::block::{Blocks, Choose};
use crate::task::TaskContext;

/// Records by operator, the operators numbered from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows(Vec<u64>);

impl Rows {
    /// Those that the operator of this number has handed on.
    #[must_use]
    pub fn of(&self, operator: usize) -> u64 {
        self.0.get(operator).copied().unwrap_or_default()
    }
}

impl Accumulate for Rows {
    type Item = Self;
    fn zero() -> Self {
        Self::default()
    }
    fn add(&mut self, rows: Self) {
        let (longer, shorter) = if self.0.len() < rows.0.len() {
            (rows.0, std::mem::take(&mut self.0))
        } else {
            (std::mem::take(&mut self.0), rows.0)
        };
        self.0 = longer;
        self.0.iter_mut().zip(shorter).for_each(|(sum, rows)| *sum += rows);
    }
    fn merge(&mut self, _: usize, other: Self) {
        self.add(other);
    }
}

/// Where the records of one operator are counted.
#[derive(Clone)]
pub(crate) struct RowCounter {
    pub(crate) rows: Accumulator<Rows>,
    pub(crate) operator: usize,
}

/// What one attempt has counted, on its way into an accumulator: adding to that costs more than an operator's share of a
/// small batch may.
#[derive(Default)]
pub(crate) struct Counting(RefCell<Option<(Accumulator<Rows>, Rows)>>);

impl Counting {
    fn count(&self, RowCounter { rows: of, operator }: &RowCounter, rows: u64) {
        let mut counting = self.0.borrow_mut();
        if counting.as_ref().is_some_and(|(target, _)| !target.is_same(of)) {
            drop(counting);
            self.add_up();
            counting = self.0.borrow_mut();
        }
        let (_, Rows(counts)) = counting.get_or_insert_with(|| (of.clone(), Rows(Vec::with_capacity(operator + 8))));
        if counts.len() <= *operator {
            counts.resize(operator + 1, 0);
        }
        counts[*operator] += rows;
    }

    /// Adds to the accumulator what was counted since the last time.
    pub(crate) fn add_up(&self) {
        if let Some((target, rows)) = self.0.take() {
            target.add(rows);
        }
    }
}

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
