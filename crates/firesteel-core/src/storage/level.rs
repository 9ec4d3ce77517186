//! Where a persisted RDD is kept.

use crate::data::{Data, Exchange, Records};
use crate::error::Result;
use crate::storage::{Run, SpillMemory, estimate_bytes, next_record, open_run};
use crate::task::TaskContext;

/// Where [`persist`](crate::RddOps::persist) keeps records: [`MemoryOnly`], [`MemoryAndDisk`] or [`DiskOnly`].
#[diagnostic::on_unimplemented(
    message = "records of type `{T}` cannot be kept by `{Self}`",
    note = "in memory they must be `Clone + Send + Sync + 'static`; on disk they must also derive \
            `serde::Serialize` and `serde::Deserialize`"
)]
pub trait StorageLevel<T>: sealed::Level<T> + Copy + Send + Sync + 'static {}

/// In memory; what does not fit is computed again when it is needed. Records are counted with their size in place: what
/// they own elsewhere (strings, lists) is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryOnly;

/// In memory, and in temporary files compressed with lz4 where memory does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryAndDisk;

/// In temporary files compressed with lz4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskOnly;

impl<T: Data> StorageLevel<T> for MemoryOnly {}
impl<T: Exchange> StorageLevel<T> for MemoryAndDisk {}
impl<T: Exchange> StorageLevel<T> for DiskOnly {}

impl<T: Data> sealed::Level<T> for MemoryOnly {
    fn measure(records: &[T]) -> Option<u64> {
        Some(std::mem::size_of_val(records) as u64)
    }
    fn disk() -> Option<Disk<T>> {
        None
    }
}

impl<T: Exchange> sealed::Level<T> for MemoryAndDisk {
    fn measure(records: &[T]) -> Option<u64> {
        Some(estimate_bytes(records))
    }
    fn disk() -> Option<Disk<T>> {
        Some(Disk::new())
    }
}

impl<T: Exchange> sealed::Level<T> for DiskOnly {
    fn measure(_: &[T]) -> Option<u64> {
        None
    }
    fn disk() -> Option<Disk<T>> {
        Some(Disk::new())
    }
}

pub(crate) mod sealed {
    use super::Disk;

    pub trait Level<T> {
        /// The memory that records take; `None` if they are not to be kept in memory.
        fn measure(records: &[T]) -> Option<u64>;
        /// How records are written to disk; `None` if they are not to be.
        fn disk() -> Option<Disk<T>>;
    }
}

/// Writing and reading of records whose type can be serialized; no other type can say so.
pub struct Disk<T> {
    pub(crate) write: fn(&SpillMemory, &mut dyn Iterator<Item = T>) -> Result<Run>,
    pub(crate) read: for<'a> fn(&Run, &'a TaskContext) -> Records<'a, T>,
}

impl<T> Clone for Disk<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Disk<T> {}

impl<T: Exchange> Disk<T> {
    fn new() -> Self {
        Self { write: |memory, records| Run::write::<T>(memory, records), read }
    }
}

fn read<'a, T: Exchange>(run: &Run, task: &'a TaskContext) -> Records<'a, T> {
    let mut reader = open_run(run, task);
    Box::new(std::iter::from_fn(move || next_record(&mut reader, task)))
}
