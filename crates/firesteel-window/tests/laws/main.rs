//! Laws that hold for all inputs, checked on random ones.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod aggregates;
mod panes;
mod pattern_model;
mod patterns;
mod sessions;
mod sliding;
mod times;
mod watermarks;
mod windows;
