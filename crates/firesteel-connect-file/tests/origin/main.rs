//! Records with where they come from, and fields from the path of their file.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod columns;
#[path = "../common/mod.rs"]
mod common;
mod places;
mod written;
