//! What a person sees while a contest runs.

use std::io::IsTerminal;

/// How far a run is, on standard error: in place on a terminal, and only its end elsewhere.
#[derive(Debug)]
pub struct Shown {
    what: String,
    of: u64,
    in_place: bool,
}

impl Shown {
    /// A run of this many events begins.
    #[must_use]
    pub fn new(what: String, of: u64) -> Self {
        let shown = Self { what, of, in_place: std::io::stderr().is_terminal() };
        shown.at(0);
        shown
    }

    /// This many are done.
    pub fn at(&self, events: u64) {
        if self.in_place {
            eprint!("\r\x1b[K{}: {} of {} million events", self.what, events / 1_000_000, self.of / 1_000_000);
        }
    }

    /// The run has ended with this result.
    pub fn end(self, result: &str) {
        eprintln!("{}{}: {result}", if self.in_place { "\r\x1b[K" } else { "" }, self.what);
    }
}
