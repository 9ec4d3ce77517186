//! The rows of a range of a file that is a table.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use firesteel_connect::{ConnectError, ReadRange, Result};
use firesteel_formats::{Format, Reading, TableError};
use firesteel_frames::RangeRows;

use super::{Broken, End, FileReader, Rest, ends_at};
use crate::path;
use crate::source::identity::Stamp;
use crate::source::rows::{OpenTable, Stretches};

impl<P: Reading> FileReader<P> {
    /// Opens the table, or keeps the one that the range before was read from.
    pub(super) fn open_table<F: Format<Reading = P, Item = P::Item>>(
        mut self,
        format: &F,
        range: &ReadRange,
    ) -> Result<Self> {
        if let Some(Rest::Table(open)) = self.rest.take()
            && open.stamp == self.file.stamp
        {
            self.rows = Some(RangeRows::new(open.table, range));
            return Ok(self);
        }
        let stretches = self.stretches()?;
        let Some(opened) = format.table(Arc::new(stretches)) else { return Ok(self) };
        match opened {
            Ok(table) => {
                let rows = table.rows();
                let end = self.file.end.get_or_init(|| End { at: rows, broken: None }).at;
                if end != rows {
                    return Err(self.file.lost(self.there(), ends_at(rows)));
                }
                self.rows = Some(RangeRows::new(table, range));
                Ok(self)
            }
            Err(error) if self.may_break_off(&error) => {
                let is_cut = matches!(error, TableError::Unfinished(_));
                let broken = Some(Broken { is_cut, reason: self.table_error(error).to_string().into() });
                self.file.end.get_or_init(|| End { at: range.from, broken });
                Ok(self)
            }
            Err(error @ (TableError::Unfinished(_) | TableError::Damaged(_))) if self.bears_damage => {
                // How many rows it has was known.
                self.stop = self.stop.min(self.file.available().unwrap_or(self.stop));
                let reason = self.table_error(error).to_string();
                self.pass_rest(&reason);
                Ok(self)
            }
            Err(error) => Err(self.table_error(error)),
        }
    }

    /// Whether a file that cannot be opened is left for later: one of which it was not known what is in it.
    fn may_break_off(&self, error: &TableError) -> bool {
        let is_of_file = matches!(error, TableError::Unfinished(_) | TableError::Damaged(_));
        is_of_file && self.file.is_patient && self.file.end.get().is_none()
    }

    /// The file, which has to be the one that was looked at: in another one, rows have other numbers.
    fn stretches(&self) -> Result<Stretches> {
        let mut file = self.open_file(self.file.stamp.size)?;
        let failed = |error| path::failed("read", &self.file.path)(error);
        let stamp = Stamp::of(&file.metadata().map_err(failed)?);
        if stamp != self.file.stamp
            && (stamp.size != self.file.stamp.size || !self.file.text.is_of(&mut file).map_err(failed)?)
        {
            let reason = "the file has been written anew; start without the old positions";
            return Err(self.file.lost(self.there(), reason));
        }
        Ok(Stretches::of(file, self.file.stamp.size))
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
                Ok(Ok(None)) => {
                    // What comes next begins with the table.
                    let table = rows.take_table();
                    self.reach(self.there());
                    let stamp = self.file.stamp;
                    self.rest = table.map(|table| Rest::Table(OpenTable { table, stamp })).or_else(|| self.rest.take());
                    Ok(None)
                }
                Ok(Err(fault)) => self.fault(fault).map(|()| None),
                Err(error) => {
                    let (error, _) = (self.table_error(error), self.rest.take());
                    Err(self.stuck(error))
                }
            };
        }
    }

    #[cold]
    fn table_error(&self, error: TableError) -> ConnectError {
        let unreadable = |kind, reason: String, advice| {
            let text = self.there().checked_sub(1).map_or_else(String::new, |row| format!(", after row {row}"));
            path::failed("read", &self.file.path)(io::Error::new(kind, format!("{reason}{text}; {advice}")))
        };
        match error {
            TableError::Io(error) => path::failed("read", &self.file.path)(error),
            TableError::Mismatch(mismatch) => self.file.mismatch(mismatch),
            TableError::Unfinished(reason) => {
                unreadable(ErrorKind::UnexpectedEof, reason, "was it complete when it was put here?")
            }
            other => unreadable(ErrorKind::InvalidData, other.to_string(), "restore it from its origin"),
        }
    }
}
