//! Rows of an object that is a table.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use firesteel_connect::{Payload, ReadRange};
use firesteel_formats::{ReadAt, Row, Table, TableError};
use firesteel_frames::Fault;
use firesteel_object_store::{Bucket, Pin};
use parking_lot::Mutex;

/// What is fetched at once, where less is asked for.
const BLOCK: u64 = 1 << 20;
/// How many blocks are kept: those of the pages that columns are at.
const KEPT: usize = 32;

/// An object, read at any place, in one version of it.
pub(super) struct ObjectBytes {
    bucket: Bucket,
    object: Pin,
    /// The blocks that were used last, with their numbers, the oldest first.
    blocks: Mutex<Vec<(u64, Bytes)>>,
}

impl ObjectBytes {
    pub(super) fn of(bucket: &Bucket, object: &Pin) -> Arc<Self> {
        Arc::new(Self { bucket: bucket.clone(), object: object.clone(), blocks: Mutex::default() })
    }

    fn fetch(&self, from: u64, to: u64) -> io::Result<Bytes> {
        Ok(self.bucket.begin_part(&self.object, from, to).wait()?)
    }

    fn block(&self, number: u64) -> io::Result<Bytes> {
        let mut blocks = self.blocks.lock();
        let found = blocks.iter().position(|(known, _)| *known == number);
        let block = match found {
            Some(at) => blocks.remove(at).1,
            None => self.fetch(number * BLOCK, self.object.size.min((number + 1) * BLOCK))?,
        };
        if blocks.len() >= KEPT {
            blocks.remove(0);
        }
        blocks.push((number, block.clone()));
        Ok(block)
    }
}

impl ReadAt for ObjectBytes {
    fn len(&self) -> u64 {
        self.object.size
    }

    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes> {
        let to = from.checked_add(length as u64).filter(|to| *to <= self.object.size);
        let to = to.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (first, last) = (from / BLOCK, to.saturating_sub(1) / BLOCK);
        if length == 0 {
            return Ok(Bytes::new());
        }
        if last > first + 1 {
            return self.fetch(from, to);
        }
        let start = (from % BLOCK) as usize;
        let block = self.block(first)?;
        if last == first {
            return Ok(block.slice(start..start + length));
        }
        let mut bytes = block[start..].to_vec();
        bytes.extend_from_slice(&self.block(last)?[..length - bytes.len()]);
        Ok(bytes.into())
    }
}

/// Reads the rows of a range, within its limits.
pub(super) struct RangeRows<T> {
    table: Box<dyn Table<T>>,
    rows: u64,
    stop: u64,
    records_left: u64,
    bytes_left: u64,
    position: u64,
    last: u64,
}

impl<T> RangeRows<T> {
    pub(super) fn new(table: Box<dyn Table<T>>, range: &ReadRange) -> Self {
        let rows = table.rows();
        Self {
            table,
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
    /// Why there is none; within, what concerns the object and not one row.
    pub(super) fn next_record(&mut self) -> Result<Result<Option<T>, Fault>, TableError> {
        if self.records_left == 0 || self.bytes_left == 0 || self.position >= self.stop {
            return Ok(Ok(None));
        }
        let Some(Row { at, item }) = self.table.row(self.position, self.stop)? else {
            self.position = self.stop;
            return Ok(Ok(None));
        };
        (self.last, self.position) = (at, at + 1);
        self.records_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(self.table.bytes_per_row());
        Ok(item.map(Some).map_err(|refused| Fault::Record {
            reason: refused.undecodable.reason().to_owned(),
            payload: Payload::of(&refused.payload),
        }))
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn last_position(&self) -> u64 {
        self.last
    }

    /// The table, to read the next range from.
    pub(super) fn into_table(self) -> Box<dyn Table<T>> {
        self.table
    }
}

impl<T> fmt::Debug for RangeRows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeRows").field("position", &self.position).field("stop", &self.stop).finish_non_exhaustive()
    }
}
