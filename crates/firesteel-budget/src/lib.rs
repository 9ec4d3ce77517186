//! The memory that a process lets its jobs take.
//!
//! One [`Memory`] is handed to whatever takes memory by the amount of data: shuffles, persisted RDDs, keyed state. Each has
//! a part of it, goes to disk where that is used up, and tells what it takes. A clone is the same memory, so that several
//! jobs of a process share one.
//!
//! ```
//! use firesteel_budget::{Memory, Part, gib, mib};
//!
//! let memory = Memory::of(mib(512)).state(gib(2));
//! assert_eq!(memory.part(Part::Shuffle).limit(), mib(128));
//! assert_eq!(memory.part(Part::State).limit(), gib(2));
//! assert_eq!(memory.used(), 0);
//! ```
//!
//! It counts what those uses estimate of their data, and allocates nothing itself. Three things are not part of it: the
//! program, what a batch holds on its way through narrow operators, which is bounded by the limits of a batch, and the
//! buffers of receivers, which are bounded by a number of records of their own.

#![forbid(unsafe_code)]

mod budget;
mod memory;

pub use budget::{MemoryBudget, Reservation};
pub use memory::{Memory, Part, gib, mib};
