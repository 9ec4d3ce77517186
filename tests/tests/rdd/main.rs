//! The operators and actions of RDDs, run by the scheduler.

#![allow(clippy::unwrap_used, reason = "what helps a test may panic as the test may")]

mod actions;
mod broadcast;
mod checkpoint;
mod common;
mod failures;
mod joins;
mod keyed;
mod lineage;
mod narrow;
mod persist;
mod placement;
mod sampling;
mod sets;
mod sorting;
mod spilling;
mod text;
mod threads;
