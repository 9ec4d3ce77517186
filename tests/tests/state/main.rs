//! State by key, as Spark's users rely on it: every case in every way of running it.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod cases;
mod every_case;
mod process;
mod recovery;
mod refusals;
mod timers;
mod ttl;
#[allow(dead_code, reason = "other test programs need the rest")]
mod ways;

every_case::every_case!(ways::all());
