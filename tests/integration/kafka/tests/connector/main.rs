//! Topics of a real broker, as source and as sink.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod help;
mod sink;
mod source;
