//! How many records go from each operator of a program to the next.

use std::cell::RefCell;

use firesteel_window::Aggregator;

use crate::task::accumulator::Accumulator;

/// Adds up rows by operator, the operators numbered from 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowCounts;

impl Aggregator<Vec<u64>> for RowCounts {
    type Acc = Vec<u64>;
    type Out = Vec<u64>;

    fn create(&self) -> Vec<u64> {
        Vec::new()
    }
    fn add(&self, all: &mut Vec<u64>, mut rows: Vec<u64>) {
        if all.len() < rows.len() {
            std::mem::swap(all, &mut rows);
        }
        all.iter_mut().zip(rows).for_each(|(sum, rows)| *sum += rows);
    }
    fn merge(&self, all: &mut Vec<u64>, rows: Vec<u64>) {
        self.add(all, rows);
    }
    fn finish(&self, all: &Vec<u64>) -> Vec<u64> {
        all.clone()
    }
    fn finish_owned(&self, all: Vec<u64>) -> Vec<u64> {
        all
    }
}

/// What counts the rows of a program's operators.
pub type Rows = Accumulator<Vec<u64>, RowCounts>;

/// Where the records of one operator are counted.
#[derive(Clone)]
pub(crate) struct RowCounter {
    pub(crate) rows: Rows,
    pub(crate) operator: usize,
}

/// What one attempt has counted, on its way into an accumulator: adding to that costs more than an operator's share of a
/// small batch may.
#[derive(Default)]
pub(crate) struct Counting(RefCell<Option<(Rows, Vec<u64>)>>);

impl Counting {
    pub(crate) fn count(&self, RowCounter { rows: of, operator }: &RowCounter, rows: u64) {
        let mut counting = self.0.borrow_mut();
        if counting.as_ref().is_some_and(|(target, _)| !target.is_same(of)) {
            drop(counting);
            self.add_up();
            counting = self.0.borrow_mut();
        }
        let (_, counts) = counting.get_or_insert_with(|| (of.clone(), Vec::with_capacity(operator + 8)));
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
