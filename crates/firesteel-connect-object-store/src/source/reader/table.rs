//! The rows of a range of an object that is a table.

use firesteel_connect::{ConnectError, ReadRange, Result, SourceReader};
use firesteel_formats::{Format, Reading, TableError};
use firesteel_frames::RangeRows;

use super::{ObjectReader, Settings};
use crate::source::rows::ObjectBytes;

impl<P: Reading> ObjectReader<P> {
    pub(super) fn open_table<F: Format<Reading = P, Item = P::Item>>(
        &mut self,
        range: &ReadRange,
        settings: &Settings<'_, F>,
    ) -> Result<()> {
        let bytes = ObjectBytes::of(&self.bucket, &self.object.pin);
        let Some(opened) = settings.format.table(bytes) else { return Ok(()) };
        let rows = RangeRows::new(opened.map_err(|error| self.table_failed(error, range.from))?, range);
        let known = *self.object.end.get_or_init(|| rows.rows());
        if known != rows.rows() {
            return Err(self.lost(range.from, rows.rows()));
        }
        self.rows = Some(rows);
        Ok(())
    }

    /// The next row of the range.
    pub(super) fn next_row(&mut self) -> Result<Option<P::Item>> {
        loop {
            let Some(rows) = &mut self.rows else { return Ok(None) };
            return match rows.next_record() {
                Ok(Ok(Some(row))) => Ok(Some(row)),
                Err(TableError::Rows { rows: damaged, reason }) if self.bears_damage => {
                    rows.pass(damaged.end);
                    self.pass(damaged.start, damaged.end, &reason);
                    continue;
                }
                Ok(Ok(None)) => self.ended().map(|()| None),
                Ok(Err(fault)) => self.fault(fault).map(|()| None),
                Err(error) => {
                    let position = self.position();
                    let error = self.table_failed(error, position);
                    self.damaged(error, position).map(|()| None)
                }
            };
        }
    }

    /// The error of an object that cannot be read as a table.
    fn table_failed(&self, error: TableError, position: u64) -> ConnectError {
        let key = self.object.pin.key.to_string();
        match error {
            TableError::Io(error) => self.failed(error, position),
            TableError::Mismatch(mismatch) => self.object.mismatch(mismatch),
            other => {
                let reason = format!("{other}; restore it from its origin");
                ConnectError::Damaged { path: key.into(), position, reason }
            }
        }
    }
}
