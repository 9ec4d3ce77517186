//! Memory and temporary files of a context: what shuffles may hold, and what goes to disk.

mod measure;
mod memory;
mod merge;
mod records;
mod run;

pub(crate) use measure::{estimate_by, estimate_bytes};
pub(crate) use memory::{Memory, Reservation};
pub(crate) use merge::{Merge, Runs, SortOrder, Sorter, write_run};
pub(crate) use run::{Run, RunFile, RunReader};
