//! Event time: who moves it, who holds it back, and what is told of that.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod align;
mod by_clock;
mod chains;
mod clock;
mod holds;
mod late;
mod sessions;
mod triggers;
