//! Memory and files of a context: what shuffles may hold, what is kept of RDDs, and what goes to disk.

mod blocks;
mod level;
mod memory;
mod merge;
mod records;
mod run;
mod shared;
mod whole;

pub(crate) use firesteel_budget::{estimate_by, estimate_bytes};

pub(crate) use blocks::{Block, Blocks, Spill};
pub(crate) use level::Disk;
pub use level::{DiskOnly, MemoryAndDisk, MemoryOnly, StorageLevel};
pub(crate) use memory::{Reservation, SpillMemory};
pub(crate) use merge::{Merge, Runs, SortOrder, Sorted, Sorter, next_record, open_run, write_run};
pub(crate) use records::{RecordReader, RecordWriter};
pub(crate) use run::{Run, RunFile, RunReader};
pub(crate) use shared::Shared;
pub(crate) use whole::write_whole;
