//! Memory and temporary files of a context: what shuffles may hold, and what goes to disk.

mod memory;
mod run;

pub(crate) use memory::{Memory, Reservation, estimate_bytes};
pub(crate) use run::{Run, RunWriter};
