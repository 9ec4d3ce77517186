//! The lives of files: rotated, renamed, compressed, copied, removed, while they are followed and while nobody looks.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod after;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod follower;
#[cfg(target_os = "linux")]
mod notified;
mod packing;
mod races;
mod random;
mod situations;
mod turns;
mod unseen;
