//! Records held in memory, numbered and in blocks.
//!
//! What every source over memory needs: records get positions 0, 1, 2 … as they come, those that are done with are
//! forgotten from the front, and readers share the blocks instead of copying them or holding a lock while they read.
//!
//! ```
//! use firesteel_connect::{Blocks, ReadRange, SourceReader, SplitId};
//!
//! let mut blocks = Blocks::new();
//! blocks.push(vec!["a", "b"]);
//! blocks.push(vec!["c"]);
//! let mut reader = blocks.read(&ReadRange::exact(SplitId::new("0"), 1, 3))?;
//! assert_eq!(reader.next_record()?, Some("b"));
//! assert_eq!(reader.next_record()?, Some("c"));
//! assert_eq!(reader.next_record()?, None);
//! # Ok::<(), firesteel_connect::ConnectError>(())
//! ```
//!
//! It is not a queue with a bound: [`Buffered`](crate::Buffered) adds that.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::{Choose, ConnectError, ReadRange, Result, SourceReader, SplitId, Undecoded};

/// Numbered records in shared blocks.
pub struct Blocks<T> {
    blocks: VecDeque<Block<T>>,
    first: u64,
    end: u64,
}

/// Consecutive records, the first of them at position `start`.
struct Block<T> {
    start: u64,
    records: Records<T>,
}

enum Records<T> {
    Decoded(Arc<[T]>),
    /// One, that could not be.
    Undecoded(Undecoded),
}

impl<T> Block<T> {
    fn end(&self) -> u64 {
        self.start
            + match &self.records {
                Records::Decoded(records) => records.len() as u64,
                Records::Undecoded(_) => 1,
            }
    }
}

impl<T> Clone for Block<T> {
    fn clone(&self) -> Self {
        let records = match &self.records {
            Records::Decoded(records) => Records::Decoded(Arc::clone(records)),
            Records::Undecoded(undecoded) => Records::Undecoded(undecoded.clone()),
        };
        Self { start: self.start, records }
    }
}

impl<T> Blocks<T> {
    /// No records; the first to come gets position 0.
    #[must_use]
    pub fn new() -> Self {
        Self { blocks: VecDeque::new(), first: 0, end: 0 }
    }

    /// Appends records as one block. No record is copied when they come as an `Arc`.
    pub fn push(&mut self, records: impl Into<Arc<[T]>>) {
        let records = records.into();
        if !records.is_empty() {
            self.append(Records::Decoded(records));
        }
    }

    /// Appends a record that could not be decoded: whoever reads it gets an error of that record alone.
    pub fn push_undecoded(&mut self, undecoded: Undecoded) {
        self.append(Records::Undecoded(undecoded));
    }

    fn append(&mut self, records: Records<T>) {
        let block = Block { start: self.end, records };
        self.end = block.end();
        self.blocks.push_back(block);
    }

    /// The position of the first record that is still held.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The position after the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Forgets the records before `position`. Memory is given back block by block; readers keep what they have.
    pub fn trim(&mut self, position: u64) {
        self.first = position.clamp(self.first, self.end);
        while self.blocks.front().is_some_and(|block| block.end() <= self.first) {
            self.blocks.pop_front();
        }
    }

    /// A reader of the range.
    ///
    /// The bytes of [`ReadRange::max_bytes`] are those of the records themselves (`size_of::<T>()`), without what
    /// they point at.
    ///
    /// # Errors
    /// [`ConnectError::Lost`] when the range reaches outside of what is held.
    pub fn read(&self, range: &ReadRange) -> Result<BlockReader<T>> {
        let to = range.to.unwrap_or(self.end);
        if range.from < self.first || range.from > self.end || to > self.end {
            let position = if range.from < self.first || range.from > self.end { range.from } else { to };
            return Err(ConnectError::Lost {
                place: range.split.to_string(),
                position,
                reason: format!(
                    "positions {} to {} are in memory; records are kept until they are committed and not beyond the \
                     end of the process, so start without the old positions",
                    self.first, self.end
                ),
            });
        }
        let stop = to.min(range.from.saturating_add(record_limit::<T>(range)));
        let skipped = self.blocks.partition_point(|block| block.end() <= range.from);
        let blocks = self.blocks.iter().skip(skipped).take_while(|block| block.start < stop).cloned().collect();
        let split = range.split.clone();
        Ok(BlockReader { split, blocks, position: range.from, stop, data_end: self.end, picked: Vec::new() })
    }
}

/// How many records of type `T` the limits of the range allow.
fn record_limit<T>(range: &ReadRange) -> u64 {
    let size = size_of::<T>().max(1) as u64;
    let by_bytes = range.max_bytes.map_or(u64::MAX, |bytes| bytes.div_ceil(size).max(1));
    range.max_records.unwrap_or(u64::MAX).min(by_bytes)
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Blocks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("first", &self.first).field("end", &self.end).finish_non_exhaustive()
    }
}

/// Reads a range of [`Blocks`], cloning each record once.
pub struct BlockReader<T> {
    split: SplitId,
    blocks: VecDeque<Block<T>>,
    position: u64,
    stop: u64,
    data_end: u64,
    /// Room for the indices of chosen records.
    picked: Vec<u32>,
}

impl<T> BlockReader<T> {
    /// The position after the last record of the range, limits included.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.stop.max(self.position)
    }

    /// Hands the next records to `each` where they lie, at most this many, stretch by stretch. Returns whether there are more.
    /// Stops with an error after one that could not be decoded.
    fn stretches(&mut self, most: usize, mut each: impl FnMut(&[T])) -> Result<bool> {
        let stop = self.stop.min(self.position.saturating_add(most as u64));
        while self.position < stop {
            while self.blocks.front().is_some_and(|block| block.end() <= self.position) {
                self.blocks.pop_front();
            }
            let Some(block) = self.blocks.front() else { break };
            let end = block.end().min(stop);
            // Whatever `each` does with them, they are read.
            let from = std::mem::replace(&mut self.position, end);
            match &block.records {
                Records::Decoded(records) => {
                    each(&records[(from - block.start) as usize..(end - block.start) as usize])
                }
                Records::Undecoded(undecoded) => return Err(undecoded.clone().into_error(self.split.as_str(), from)),
            }
        }
        Ok(self.position < self.stop)
    }
}

impl<T: Clone> SourceReader for BlockReader<T> {
    type Item = T;

    #[inline]
    fn next_record(&mut self) -> Result<Option<T>> {
        let mut next = None;
        self.stretches(1, |record| next = record.first().cloned())?;
        Ok(next)
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn at_end(&self) -> bool {
        self.position >= self.data_end
    }

    fn read_block(&mut self, most: usize, block: &mut Vec<T>) -> Result<bool> {
        self.stretches(most, |records| block.extend_from_slice(records))
    }

    fn read_chosen(&mut self, most: usize, choose: &mut Choose<'_, T>, block: &mut Vec<T>) -> Result<Option<bool>> {
        let mut picked = std::mem::take(&mut self.picked);
        let more = self.stretches(most, |records| {
            if picked.len() < records.len() {
                picked.resize(records.len(), 0);
            }
            let count = choose(records, &mut picked);
            block.extend(picked[..count].iter().map(|at| records[*at as usize].clone()));
        });
        self.picked = picked;
        more.map(Some)
    }
}

impl<T> fmt::Debug for BlockReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockReader")
            .field("position", &self.position)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}
