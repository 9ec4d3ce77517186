//! Records that are there from the start.

use std::fmt;
use std::sync::Arc;

use firesteel_connect::{
    BlockReader, Blocks, ConnectError, Discovery, PositionUnit, ReadRange, Replay, Result, Source, Split, SplitId,
};
use firesteel_window::Timestamp;

/// A source over slices in memory: complete, divisible at any record, and as fast as a loop over the slices.
///
/// Each partition is a split, named `0`, `1`, and so on; positions count its records.
///
/// ```
/// use firesteel_connect::{ReadRange, Source, SourceReader};
/// use firesteel_connect_memory::MemorySource;
/// use firesteel_window::Timestamp;
///
/// let source = MemorySource::partitions([vec![1, 2, 3], vec![4]]);
/// let splits = source.discover(Timestamp::from_secs(0))?.splits;
/// assert_eq!(splits[1].available, Some(1));
///
/// let mut sum = 0;
/// source.open(&ReadRange::exact(splits[0].id.clone(), 1, 3))?.for_each(|n| sum += n)?;
/// assert_eq!(sum, 5);
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
pub struct MemorySource<T> {
    partitions: Vec<(Split, Blocks<T>)>,
}

impl<T> MemorySource<T> {
    /// One partition. A `Vec` is moved into place, an `Arc<[T]>` is shared.
    pub fn new(records: impl Into<Arc<[T]>>) -> Self {
        Self::partitions([records])
    }

    /// Several partitions. Nothing is copied where they come as `Arc<[T]>`, so that several sources may share them.
    pub fn partitions(partitions: impl IntoIterator<Item = impl Into<Arc<[T]>>>) -> Self {
        let partition = |(index, records): (usize, _)| {
            let mut blocks = Blocks::new();
            blocks.push(records);
            let split = Split::new(SplitId::new(index.to_string()), PositionUnit::Records)
                .available(blocks.end())
                .divisible(true)
                .finished(true);
            (split, blocks)
        };
        Self { partitions: partitions.into_iter().enumerate().map(partition).collect() }
    }
}

impl<T> Source for MemorySource<T>
where
    T: Clone + Send + Sync + 'static,
{
    type Item = T;
    type Reader = BlockReader<T>;

    fn describe(&self) -> String {
        let records: u64 = self.partitions.iter().map(|(_, blocks)| blocks.end()).sum();
        format!("{records} records in memory")
    }

    /// Across restarts, as far as the program puts the same records in again.
    fn replay(&self) -> Replay {
        Replay::Always
    }

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let splits = self.partitions.iter().map(|(split, _)| split.clone());
        Ok(Discovery::all(splits).complete(true))
    }

    fn open(&self, range: &ReadRange) -> Result<BlockReader<T>> {
        // The name is the index; a number written in another way is not one of our names.
        let index = range.split.as_str().parse::<usize>().ok();
        match index.and_then(|index| self.partitions.get(index)) {
            Some((split, blocks)) if split.id == range.split => blocks.read(range),
            _ => Err(ConnectError::unknown_split(&self.describe(), &range.split)),
        }
    }
}

impl<T> fmt::Debug for MemorySource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.partitions.iter().map(|(split, _)| split)).finish()
    }
}
