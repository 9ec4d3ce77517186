//! The rows of a range.

use std::fmt;

use firesteel_connect::{Payload, ReadRange};
use firesteel_formats::{Row, Table, TableError};

use crate::range::Fault;

/// Reads the rows of a range, within its limits.
pub struct RangeRows<T> {
    /// `None` when it was taken away.
    table: Option<Box<dyn Table<T>>>,
    rows: u64,
    stop: u64,
    records_left: u64,
    bytes_left: u64,
    position: u64,
    last: u64,
}

impl<T> RangeRows<T> {
    /// The rows of the range.
    #[must_use]
    pub fn new(table: Box<dyn Table<T>>, range: &ReadRange) -> Self {
        let rows = table.rows();
        Self {
            table: Some(table),
            rows,
            stop: range.to.unwrap_or(u64::MAX).min(rows),
            records_left: range.max_records.unwrap_or(u64::MAX),
            bytes_left: range.max_bytes.unwrap_or(u64::MAX).max(1),
            position: range.from,
            last: range.from,
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// What concerns the table and not one row; within, why there is none.
    pub fn next_record(&mut self) -> Result<Result<Option<T>, Fault>, TableError> {
        if self.records_left == 0 || self.bytes_left == 0 || self.position >= self.stop {
            return Ok(Ok(None));
        }
        let Some(table) = &mut self.table else { return Ok(Ok(None)) };
        let Some(Row { at, item }) = table.row(self.position, self.stop)? else {
            self.position = self.stop;
            return Ok(Ok(None));
        };
        (self.last, self.position) = (at, at + 1);
        self.records_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(table.bytes_per_row());
        Ok(item.map(Some).map_err(|refused| Fault::Record {
            reason: refused.undecodable.reason().to_owned(),
            payload: Payload::of(&refused.payload),
            begin: at,
        }))
    }

    /// How many rows the table has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The row after the last one that was handed out or passed over.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// That row.
    #[must_use]
    pub fn last_position(&self) -> u64 {
        self.last
    }

    /// Passes over rows that cannot be read: to this one, or the end of the range.
    pub fn pass(&mut self, to: u64) {
        self.position = self.position.max(to.min(self.stop));
    }

    /// Takes away the table, to read the next range from.
    pub fn take_table(&mut self) -> Option<Box<dyn Table<T>>> {
        self.table.take()
    }
}

impl<T> fmt::Debug for RangeRows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeRows").field("position", &self.position).field("stop", &self.stop).finish_non_exhaustive()
    }
}
