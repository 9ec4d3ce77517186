//! The memory that a process lets its jobs take.
//!
//! One [`Memory`] is handed to whatever takes memory by the amount of data: shuffles, persisted RDDs, keyed state, the
//! buffers of receivers. Each has a part of it, goes to disk or waits where that is used up, and tells what it takes. A
//! clone is the same memory, so that several jobs of a process share one.
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
//! Who can go elsewhere asks a [`MemoryBudget`]; who can only wait, as receivers do, has a [`Share`] of a [`Pool`]. What
//! records take is estimated by [`measure`] and its like.
//!
//! It counts what those uses estimate of their data, and allocates nothing itself. Two things are not part of it: the
//! program, and what a batch holds on its way through narrow operators, which is bounded by the limits of a batch.

#![forbid(unsafe_code)]

mod budget;
mod measure;
mod memory;
mod pool;

pub use budget::{MemoryBudget, Reservation};
pub use measure::{estimate_by, estimate_bytes, measure};
pub use memory::{Memory, Part, gib, mib};
pub use pool::{Pool, Request, Share};
