//! Runs a program as a job, for people who set up nothing.
//!
//! [`launch`] takes a name and a function that builds the job, and does what every program would do around it:
//!
//! - it reads the options that every program wants ([`LaunchOptions`]);
//! - it stops gracefully on Ctrl-C and `SIGTERM`, at the second one at once, and ends with the right code ([`Exit`]);
//! - it tells on standard error how far the job is, which records it leaves out and why, and what a person must know:
//!   that a source cannot be reached, that results or a checkpoint are missing or older than each other;
//! - a panic in user code is told once, with its place, operator, partition and record, not once per attempt.
//!
//! ```
//! use firesteel_connect_memory::MemorySource;
//! use firesteel_terminal::Console;
//!
//! fn main() -> firesteel_launch::Exit {
//!     firesteel_launch::launch("lengths", |job| {
//!         job.read(MemorySource::new(vec!["spark", "fire"])).map(|word| (word, word.len())).write(Console::table());
//!         Ok(())
//!     })
//! }
//! ```
//!
//! A program with options of its own takes ours in beside them:
//!
//! ```
//! use clap::Parser;
//! use firesteel_connect_memory::MemorySource;
//! use firesteel_launch::{Exit, LaunchOptions};
//! use firesteel_streaming::BatchLimits;
//! use firesteel_terminal::Console;
//!
//! #[derive(Parser)]
//! struct Options {
//!     /// Count up to this number
//!     #[arg(default_value_t = 3)]
//!     to: u64,
//!     #[command(flatten)]
//!     launch: LaunchOptions,
//! }
//!
//! fn main() -> Exit {
//!     let options = Options::parse();
//!     let settings = options.launch.with(|job| job.limits(BatchLimits::default().records(100)));
//!     settings.run("numbers", |job| {
//!         job.read(MemorySource::new((1..=options.to).collect::<Vec<_>>())).write(Console::json());
//!         Ok(())
//!     })
//! }
//! ```
//!
//! The program is a function because it may be called more than once, in one process or in several: what is expensive,
//! such as a table or a pool, is made outside and shared.
//!
//! A program that has set up `tracing` keeps its own subscriber, which then gets the warnings; the rest stays as it is.

mod exit;
mod explain;
mod launch;
mod options;
mod panics;
mod retries;
mod signals;
mod stop_after;
mod warnings;

pub use exit::Exit;
pub use launch::{Launch, launch};
pub use options::{ExplainFormat, LaunchOptions, ProgressMode};
pub use warnings::show_warnings;
