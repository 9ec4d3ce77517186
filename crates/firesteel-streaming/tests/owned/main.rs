//! Key groups: how many there are, and who owns them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod numbers;
mod program;
