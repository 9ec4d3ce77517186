//! Suites that check a connector against the contract of its trait.
//!
//! A connector's own tests call them with a way to make the connector and with what must come out. Each check has a
//! number, and a failure panics with the number, the rule and what was seen, as a test wants it.
//!
//! ```
//! use firesteel_connect::conformance;
//! # use firesteel_connect::*;
//! # struct Numbers(Blocks<u32>);
//! # impl Source for Numbers {
//! #     type Item = u32;
//! #     type Reader = BlockReader<u32>;
//! #     fn describe(&self) -> String { "numbers".into() }
//! #     fn replay(&self) -> Replay { Replay::Always }
//! #     fn discover(&self, _now: firesteel_window::Timestamp) -> Result<Discovery> {
//! #         let split = Split::new(SplitId::new("0"), PositionUnit::Records).available(self.0.end()).divisible(true).finished(true);
//! #         Ok(Discovery::all([split]).complete(true))
//! #     }
//! #     fn open(&self, range: &ReadRange) -> Result<BlockReader<u32>> {
//! #         if range.split.as_str() != "0" { return Err(ConnectError::unknown_split("numbers", &range.split)); }
//! #         self.0.read(range)
//! #     }
//! # }
//! # fn numbers() -> Numbers { let mut blocks = Blocks::new(); blocks.push(vec![1, 2, 3]); Numbers(blocks) }
//!
//! conformance::source(numbers, &[vec![1, 2, 3]]);
//! ```
//!
//! The suites cannot see what a connector does when its own place fails (a file that vanishes, a peer that closes):
//! that remains for the connector's tests.

mod cuts;
mod reading;
mod receiver;
mod shared_sink;
mod sink;
mod source;
mod store;
mod undecodable;
mod unsure_sink;

use std::fmt::Display;
use std::time::Duration;

pub use receiver::{receiver, receiver_stops};
pub use shared_sink::sinks_of_one_place;
pub use sink::{sink, sink_restarts};
pub use source::{source, source_at, source_resumes};
pub use store::{Courier, store, store_restarts};
pub use undecodable::undecodable;
pub use unsure_sink::{Loss, unsure_sink};

/// How long a suite waits for something that must happen by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// One demand on a connector.
#[derive(Clone, Copy)]
struct Rule(&'static str, &'static str);

impl Rule {
    /// Ends the test with the rule and what was seen instead.
    #[track_caller]
    fn broken(self, seen: impl Display) -> ! {
        panic!("rule {} is broken ({}): {seen}", self.0, self.1)
    }

    #[track_caller]
    fn check(self, holds: bool, seen: impl FnOnce() -> String) {
        if !holds {
            self.broken(seen());
        }
    }

    #[track_caller]
    fn ok<T, E: Display>(self, result: Result<T, E>, doing: impl FnOnce() -> String) -> T {
        match result {
            Ok(value) => value,
            Err(error) => self.broken(format!("{}: {error}", doing())),
        }
    }
}
