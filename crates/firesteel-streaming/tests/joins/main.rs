//! Joins of two streams over event time, and deduplication: laws over any input, what comes after them, and what is refused.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod as_of;
#[path = "../common/mod.rs"]
mod common;
mod dedup;
mod kinds;
mod law;
mod lives;
mod merged;
mod refused;
