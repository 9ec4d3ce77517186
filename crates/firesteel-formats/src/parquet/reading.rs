//! The rows of a file.

mod batch;
mod open;
mod unreadable;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use firesteel_connect::Undecodable;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use serde::de::DeserializeOwned;

use super::Settings;
use super::chunks::{Chunks, guarded};
use super::column::Column;
use super::value::{self, Reading};
use crate::origin::FileOrigin;
use crate::table::{RefusedRow, Row, Table, TableError};
use batch::Batch;
pub(super) use open::count_rows;
use unreadable::Unreadable;

/// This many rows are decoded at once, unless they are large.
const ROWS: u64 = 4_096;
/// And this many bytes of them, about, as they are before compression.
const BYTES: u64 = 4 << 20;

/// A file, as rows of a type.
pub(super) struct Rows<T> {
    chunks: Chunks,
    settings: Settings,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    /// Where each row group begins, and where the last one ends.
    borders: Vec<u64>,
    /// In which rows there may be wanted ones.
    wanted: Vec<Range<u64>>,
    /// Whether a row may have several values in a column. Then all rows of a row group before the one that is wanted are read, too: where a
    /// page with such a column is damaged, the library never comes to the end of skipping rows in it.
    has_lists: bool,
    /// Which rows are known to be damaged.
    unreadable: Unreadable,
    rows_at_once: usize,
    bytes_per_row: u64,
    /// Whether texts are read as bytes: one of them is not UTF-8.
    is_raw: bool,
    opened: Option<Opened>,
    batch: Option<Batch>,
    /// Rows before this one have been passed.
    passed: u64,
    of: std::marker::PhantomData<fn() -> T>,
}

/// What reads a row group.
struct Opened {
    reader: ParquetRecordBatchReader,
    /// The rows that it has still to give.
    coming: VecDeque<Range<u64>>,
}

impl<T> Rows<T> {
    fn rows_in_all(&self) -> u64 {
        self.borders.last().copied().unwrap_or(0)
    }

    fn reading(&self) -> Reading {
        Reading { local_is_utc: self.settings.local_is_utc }
    }

    /// The first row from this one on that may be wanted.
    fn may_be_wanted(&self, from: u64) -> Option<u64> {
        let range = self.wanted.get(self.wanted.partition_point(|range| range.end <= from))?;
        Some(range.start.max(from))
    }

    /// Forgets what is open.
    fn close(&mut self) {
        (self.opened, self.batch) = (None, None);
    }

    fn group_of(&self, row: u64) -> usize {
        self.borders.partition_point(|border| *border <= row) - 1
    }

    /// The rows from this one to the end of its row group that are to be read.
    fn coming(&self, row: u64) -> VecDeque<Range<u64>> {
        let group = self.group_of(row);
        let end = self.borders[group + 1];
        let row = if self.has_lists { self.borders[group] } else { row };
        let first = self.wanted.partition_point(|range| range.end <= row);
        let coming = self.wanted[first..].iter().take_while(|range| range.start < end);
        coming.flat_map(|range| self.unreadable.without(range.start.max(row)..range.end.min(end))).collect()
    }

    /// What reads these rows of a row group.
    fn reader(&self, group: usize, coming: &VecDeque<Range<u64>>) -> Result<ParquetRecordBatchReader, TableError> {
        let (begin, end) = (self.borders[group], self.borders[group + 1]);
        let (mut at, mut selectors) = (begin, Vec::new());
        for range in coming {
            selectors.push(RowSelector::skip(size(range.start - at)));
            selectors.push(RowSelector::select(size(range.end - range.start)));
            at = range.end;
        }
        if !self.has_lists {
            selectors.push(RowSelector::skip(size(end - at)));
        }
        let is_all = coming.len() == 1 && coming[0] == (begin..end);
        let (chunks, metadata, mask) = (self.chunks.clone(), self.metadata.clone(), self.mask.clone());
        let at_once = self.rows_at_once;
        guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata);
            let builder = builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(at_once);
            let builder = if is_all { builder } else { builder.with_row_selection(RowSelection::from(selectors)) };
            builder.build()
        })
    }

    /// The next rows of what is open.
    fn next_batch(&mut self) -> Result<Option<Batch>, TableError> {
        let Some(opened) = &mut self.opened else { return Ok(None) };
        let next = guarded(|| opened.reader.next().transpose().map_err(parquet::errors::ParquetError::from));
        match next {
            Ok(Some(batch)) if batch.num_rows() > 0 => {
                let mut coming = opened.coming.clone();
                let batch = Batch::of(&batch, &mut coming)?;
                opened.coming = coming;
                batch.filtered(&self.settings).map(Some)
            }
            Ok(_) if opened.coming.is_empty() => {
                self.opened = None;
                Ok(None)
            }
            Ok(_) => Err(TableError::Damaged("a row group ends before its last row".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Makes the rows at and after `from` ready, or says that there are none before `to`.
    fn prepare(&mut self, from: u64, to: u64) -> Result<bool, TableError> {
        loop {
            if self.opened.is_none() {
                let Some(row) = self.readable(from).filter(|row| *row < to) else { return Ok(false) };
                let (group, coming) = (self.group_of(row), self.coming(row));
                match self.reader(group, &coming) {
                    Ok(reader) => self.opened = Some(Opened { reader, coming }),
                    Err(error) => {
                        self.damaged(&coming, error)?;
                        continue;
                    }
                }
            }
            match self.next_batch() {
                Ok(None) => {}
                Ok(batch) => {
                    self.batch = batch;
                    return Ok(true);
                }
                Err(error) => {
                    let coming = self.opened.take().map(|opened| opened.coming).unwrap_or_default();
                    self.damaged(&coming, error)?;
                }
            }
        }
    }

    /// Finds out what is damaged of the rows that were to be read, or hands on what is no damage.
    #[cold]
    fn damaged(&mut self, coming: &VecDeque<Range<u64>>, error: TableError) -> Result<(), TableError> {
        match self.chunks.honest(error) {
            // One text costs its own row.
            TableError::Damaged(reason) if !self.is_raw && reason.to_lowercase().contains("utf") => self.read_raw(),
            TableError::Damaged(reason) if !coming.is_empty() => self.look_into(coming, &reason),
            error => Err(error),
        }
    }
}

fn size(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

impl<T: DeserializeOwned> Rows<T> {
    /// The first row in `[from, to)` that is wanted and can be read.
    #[inline]
    fn next_row(&mut self, from: u64, to: u64) -> Result<Option<Row<T>>, TableError> {
        if from < self.passed {
            self.close();
        }
        self.passed = from;
        // Before this row there is none that is wanted.
        let mut looked = from;
        loop {
            if let Some(batch) = &mut self.batch {
                if let Some((at, index)) = batch.next(from) {
                    if at >= to {
                        // It stays, for whoever reads on.
                        batch.back();
                        return Ok(None);
                    }
                    self.passed = at + 1;
                    let reading = Reading { local_is_utc: self.settings.local_is_utc };
                    let item = value::record(&batch.columns, index, reading, &self.settings.path);
                    let item = item.map_err(|error| refused(&batch.columns, index, reading, &error));
                    return Ok(Some(Row { at, item }));
                }
                looked = looked.max(batch.end());
                self.batch = None;
            }
            let skipped = self.opened.as_ref().and_then(|opened| opened.coming.front()).is_some_and(|next| {
                // What is to be passed over is not decoded, if it is more than a little.
                looked > next.start + self.rows_at_once as u64
                    && !(self.has_lists
                        && self.group_of(looked.min(self.rows_in_all() - 1)) == self.group_of(next.start))
            });
            if skipped {
                self.opened = None;
            }
            if self.may_be_wanted(looked).is_none_or(|row| row >= to) || !self.prepare(looked, to)? {
                return Ok(None);
            }
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Table<T> for Rows<T> {
    fn rows(&self) -> u64 {
        self.rows_in_all()
    }

    fn bytes_per_row(&self) -> u64 {
        self.bytes_per_row
    }

    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.settings.path.is_same(file)
    }

    #[inline]
    fn row(&mut self, from: u64, to: u64) -> Result<Option<Row<T>>, TableError> {
        let found = self.next_row(from, to)?;
        if !self.unreadable.is_empty() {
            let checked = self.check(from, found.as_ref().map_or(to, |row| row.at));
            if checked.is_err() && found.is_some() {
                // It stays, for whoever asks for what comes after those that cannot be read.
                self.batch.iter_mut().for_each(Batch::back);
                self.passed = from;
            }
            checked?;
        }
        Ok(found)
    }
}

#[cold]
fn refused(columns: &Column, row: usize, reading: Reading, error: &super::error::CellError) -> Box<RefusedRow> {
    let undecodable = Undecodable::new(format_args!("Parquet: {error}"));
    Box::new(RefusedRow { undecodable, payload: value::as_json(columns, row, reading) })
}
