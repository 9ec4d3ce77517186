//! Event time: how far each stream has come, and the key groups that all that is kept by key is divided into.

mod allowance;
mod fired;
mod marks;
mod tracker;

pub(crate) use allowance::Allowance;
pub(crate) use fired::{Fired, FiredCount, distinct};
pub(crate) use tracker::{Tracker, least};
