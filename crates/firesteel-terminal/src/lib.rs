//! What a job shows a person at a terminal: result tables, a progress bar, a summary.
//!
//! - [`Console`]: a sink that prints results, as aligned tables or as JSON lines.
//! - [`TerminalProgress`]: a listener that shows progress and a summary on standard error.
//! - [`Notices`]: a listener that tells on standard error which records are left out, and why.
//! - [`say`]: other words on standard error, which keep clear of the bar.
//!
//! ```
//! use firesteel_connect_memory::MemorySource;
//! use firesteel_streaming::{StreamingContext, Trigger};
//! use firesteel_terminal::{Console, TerminalProgress};
//!
//! let job = StreamingContext::builder("lengths").listener(TerminalProgress::new()).build()?;
//! job.read(MemorySource::new(vec!["spark", "fire"])).map(|word| (word, word.len())).write(Console::table());
//! job.run(Trigger::AvailableNow)?;
//! // epoch 1: 2 rows
//! //  key    value
//! // ──────────────
//! //  spark      5
//! //  fire       4
//! # Ok::<(), firesteel_streaming::Error>(())
//! ```
//!
//! Results go to standard output and everything else to standard error, so that results can be piped on. Both know of
//! each other: a table is never torn by the bar.
//!
//! It is no logging: what happens inside of a job is told by `tracing`.

mod console;
mod notices;
mod numbers;
mod pauses;
mod progress;
mod rates;
mod report;
mod screen;
mod sofar;
mod table;
mod text;
mod value;

pub use console::{Console, LatestTable, Printed};
pub use notices::Notices;
pub use pauses::Pauses;
pub use progress::TerminalProgress;
pub use screen::{say, show_all_digits};
