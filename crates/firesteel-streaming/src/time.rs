//! Event time: how far each stream has come, and the key groups that all that is kept by key is divided into.

mod alignment;
mod allowance;
mod asked;
mod fired;
mod held;
mod marks;
mod moved;
mod tracker;

pub(crate) use alignment::{Ahead, Alignment};
pub(crate) use allowance::Allowance;
pub(crate) use asked::{When, least};
pub(crate) use fired::{Fired, FiredCount, distinct};
pub use moved::MovedBy;
pub(crate) use tracker::{Tracker, goes_by_clock};
