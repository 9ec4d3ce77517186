//! Patterns: laws over any input, what comes after them, what they cost, and what is refused.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod costs;
mod law;
#[path = "../joins/lives.rs"]
mod lives;
#[path = "../../../firesteel-window/tests/laws/pattern_model.rs"]
mod pattern_model;
mod refused;
