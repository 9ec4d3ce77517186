//! State by key, as Spark's users rely on it: every case in every way of running it.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod cases;
mod process;
mod recovery;
mod refusals;
mod ways;

cases::every_case!(ways::all());
