//! Rows that have been decoded into columns.

use std::collections::VecDeque;
use std::ops::Range;

use arrow_array::{Array, RecordBatch, StructArray};

use crate::mismatch::Mismatch;
use crate::parquet::Settings;
use crate::parquet::column::{Column, Unreadable};
use crate::table::TableError;

/// Some rows, and their numbers.
pub(super) struct Batch {
    pub(super) columns: Column,
    rows: usize,
    /// The numbers of the rows, and the index of the first of each stretch.
    stretches: Vec<(usize, Range<u64>)>,
    stretch: usize,
    /// Which rows are wanted, unless all are.
    keep: Option<Vec<bool>>,
    next: usize,
}

impl Batch {
    /// The rows, which are the first of those that are coming.
    pub(super) fn of(batch: &RecordBatch, coming: &mut VecDeque<Range<u64>>) -> Result<Self, TableError> {
        let (rows, mut stretches, mut at) = (batch.num_rows(), Vec::new(), 0);
        while at < rows {
            let Some(range) = coming.front_mut() else {
                return Err(TableError::Damaged("a row group has more rows than it should".to_owned()));
            };
            let count = (range.end - range.start).min((rows - at) as u64);
            stretches.push((at, range.start..range.start + count));
            range.start += count;
            at += count as usize;
            if range.start == range.end {
                coming.pop_front();
            }
        }
        let columns = Column::of(&StructArray::from(batch.clone()) as &dyn Array);
        let columns =
            columns.map_err(|Unreadable(what)| TableError::Mismatch(Mismatch::new(format_args!("has {what}"))))?;
        Ok(Self { columns, rows, stretches, stretch: 0, keep: None, next: 0 })
    }

    /// Takes note of which rows are wanted.
    pub(super) fn filtered(mut self, settings: &Settings) -> Result<Self, TableError> {
        if let Some(condition) = &settings.filter {
            let keep = condition.keep(&self.columns, self.rows, settings.local_is_utc);
            self.keep = Some(keep.map_err(|reason| TableError::Mismatch(Mismatch::new(reason)))?);
        }
        Ok(self)
    }

    /// The number and the index of the next row at or after `from`, which is passed then.
    #[inline]
    pub(super) fn next(&mut self, from: u64) -> Option<(u64, usize)> {
        while self.next < self.rows {
            let index = self.next;
            let mut at = self.number(index);
            while at.is_none() {
                self.stretch += 1;
                at = self.number(index);
            }
            self.next += 1;
            let at = at?;
            if at >= from && self.keep.as_ref().is_none_or(|keep| keep[index]) {
                return Some((at, index));
            }
        }
        None
    }

    /// The number after that of its last row.
    pub(super) fn end(&self) -> u64 {
        self.stretches.last().map_or(0, |(_, range)| range.end)
    }

    /// The row that was given last is not passed after all.
    pub(super) fn back(&mut self) {
        self.next -= 1;
    }

    #[inline]
    fn number(&self, index: usize) -> Option<u64> {
        let (begin, range) = self.stretches.get(self.stretch)?;
        let at = range.start + (index - begin) as u64;
        (at < range.end).then_some(at)
    }
}
