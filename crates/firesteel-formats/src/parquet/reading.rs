//! The rows of a file.

mod batch;
mod open;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
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

    /// Begins to read at a row, up to the end of its row group.
    fn open_at(&mut self, row: u64) -> Result<(), TableError> {
        let group = self.borders.partition_point(|border| *border <= row) - 1;
        let (begin, end) = (self.borders[group], self.borders[group + 1]);
        let first = self.wanted.partition_point(|range| range.end <= row);
        let coming = self.wanted[first..].iter().take_while(|range| range.start < end);
        let coming: VecDeque<Range<u64>> = coming.map(|range| range.start.max(row)..range.end.min(end)).collect();
        let (mut at, mut selectors) = (begin, Vec::new());
        for range in &coming {
            selectors.push(RowSelector::skip(size(range.start - at)));
            selectors.push(RowSelector::select(size(range.end - range.start)));
            at = range.end;
        }
        selectors.push(RowSelector::skip(size(end - at)));
        let is_all = coming.len() == 1 && coming[0] == (begin..end);
        let (chunks, metadata, mask) = (self.chunks.clone(), self.metadata.clone(), self.mask.clone());
        let at_once = self.rows_at_once;
        let reader = guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata);
            let builder = builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(at_once);
            let builder = if is_all { builder } else { builder.with_row_selection(RowSelection::from(selectors)) };
            builder.build()
        })?;
        self.opened = Some(Opened { reader, coming });
        Ok(())
    }

    /// The next rows of what is open.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, TableError> {
        let Some(opened) = &mut self.opened else { return Ok(None) };
        let next = guarded(|| opened.reader.next().transpose().map_err(parquet::errors::ParquetError::from));
        match next {
            Ok(Some(batch)) if batch.num_rows() > 0 => Ok(Some(batch)),
            Ok(_) if opened.coming.is_empty() => {
                self.opened = None;
                Ok(None)
            }
            Ok(_) => Err(TableError::Damaged("a row group ends before its last row".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Makes the rows at and after `from` ready, or says that there are none.
    fn prepare(&mut self, from: u64) -> Result<bool, TableError> {
        loop {
            if self.opened.is_none() {
                let Some(row) = self.may_be_wanted(from) else { return Ok(false) };
                self.open_at(row)?;
            }
            let read = match self.next_batch() {
                Err(TableError::Damaged(reason)) if !self.is_raw && reason.to_lowercase().contains("utf") => {
                    // One text costs its own row.
                    self.read_raw()?;
                    continue;
                }
                read => read.inspect_err(|_| self.opened = None)?,
            };
            if let (Some(read), Some(opened)) = (read, &mut self.opened) {
                let batch = Batch::of(&read, &mut opened.coming);
                let batch = batch.and_then(|batch| batch.filtered(&self.settings));
                self.batch = Some(batch.inspect_err(|_| self.opened = None)?);
                return Ok(true);
            }
        }
    }
}

fn size(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
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
            });
            if skipped {
                self.opened = None;
            }
            if self.may_be_wanted(looked).is_none_or(|row| row >= to) || !self.prepare(looked)? {
                return Ok(None);
            }
        }
    }
}

#[cold]
fn refused(columns: &Column, row: usize, reading: Reading, error: &super::error::CellError) -> Box<RefusedRow> {
    let undecodable = Undecodable::new(format_args!("Parquet: {error}"));
    Box::new(RefusedRow { undecodable, payload: value::as_json(columns, row, reading) })
}
